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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is tracked so")
def test_a_tracker_that_was_killed_is_started_again_without_a_word():
    code = """
import os, signal, time
from multiprocessing import resource_tracker
from data_gen import processes
resource_tracker.ensure_running()
os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)
time.sleep(0.2)
with processes.left_to_the_parent():
    os.kill(killed := resource_tracker._resource_tracker._pid, signal.SIGKILL)
    time.sleep(0.2)
    process = processes.context("json").Process(target=print, args=("it works",))
    process.start()
process.join()
assert resource_tracker._resource_tracker._pid != killed
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "it works\n", "")
