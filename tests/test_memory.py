"""Where memory is short, a command ends in one line, however a library says it."""

import errno
import os
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT, TINY

from synthgap import cli, memory
from synthgap.runs import pool

SHORT = f"synthgap: error: {memory.LINE}\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libopenblas.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_it_is_told_in_a_line(error, capsys):
    def do(within=None):
        try:
            raise error
        except Exception as cause:
            raise (within or cause) from cause

    for raised in (do, lambda: do(ValueError("a table is damaged"))):
        assert cli.guarded(raised) == 1 and capsys.readouterr().err == SHORT


def test_other_errors_are_not_taken_for_it():
    for error in (
        ImportError("no module named numpy"),
        RuntimeError("shapes do not fit"),
        OSError(errno.ENOENT, "gone"),
    ):
        assert not memory.is_short(error)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
@pytest.mark.parametrize(
    ("asked", "most", "told"),
    [
        (["studies"], 300, "a process may have 0.3 GB of address space (ulimit -v) here, and 1 GB are needed"),
        (
            ["run", "imbalance", *TINY],
            1500,
            "a process may have 1.5 GB of address space (ulimit -v) here, and 4 GB are",
        ),
    ],
)
def test_a_real_limit_is_told_before_anything_is_loaded_that_would_wait_for_more(tmp_path, asked, most, told):
    import resource

    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (most * 2**20, resource.RLIM_INFINITY))  # noqa: E731
    command = [sys.executable, "-m", "synthgap", *asked]
    # matplotlib keeps the list of fonts that it finds, and where memory is short, finds few
    one = os.environ | {"OPENBLAS_NUM_THREADS": "1", "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit, env=one)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert told in done.stderr


def test_a_library_that_cannot_be_loaded_for_want_of_memory_is_told_in_a_line():
    code = """
import sys

class Short:
    def find_spec(self, name, *_):
        if name == "numpy":
            raise ImportError("libopenblas.so: failed to map segment from shared object")

sys.meta_path.insert(0, Short())
sys.argv = ["synthgap", "studies"]
from synthgap.__main__ import main
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (1, SHORT)


def test_a_worker_that_finds_no_memory_for_a_thread_stops_with_a_line(copied, monkeypatch):
    def none_left(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool.processes, "begin", lambda: None)
    monkeypatch.setattr(pool.runs, "work", none_left)
    with pytest.raises(SystemExit) as ended:
        pool._work(copied, None)
    assert ended.value.code == f"synthgap: a worker stopped: {memory.LINE}"


def test_workers_that_cannot_be_started_are_told_in_a_line(copied, monkeypatch, capsys):
    class Dies:
        Array = staticmethod(lambda *_, **__: None)

        def Process(self, **_):
            return self

        def start(self):
            raise EOFError("unexpected EOF")

    (copied.folder / copied.tasks[0].run_id / "done.json").unlink()
    monkeypatch.setattr(pool.server, "context", lambda: Dies())
    assert cli.guarded(lambda: pool.sweep(copied, 1)) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "workers could not be started" in told


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_reading_a_table_where_no_thread_can_start_ends(tmp_path):
    """pyarrow waits forever for threads that it could not start: a sweep once hung so."""
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    code = """if True:
        import resource, sys
        from pathlib import Path
        import pandas as pd, pyarrow.parquet
        from data_gen import files
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**22, resource.RLIM_INFINITY))
        files.read_parquet("a.parquet")
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or "Failed to launch worker thread" in done.stderr, done.stderr
