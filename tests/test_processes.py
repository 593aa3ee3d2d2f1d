"""The server that workers are forks of begins early, and never outlives the process that started it."""

import os
import subprocess
import sys
from time import monotonic, sleep

import pytest
from conftest import ROOT

START = """
import sys
from multiprocessing import forkserver
from data_gen import processes
processes.start_server("json")
print(forkserver._forkserver._forkserver_pid, flush=True)
{more}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker is a new Python")
@pytest.mark.parametrize("more", ["", "sys.exit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_server_ends_with_its_process(more):
    asked = [sys.executable, "-c", START.format(more=more)]
    done = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT, timeout=60)
    server, end = int(done.stdout), monotonic() + 60
    while os.path.exists(f"/proc/{server}"):
        assert monotonic() < end, "it lives on"
        sleep(0.05)
