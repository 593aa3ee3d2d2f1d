"""Signals, and workers that die: one line, the exit code that is documented, and nothing half-written left behind.

What a worker does while it reads its world is written into the world's file, so that a signal comes at the very moment.
"""

import os
import random
import signal
import subprocess
import sys
import weakref
from time import monotonic, sleep

import pytest
from conftest import ROOT, TINY

from synthgap import cli, interrupts

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
AGAIN = "os.kill(os.getpid(), signal.SIGTERM)"
AGAIN_WHILE_IT_CLEANS_UP = ["remove = shutil.rmtree", f"shutil.rmtree = lambda *a, **k: ({AGAIN}, remove(*a, **k))"]
WORLD = """\
import atexit, os, shutil, signal, time
from multiprocessing import parent_process
import numpy as np
from data_gen import Factor, FactorSpace, World

def render(codes, generator):
    return np.zeros((len(codes), 8, 8, 3), np.uint8)

world = World(FactorSpace([Factor("shape", list("abcd")), Factor("shade", list("xy"))]), render)
if parent_process():
"""


def start(folder, *arguments, module="synthgap"):
    """The command in a process group of its own, which hears Ctrl-C even where the tests run in the background."""
    command = [sys.executable, "-m", module, *arguments]
    hears = lambda: [signal.signal(number, signal.SIG_DFL) for number in CODES]  # noqa: E731
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen(command, cwd=folder, start_new_session=True, preexec_fn=hears, **pipes)


def run_with(folder, in_worker, *more):
    """`synthgap run` of two runs in a world whose workers do `in_worker`, a line of Python or more."""
    (folder / "world.py").write_text(WORLD + "".join(f"    {line}\n" for line in in_worker))
    asked = ["run", "imbalance", "world=world.py", *TINY, "captions.attributes=1", "seed=0,1", "workers=1"]
    process = start(folder, *asked, *more)
    out, error = process.communicate(timeout=300)
    end = monotonic() + 120
    while _alive(process.pid):  # workers end with their parent
        assert monotonic() < end, "a process of the command lives on"
        sleep(0.05)
    return process.returncode, out, error


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def left_over(folder):
    """What is neither a finished run nor said to be one that failed."""
    runs = folder / "runs" / "imbalance"
    return [path.name for path in runs.iterdir() if "partial" in path.name]


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        (signal.SIGTERM, "os.kill(parent_process().pid, signal.SIGTERM)"),
        (signal.SIGHUP, "os.killpg(parent_process().pid, signal.SIGHUP)"),
    ],
)
def test_a_signal_in_the_midst_of_a_run_is_one_line(number, sent, tmp_path):
    code, out, error = run_with(tmp_path, [sent, "time.sleep(300)"])
    assert (code, error) == (CODES[number], f"{interrupts.line(number)}\n")
    assert out.count("\n") <= 1 and left_over(tmp_path) == []  # claims that two seeds are too few for are told before


def test_a_worker_that_is_told_twice_to_end_cleans_up_and_says_nothing(tmp_path):
    """As multiprocessing does to daemons, however far they are: while they clean up, or while Python shuts down."""
    code, _, error = run_with(
        tmp_path,
        [
            *AGAIN_WHILE_IT_CLEANS_UP,
            f"atexit.register(lambda: {AGAIN})",
            "os.kill(parent_process().pid, signal.SIGINT)",
            "time.sleep(300)",
        ],
    )
    assert (code, error) == (130, f"{interrupts.line(signal.SIGINT)}\n")
    assert left_over(tmp_path) == []


def test_a_worker_that_does_not_end_is_killed_at_the_second_signal(tmp_path):
    ask = "os.kill(parent_process().pid, signal.SIGTERM)"
    code, _, error = run_with(
        tmp_path, ["signal.signal(signal.SIGTERM, signal.SIG_IGN)", ask, "time.sleep(0.5)", ask, "time.sleep(300)"]
    )
    assert (code, error) == (143, f"{interrupts.line(signal.SIGTERM)}\n")


@pytest.mark.parametrize("images", ["images=symbolic", "images=pixels"])
def test_a_worker_that_was_killed_is_told_in_the_summary(images, tmp_path):
    """As by a system that is out of memory; of pixels it dies before any run, while it draws them."""
    code, out, error = run_with(tmp_path, ["os.kill(os.getpid(), signal.SIGKILL)"], images)
    assert (code, error) == (1, "")
    assert "2 of 2 runs are missing" in out and "its worker was killed by SIGKILL" in out and "workers=N" in out


@pytest.mark.parametrize("number", CODES)
def test_a_signal_while_modules_load_is_one_line(number, tmp_path):
    (tmp_path / "numpy.py").write_text(f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(300)\n")
    process = start(tmp_path, "studies")
    out, error = process.communicate(timeout=300)
    assert (process.returncode, out, error) == (CODES[number], "", f"{interrupts.line(number)}\n")


def test_a_signal_at_any_moment_is_one_line(tmp_path):
    """10 to 400 ms after the start, whatever is going on then."""
    chance = random.Random(0)
    for number in 6 * list(CODES):
        process = start(tmp_path, "studies")
        sleep(chance.uniform(0.01, 0.4))
        process.send_signal(number)
        _, error = process.communicate(timeout=300)
        if "Traceback" in error and str(ROOT) not in error:
            continue  # Python was starting, and none of our modules yet
        assert (process.returncode, error) in {
            (CODES[number], f"{interrupts.line(number)}\n"),
            (-number, ""),  # it was not listening yet
            (0, ""),  # it was done
        }


LOST = """\
import gc, os, signal, weakref

class Thing:
    pass

def lose(number):
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), number))  # as the locks of modules that load have
    del thing
    gc.collect()
"""


@pytest.mark.parametrize("number", CODES)
def test_a_signal_that_python_loses_in_a_callback_is_heard_a_moment_later(number, tmp_path):
    does = f"lambda: (lose({int(number)}), __import__('time').sleep(3000))"
    (tmp_path / "there.py").write_text(f"{LOST}\nfrom synthgap import cli\nos._exit(cli.guarded({does}))\n")
    process = start(tmp_path, module="there")
    _, error = process.communicate(timeout=300)  # before the sleep's end
    assert (process.returncode, error) == (CODES[number], f"{interrupts.line(number)}\n")


def test_a_worker_hears_what_python_loses_in_a_callback_and_cleans_up(tmp_path):
    """And a second signal while it cleans up does nothing, as ever."""
    lines = [*LOST.splitlines(), *AGAIN_WHILE_IT_CLEANS_UP, "lose(signal.SIGTERM)", "time.sleep(300)"]
    code, _, error = run_with(tmp_path, lines)
    assert code == 1 and error == ""
    assert left_over(tmp_path) == []


def test_what_else_python_cannot_raise_is_told_as_ever(capsys):
    def do():
        thing = type("Thing", (), {})()
        reference = weakref.ref(thing, lambda _: 1 / 0)
        del thing
        return 0 if reference() is None else 1

    before, told = sys.unraisablehook, []
    sys.unraisablehook = told.append
    try:
        assert cli.guarded(do) == 0 and sys.unraisablehook == told.append
    finally:
        sys.unraisablehook = before
    assert [lost.exc_type for lost in told] == [ZeroDivisionError] and capsys.readouterr().err == ""


def test_an_interrupt_while_python_executes_text_has_its_code(tmp_path):
    """A class of fields is text that is executed; modules load them at any time."""
    (tmp_path / "there.py").write_text(
        "import os, signal, sys\nfrom synthgap import cli\n"
        "sys.exit(cli.guarded(lambda: exec('import os, signal; os.kill(os.getpid(), signal.SIGINT)')))\n"
    )
    process = start(tmp_path, module="there")
    _, error = process.communicate(timeout=300)
    assert (process.returncode, error) == (130, f"{interrupts.line(signal.SIGINT)}\n")


def test_what_is_ignored_stays_ignored(tmp_path):
    """As nohup leaves it."""
    command = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); from synthgap import cli, interrupts;"
    )
    command += "interrupts.leave_at_once(); os.kill(os.getpid(), signal.SIGHUP);"
    command += "sys.exit(cli.guarded(lambda: os.kill(os.getpid(), signal.SIGHUP) or 7))"
    assert subprocess.run([sys.executable, "-c", command], cwd=tmp_path).returncode == 7


def test_an_interrupt_that_a_library_turns_into_an_error_is_still_an_interrupt(capsys):
    def do():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise ImportError("a module was loading") from error

    before = signal.getsignal(signal.SIGTERM)
    assert cli.guarded(do) == 143 and signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err == f"{interrupts.line(signal.SIGTERM)}\n"


def test_help_says_what_exit_codes_mean(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert all(
        f"{code} {what}" in told for code, what in ((130, "interrupted"), (143, "ended by SIGTERM"), (129, "by SIGHUP"))
    )
