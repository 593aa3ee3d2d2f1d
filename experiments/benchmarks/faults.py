"""Sweeps that are disturbed, and what is lost: a count of faults of every kind, at moments that a seeded generator chooses.

    python experiments/benchmarks/faults.py [--tries 300] [--workers 1] [--minutes N] [--only KIND[:TRY] …] [--out FILE]

A try disturbs a sweep of four small runs (two models, each also with something done afterwards, and their two datasets), then
asks for it again until it ends. A moment is the n-th time that the sweep opens, renames, makes or deletes a file, or a time
on its processor. Afterwards everything must be as in a sweep that nobody disturbed: numbers, weights, pixels and verdicts to
the bit; what was finished before and what lies beside is untouched; nothing half-written is left; and each command has
ended with the code and the one line that are documented. A try that finds a fault tells it, and how to repeat it.

Most commands are forks of a process that has loaded everything, and do their runs themselves, so that a try takes seconds;
in `worker killed` and in half of `memory` they are whole commands with processes of their own. A disk that is full or
read-only is a small tmpfs, where mounting is allowed; elsewhere a limit on the size of files takes its place, or the kind
is left out, and the table says so.
"""

import argparse
import gc
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from data_gen import InputError, files, processes, store
from data_gen.seeds import generator
from synthgap import interrupts

STUDY = """\
question: Does a sweep come to the same end, whatever happens to it?
grid: {captions.attributes: [1, 5], posthoc: [none, centring], seed: [0, 1, 2, 3, 4]}
claims:
  - {claim: the gap falls, metric: rmg, of: image-text, over: captions.attributes, levels: [1, 5], direction: falls}
figure:
  x: {over: captions.attributes, label: attributes}
  panels:
    - {title: gap, curves: [{metric: rmg, of: image-text}]}
"""
SMALL = ("mad.images=512", "mad.test_images=200", "training.epochs=1", "training.batch=256")
RUN = ("run", "faulty.yaml", *SMALL, "seed=0")
#: commands that others may give at the same time, and the codes that they may end with
BESIDE = {
    RUN: {0},
    ("run", "faulty.yaml", *SMALL, "seed=0", "posthoc=none", "name=part"): {0},
    ("show", "faulty.yaml", *SMALL, "seed=0"): {0, 1},
    ("status", "faulty.yaml", *SMALL, "seed=0"): {0},
    ("verdicts",): {0, 2},
    ("clean", "--yes"): {0, 2},
}
#: loaded before the forks
LOADED = (
    "synthgap.runs.execution",
    "synthgap.panels.drawing",
    "sklearn.cluster",
    "sklearn.linear_model",
    "scipy.stats",
)
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
DISK = 2**26  # bytes
LONGEST = 600  # seconds that a command may take
HANGS = 256  # in place of an exit code: it took longer
PROGRESS = re.compile(r"(.+: \d+ of \d+.*|.*images/s.*) s left")
DAMAGED = re.compile(r"the (?:run|dataset) in (\S+) is damaged .*; delete that folder and it is (?:run|made) again")
DAMAGED_CLAIMS = re.compile(r"(\S+claims\.json) is damaged; without that file")
OF_MEMORY = "memory is short|for want of memory"
#: what C++ libraries themselves print where they find no memory
OF_LIBRARIES = re.compile(r"terminate called .+ of '(std::|St9)bad_alloc'|  what\(\):  std::bad_alloc|<jemalloc>: ")
BY_SIGNAL = {interrupts.exit_code(number): number for number in interrupts.TOLD}


@dataclass(frozen=True)
class Ended:
    """What became of a command. struck: whether the fault came before its end."""

    code: int
    out: str
    err: str
    struck: bool = False
    events: int = 0
    seconds: float = 0.0

    @property
    def lines(self) -> list[str]:
        said = [line for line in self.err.splitlines() if not PROGRESS.fullmatch(line)]
        return [line for line in said if not OF_LIBRARIES.match(line)]


@dataclass
class Try:
    """One disturbed sweep in `folder`, which has the study and, beside it, what is not to be touched."""

    folder: Path
    chance: np.random.Generator
    whole: "Whole"
    struck: bool = False
    reruns: int = 0
    lines: int = 0
    faults: list[str] = field(default_factory=list)
    lost: int = 0
    what: str = ""
    spoilt: set[str] = field(default_factory=set)  # places under `runs` that the fault itself changed

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def moment(self) -> tuple[str, float]:
        """A file event's number, or a time on the processor in seconds."""
        if self.chance.random() < 0.7:
            return "file", int(self.chance.integers(1, self.whole.ended.events + 1))
        return "processor", float(self.chance.uniform(0.05, self.whole.ended.seconds))

    def disturbed(self, act: Callable[[], None] | str, moment: tuple[str, float] | None = None) -> Ended:
        """The command, disturbed by `act` ("kill": by its death)."""
        moment = moment or self.moment()
        self.what += f" at {moment[0]} {moment[1]:.4g}"
        ended = forked(RUN, self.folder, act, moment)
        self.struck |= ended.struck
        self.check_said(ended)
        return ended

    def check_said(self, ended: Ended, codes: set[int] = frozenset({0, 1, 2, *BY_SIGNAL})) -> None:
        """One line for what ended with an error, none of Python's, and a code that is documented."""
        if ended.code < 0:
            return  # it was killed, and could say nothing
        if ended.code == HANGS:
            self.faults.append(f"it does not end within {LONGEST} s")
            return
        if "Traceback" in ended.err or "Traceback" in ended.out:
            self.faults.append(f"a traceback: {ended.err.strip().splitlines()[-1:]}")
        elif ended.code not in codes:
            self.faults.append(f"code {ended.code}: {ended.lines}")
        elif ended.code == 1 and len(ended.lines) == 1 and re.search(OF_MEMORY, ended.lines[0]):
            self.lines += 1
        elif len(ended.lines) != (ended.code in {2, *BY_SIGNAL}):
            if not (ended.code == 1 and all("a worker stopped" in line for line in ended.lines)):
                self.faults.append(f"code {ended.code}, and {len(ended.lines)} lines: {ended.lines}")
        elif ended.code == 1 and not re.search("missing|a sweep is running", ended.out):
            self.faults.append("code 1, and no word of what is missing")
        else:
            self.lines += ended.code != 0


@dataclass(frozen=True)
class Whole:
    """The undisturbed sweep in `folder`, how it ended, and what it came to."""

    folder: Path
    ended: Ended
    result: dict


# --- what a fault does, in the command's process


def strike_with_signal(number: int) -> None:
    os.kill(os.getpid(), number)


def fill(disk: str) -> None:
    with suppress(OSError), open(f"{disk}/filler", "wb", buffering=0) as file:
        for size in (2**16, 512, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def make_read_only(disk: str) -> bool:
    return os.system(f"mount -o remount,ro {disk} 2> /dev/null") == 0


def vanish(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)


def limit_memory(more: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))


def jump(runs: str, seconds: float) -> None:
    """The clock jumps, and all that was written before has times from before."""
    for path in Path(runs).rglob("*"):
        with suppress(OSError):
            os.utime(path, (time.time() - seconds,) * 2)
    now = time.time
    time.time = lambda: now() + seconds


def make_nan() -> None:
    """As flipped bits in the exponents of its weights would."""
    import torch

    for thing in gc.get_objects():
        if type(thing) is torch.nn.Parameter:
            thing.data.fill_(float("nan"))


def forked(arguments: tuple[str, ...], folder: Path, act="", moment=("file", 0)) -> Ended:
    process = begun(arguments, folder, act, moment)
    return process()


def begun(arguments: tuple[str, ...], folder: Path, act="", moment=("file", 0)) -> Callable[[], Ended]:
    """Start the command in a fork; the function that is returned waits for its end."""
    said = Path(tempfile.mkdtemp(dir=folder.parent))
    process = processes.context(*LOADED).Process(target=_command, args=(arguments, folder, said, act, moment))
    process.start()

    def ended() -> Ended:
        process.join(LONGEST)
        if process.exitcode is None:
            process.kill()
            process.join()
            return Ended(HANGS, "", "", True)
        told = [(said / name).read_text() if (said / name).exists() else "" for name in ("out", "err")]
        counted = json.loads((said / "counted").read_text()) if (said / "counted").exists() else [0, 0.0]
        struck = (said / "struck").exists() or process.exitcode == -signal.SIGPROF
        shutil.rmtree(said)
        return Ended(process.exitcode, *told, struck, *counted)

    return ended


def _command(arguments, folder: Path, said: Path, act, moment) -> None:
    os.setsid()
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(said / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666), number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, os.fdopen(number, "w", closefd=False, buffering=1))
    from synthgap import cli, runs
    from synthgap.runs import pool

    pool.sweep = lambda plan, workers: runs.work(plan)
    for number in interrupts.TOLD:
        signal.signal(number, signal.default_int_handler)
    begin, place = time.process_time(), f"{folder}/runs"
    state = {"events": 0, "struck": False}

    def strike(*_) -> None:
        if not state["struck"]:
            state["struck"] = True
            (said / "struck").touch()
            if act == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif act() is False:  # not possible just now, as a file is open
                state["struck"] = False
                state["at"] = state["events"] + 1

    def hear(event: str, given: tuple) -> None:
        if event in FILE_EVENTS and not state["struck"] and os.path.abspath(str(given[0])).startswith(place):
            state["events"] += 1
            if state["events"] == state["at"]:
                strike()

    state["at"] = moment[1] if moment[0] == "file" else 0
    sys.addaudithook(hear)
    if moment[0] == "processor":
        signal.signal(signal.SIGPROF, signal.SIG_DFL if act == "kill" else strike)
        signal.setitimer(signal.ITIMER_PROF, moment[1])
    code = cli.main(list(arguments))
    signal.setitimer(signal.ITIMER_PROF, 0)
    interrupts.ignore()
    with suppress(OSError):
        (said / "counted").write_text(json.dumps([state["events"], time.process_time() - begin]))
    sys.stdout.flush()
    os._exit(code)  # what is left open in this process has no part in it


# --- kinds of faults


def killed(t: Try) -> None:
    t.disturbed("kill")


def interrupted(t: Try) -> None:
    number = t.chance.choice(list(interrupts.TOLD))
    t.what = signal.Signals(number).name
    ended = t.disturbed(partial(strike_with_signal, int(number)))
    if ended.struck and ended.code not in (0, interrupts.exit_code(number)):
        t.faults.append(f"code {ended.code} after {t.what}")


def full(t: Try) -> None:
    with disk(t.folder) as mounted:
        t.what = "tmpfs" if mounted else "RLIMIT_FSIZE"
        small = int(t.chance.integers(0, 30_000))
        ended = t.disturbed(partial(fill, str(t.folder)) if mounted else partial(limit_files, small))
        (t.folder / "filler").unlink(missing_ok=True)
        if ended.code == 2 and not re.search("No space left|File too large|MB are free", ended.err):
            t.faults.append(f"a full disk is not told: {ended.lines}")
        rerun(t)


def read_only(t: Try) -> None:
    with disk(t.folder) as mounted:
        assert mounted
        ended = t.disturbed(partial(make_read_only, str(t.folder)))
        subprocess.run(["mount", "-o", "remount,rw", t.folder], check=True)
        if ended.code == 2 and not re.search("Read-only|may not be written", ended.err):
            t.faults.append(f"a read-only folder is not told: {ended.lines}")
        rerun(t)


def vanished(t: Try) -> None:
    if t.chance.random() < 0.5:
        finished(t, missing=int(t.chance.integers(1, 5)))
    places = [".", "faulty", "datasets", "faulty/.locks", *(f"faulty/{run_id}" for run_id in t.whole.result["weights"])]
    place = str(t.chance.choice(places))
    t.what, t.spoilt = place, {place}
    t.disturbed(partial(vanish, str(t.runs / place)))


def bytes_changed(t: Try) -> None:
    finished(t, missing=int(t.chance.integers(0, 4)))
    kinds: dict[str, list[Path]] = {}
    for path in sorted(t.runs.rglob("*")):
        if path.is_file() and path.name != "precious.txt":
            kinds.setdefault(path.name if path.suffix else "a lock", []).append(path)
    name = str(t.chance.choice(sorted(kinds)))
    path = kinds[name][int(t.chance.integers(len(kinds[name])))]
    content = bytearray(path.read_bytes())
    how = str(t.chance.choice(["flipped", "cut", "overwritten", "deleted"]))
    where = int(t.chance.integers(max(1, len(content))))
    t.what, t.struck, t.spoilt = (
        f"{how} at {where} in {path.relative_to(t.runs)}",
        True,
        {str(path.relative_to(t.runs))},
    )
    if how == "deleted":
        path.unlink()
        return
    if how == "flipped" and content:
        content[where] ^= 1 << int(t.chance.integers(8))
    elif how == "cut":
        content = content[:where]
    else:
        content[where : where + 64] = t.chance.bytes(64)
    path.write_bytes(content)


def nan(t: Try) -> None:
    t.disturbed(make_nan, ("processor", float(t.chance.uniform(0.2, t.whole.ended.seconds))))


def memory(t: Try) -> None:
    if t.chance.random() < 0.5:
        more = int(2 ** t.chance.uniform(12, 28))
        t.what = f"{more >> 10} KiB more"
        t.disturbed(partial(limit_memory, more))
    else:
        most = int(2 ** t.chance.uniform(28, 34))
        t.what, t.struck = f"{most >> 20} MiB from the start", True
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))  # noqa: E731
        process = subprocess.Popen([*COMMAND, *RUN, "workers=1"], cwd=t.folder, **PIPES, preexec_fn=limit)
        t.check_said(waited_for(process))


def clock(t: Try) -> None:
    if t.chance.random() < 0.5:
        finished(t, missing=int(t.chance.integers(1, 5)))
    seconds = float(t.chance.choice([-1, 1]) * 10 ** t.chance.uniform(0, 9))
    t.what = f"{seconds:.0f} s"
    ended = t.disturbed(partial(jump, str(t.runs), seconds))
    if ended.code != 0:
        t.faults.append(f"code {ended.code} as the clock jumped: {ended.lines}")


def several(t: Try) -> None:
    beside = list(BESIDE)
    chosen = [RUN, RUN, *(beside[i] for i in t.chance.integers(len(beside), size=2))]
    dies = int(t.chance.integers(0, 2))
    t.what, t.struck = ", ".join(command[0] for command in chosen) + (", one killed" if dies else ""), True
    started = []
    for i, command in enumerate(chosen):
        started.append(begun(command, t.folder, *(("kill", t.moment()) if i == 0 and dies else ())))
        time.sleep(float(t.chance.uniform(0, 1)))
    for command, ended in zip(chosen, [wait() for wait in started], strict=True):
        if command[0] in ("clean", "verdicts") and ended.code == 2:  # a sweep is running, or nothing is there yet
            t.check_said(ended)
        else:
            t.check_said(ended, BESIDE[command])


def worker_killed(t: Try) -> None:
    """A process of a whole command: the command itself, its workers, the server that they are forks of; or all."""
    process = subprocess.Popen([*COMMAND, *RUN, "workers=2"], cwd=t.folder, **PIPES)
    begin, at = time.monotonic(), float(t.chance.uniform(0, 1.2 * t.whole.ended.seconds + 8))
    all_of_it = bool(t.chance.random() < 0.4)
    while time.monotonic() - begin < at and process.poll() is None:
        time.sleep(0.01)
    members = members_of(process.pid)
    victims = members if all_of_it else [int(t.chance.choice(members))] if members else []
    t.what = f"{len(victims)} of {len(members)} processes after {at:.1f} s"
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            t.struck = True
    told = waited_for(process)
    while members_of(process.pid):  # workers end with their parent
        time.sleep(0.05)
    t.check_said(told)


def waited_for(process: subprocess.Popen) -> Ended:
    """How a whole command ended; one that takes too long is killed with all its processes."""
    try:
        out, err = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Ended(HANGS, "", "", True)
    return Ended(process.returncode, out, err)


COMMAND = (sys.executable, "-m", "synthgap")
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}


def members_of(session: int) -> list[int]:
    """The processes of a session that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, owner = stat.read_text().rpartition(")")[2].split()[:4]
            if int(owner) == session and state != "Z":
                found.append(int(stat.parent.name))
    return sorted(found)


#: kind → what it does, its share of the tries, and what it is called in the table
KINDS = {
    "killed": (killed, 0.30, "killed at any moment"),
    "interrupted": (interrupted, 0.18, "SIGINT, SIGTERM or SIGHUP at any moment"),
    "bytes": (bytes_changed, 0.16, "bytes flipped, cut, overwritten, or a file deleted"),
    "full": (full, 0.09, "disk full"),
    "vanished": (vanished, 0.07, "a folder vanishes"),
    "several": (several, 0.05, "several commands at once, one killed or none"),
    "read-only": (read_only, 0.04, "disk becomes read-only"),
    "memory": (memory, 0.04, "memory limit"),
    "worker": (worker_killed, 0.03, "whole commands: a process or all of them killed"),
    "clock": (clock, 0.02, "clock jumps, up to 30 years"),
    "nan": (nan, 0.02, "weights become NaN"),
}

COLUMNS = ["what happens", "tries", "struck", "reruns", "told in a line", "faults found", "values lost"]

# --- before and after


@contextmanager
def disk(folder: Path) -> Iterator[bool]:
    """A small disk of its own under the try's files; false where mounting is not allowed."""
    mount = shutil.which("mount")
    asked = [mount, "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder]
    mounted = bool(mount) and subprocess.run(asked, capture_output=True).returncode == 0
    try:
        if mounted:
            lay_out(folder)
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)


def lay_out(folder: Path) -> None:
    """The study, and what lies beside a sweep and is not to be touched."""
    folder.mkdir(exist_ok=True)
    (folder / "faulty.yaml").write_text(STUDY)
    (folder / "precious.txt").write_text("mine")
    for place in ("runs/other/0123456789ab", "runs/datasets/mine"):
        (folder / place).mkdir(parents=True)
        (folder / place / "precious.txt").write_text("mine")


def finished(t: Try, missing: int) -> None:
    """As after an undisturbed sweep, of which some runs were deleted."""
    shutil.copytree(t.whole.folder / "runs", t.runs, dirs_exist_ok=True)
    ids = [path.parent for path in sorted(t.runs.glob("faulty/*/done.json"))]
    for i in t.chance.permutation(len(ids))[:missing]:
        shutil.rmtree(ids[i])


def result(folder: Path) -> dict:
    """What must be the same to the bit, by name."""
    at = folder / "runs" / "faulty"
    table = pd.read_parquet(at / "results.parquet")
    return {
        "numbers": table[table.metric != "seconds"].reset_index(drop=True),
        "verdicts": pd.read_parquet(at / "verdicts.parquet").drop(columns="stated_after"),
        "curves": (at / "levels.csv").read_bytes(),
        "picture": (at / "faulty.png").read_bytes(),
        "weights": {path.parent.name: files.checksum(path) for path in at.glob("[!.]*/model.safetensors")},
        "pixels": {path.parent.name: files.checksum(path) for path in folder.glob("runs/datasets/*/images.npy")},
    }


def rerun(t: Try) -> None:
    """Ask again until it ends, doing what it says; then everything must be as if nothing had happened."""
    kept = {path: path.stat().st_mtime_ns for path in t.runs.glob("faulty/[!.]*/done.json")}
    for _ in range(6):
        ended = forked(RUN, t.folder)
        t.reruns += 1
        t.check_said(ended, {0, 2})
        if ended.code == 0:
            break
        told = DAMAGED.search(ended.err) or DAMAGED_CLAIMS.search(ended.err)
        if ended.code != 2 or not told:
            t.faults.append(f"asked again, it ends with code {ended.code}: {ended.lines} {ended.out[-200:]}")
            return
        place = t.folder / told[1]
        if not any(place == t.runs / spoilt or place in (t.runs / spoilt).parents for spoilt in t.spoilt):
            t.faults.append(f"said to be damaged, and is not: {told[1]}")
        kept.pop(place / "done.json", None)
        vanish(str(place)) if place.is_dir() else place.unlink()
    else:
        t.faults.append("it does not come to an end")
        return
    same(t, result(t.folder))
    t.faults += [f"done before, and done again: {path.parent.name}" for path in kept if mtime(path) != kept[path]]
    for place in ("", "runs/other/0123456789ab", "runs/datasets/mine"):
        gone = any(place.startswith(f"runs/{spoilt}") or spoilt == "." for spoilt in t.spoilt)
        path = t.folder / place / "precious.txt"
        if not (gone and place) and not (path.exists() and path.read_text() == "mine"):
            t.faults.append(f"{path} was touched")
    left = [path for place in (t.runs, t.runs / "faulty", t.runs / "datasets") for path in files.left_in(place)]
    t.faults += [f"left: {path.relative_to(t.runs)}" for path in left]


def mtime(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def same(t: Try, found: dict) -> None:
    for name, expected in t.whole.result.items():
        is_table = isinstance(expected, pd.DataFrame)
        if not (expected.equals(found[name]) if is_table else expected == found[name]):
            wrong = [key for key in expected if found[name].get(key) != expected[key]] if name == "pixels" else []
            if (
                wrong
                and found[name].keys() <= expected.keys()
                and all(_is_told(t.runs / "datasets" / dataset) for dataset in wrong)
            ):
                continue  # of a dataset that no run was left to read
            t.faults.append(f"{name} differ from those of an undisturbed sweep")
            t.lost += 1


def _is_told(folder: Path) -> bool:
    """Whether a dataset is gone, or whoever reads it is told that it is damaged."""
    try:
        store.load(folder)
    except InputError:
        return True
    return False


def undisturbed(work: Path) -> Whole:
    folder = work / "undisturbed"
    lay_out(folder)
    ended = forked(RUN, folder)
    if ended.code:
        raise SystemExit(f"the undisturbed sweep fails: {ended.out} {ended.err}")
    return Whole(folder, ended, result(folder))


def attempt(kind: str, number: int, seed: int, whole: Whole, work: Path) -> Try:
    """Try `number` of a kind, the same whenever it is asked for."""
    folder = work / "try"
    lay_out(folder)
    t = Try(folder, generator(seed, "faults", kind, number), whole)
    try:
        KINDS[kind][0](t)
        if not t.reruns:
            rerun(t)
    finally:
        shutil.rmtree(folder)
    return t


def plan(tries: int, only: list[str]) -> list[tuple[str, int]]:
    """The tries, kinds mixed, so that any beginning of them has some of each."""
    if only:
        named = [part.partition(":") for part in only]
        return [
            (kind, i) for kind, _, one in named for i in ([int(one)] if one else range(round(tries * KINDS[kind][1])))
        ]
    numbered = [
        (kind, i, (i + 0.5) / share) for kind, (_, share, _) in KINDS.items() for i in range(round(tries * share))
    ]
    return [(kind, i) for kind, i, _ in sorted(numbered, key=lambda each: each[2])]


def table(done: list[tuple[str, Try]]) -> pd.DataFrame:
    """A row a kind: tries, in how many the fault came before the end, commands that were given again, how many told their end
    in a line, tries in which anything was wrong afterwards, and of those the ones in which a value was."""
    rows = []
    for kind, (_, _, name) in KINDS.items():
        of = [t for k, t in done if k == kind]
        if of:
            counts = (len(of), sum(t.struck for t in of), sum(t.reruns for t in of), sum(t.lines for t in of))
            rows.append((name, *counts, sum(bool(t.faults) for t in of), sum(bool(t.lost) for t in of)))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--tries", type=int, default=300)
    asked.add_argument("--workers", type=int, default=1, help="how many tries at a time")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--minutes", type=float, default=float("inf"), help="end after the try that passes this time")
    asked.add_argument("--only", nargs="*", default=[], metavar="KIND[:TRY]", help=f"of {', '.join(KINDS)}")
    asked.add_argument("--out", type=Path, help="write the counts into this CSV file")
    asked.add_argument("--part", type=int, help=argparse.SUPPRESS)  # which worker this is: it prints its table as JSON
    asked = asked.parse_args()
    if wrong := [part for part in asked.only if part.partition(":")[0] not in KINDS]:
        sys.exit(f"--only {wrong[0]}: kinds are {', '.join(KINDS)}")
    if asked.workers < 1:
        sys.exit(f"--workers {asked.workers}: it must be at least 1")
    begin = time.monotonic()
    found = tried(asked) if asked.part is not None or asked.workers == 1 else spread(asked.workers)
    if asked.part is not None:
        print(found.to_json())
        return 0
    found.loc[len(found)] = ["in all", *found.iloc[:, 1:].sum()]
    print(found.to_string(index=False))
    faults = int(found["faults found"].iloc[-1])
    print(f"{faults} tries found a fault, in {time.monotonic() - begin:.0f} s")
    if asked.out:
        with files.whole(asked.out) as beside:
            found.to_csv(beside, index=False)
    return int(faults > 0)


def spread(workers: int) -> pd.DataFrame:
    """The table of as many processes of this script, each of which does its share of the tries."""
    command = [sys.executable, *sys.argv]
    parts = [subprocess.Popen([*command, "--part", str(i)], stdout=subprocess.PIPE, text=True) for i in range(workers)]
    try:
        told = [part.communicate()[0] for part in parts]
    finally:
        for part in parts:
            part.terminate()  # those that still run, if this process is interrupted
    if any(part.returncode for part in parts):
        raise SystemExit("a worker ended before its tries were done")
    kinds = [name for _, _, name in KINDS.values()]
    counts = pd.concat([pd.read_json(io.StringIO(text)) for text in told]).groupby(COLUMNS[0]).sum().astype(int)
    return counts.loc[[name for name in kinds if name in counts.index]].reset_index()


def tried(asked: argparse.Namespace) -> pd.DataFrame:
    """The table of the tries that are asked for, or of a worker's share of them, each with what it found told at once."""
    done, begin = [], time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        # matplotlib keeps the list of fonts that it finds, and where memory is short, finds few: yours is left alone
        os.environ["MPLCONFIGDIR"] = str(Path(work) / "matplotlib")
        whole = undisturbed(Path(work))
        tries = plan(asked.tries, asked.only)
        if not can_mount(Path(work)):
            say("mounting is not allowed: a full disk is a limit on the size of files, and none becomes read-only")
            tries = [each for each in tries if each[0] != "read-only"]
        tries = tries[asked.part or 0 :: asked.workers]
        for i, (kind, number) in enumerate(tries):
            t = attempt(kind, number, asked.seed, whole, Path(work))
            done.append((kind, t))
            for fault in t.faults:
                say(f"--seed {asked.seed} --only {kind}:{number} ({t.what.strip()}): {fault}")
            took = time.monotonic() - begin
            if i % 10 == 9:
                left = min(took / (i + 1) * (len(tries) - i - 1), 60 * asked.minutes - took)
                say(f"{i + 1} of {len(tries)} tries, about {left:.0f} s left")
            if took > 60 * asked.minutes:
                break
    return table(done)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def can_mount(work: Path) -> bool:
    (work / "mount").mkdir()
    with disk(work / "mount") as mounted:
        pass
    shutil.rmtree(work / "mount")
    return mounted


if __name__ == "__main__":
    sys.exit(main())
