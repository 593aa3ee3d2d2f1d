"""Datasets on disk: whole or not there, the same bytes whoever makes them, and damage is told."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from filelock import FileLock, Timeout
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen import Factor, FactorSpace, InputError, World, store
from data_gen.errors import DrawingFailedError
from data_gen.seeds import generator
from synthgap import cli

SPACE = FactorSpace([Factor("shade", ["dark", "light"]), Factor("side", ["left", "right"])])
MADE = ("mad.images=400", "mad.test_images=200")  # fewer than a usual batch, which nothing here trains


def render(codes, generator):
    """Noise on one half of a 4 × 4 image, and how strong it is."""
    strength = generator.random(len(codes))
    images = generator.random((len(codes), 4, 4, 3)) * (50 + 200 * codes[:, 0] * strength)[:, None, None, None]
    images[codes[:, 1] == 0, :, 2:] = 0
    return images.astype(np.uint8), {"strength": strength}


TOY = World(SPACE, render, {"world": "toy"})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """600 toy images: more than a block."""
    return store.make(tmp_path_factory.mktemp("datasets"), TOY, 600, "train", 0)


@pytest.fixture
def copied(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / made.name))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of three megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_make_writes_both_splits_and_a_second_call_reuses_them(synthgap, tmp_path, capsys):
    first = synthgap("make", "mad", *MADE, "out=made")
    assert first.returncode == 0, first.stderr
    folders = [tmp_path / line for line in first.stdout.splitlines()]
    assert [folder.name.rsplit("-", 1)[0] for folder in folders] == ["mad-train", "mad-test"]
    for folder, n in zip(folders, (400, 200), strict=True):
        assert {p.name for p in folder.iterdir()} == {"images.npy", "factors.parquet", "manifest.json"}
        data = store.load(folder)
        assert data.images.shape == (n, 28, 28, 3) and data.images.dtype == np.uint8 and len(data.table) == n
        assert list(data.table.columns[:6]) == ["digit", "thickness", "swelling", "fracture", "size", "colour"]
        assert data.manifest["recipe"]["images"] == n
    written = {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()}

    # options that do not touch the data do not matter: it is the same dataset
    assert cli.main(["make", "mad", *MADE, "training.batch=256", "loss=clip", f"out={tmp_path / 'made'}"]) == 0
    assert [Path(line) for line in capsys.readouterr().out.splitlines()] == folders
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_dataset_holds_what_was_rendered_in_any_order_of_blocks(made):
    data = store.load(made)
    codes = SPACE.sample(1000, generator(0, "factors", "train"))
    assert (SPACE.codes(data.table) == codes[:600]).all()
    for block in (1, 0):
        images, style = render(codes[500 * block : 500 * (block + 1)], generator(0, "render", "train", block))
        n = min(500, 600 - 500 * block)
        assert (data.images[500 * block : 500 * block + n] == images[:n]).all()
        assert (data.table.strength[500 * block : 500 * block + n] == style["strength"][:n]).all()


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 1300))
def test_a_smaller_set_is_the_beginning_of_a_larger_one(n, tmp_path_factory):
    root = tmp_path_factory.mktemp("prefix")
    small, large = (store.load(store.make(root, TOY, number, "train", 3)) for number in (n, 1300))
    assert (small.images == large.images[:n]).all()
    pd.testing.assert_frame_equal(small.table, large.table[:n])


def test_the_same_recipe_gives_the_same_files_to_the_byte(made, tmp_path):
    again = store.make(tmp_path, TOY, 600, "train", 0)
    assert again.name == made.name
    assert (again / "images.npy").read_bytes() == (made / "images.npy").read_bytes()
    assert (again / "factors.parquet").read_bytes() == (made / "factors.parquet").read_bytes()


def toy() -> World:
    return TOY


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_files_to_the_byte(workers, tmp_path):
    """3,300 images: a last block that is cut, and more blocks than are drawn ahead."""
    told = []
    for root, count in ((tmp_path / "here", 0), (tmp_path / "there", workers)):
        store.make(root, TOY, 3300, "train", 0, workers=count, again=toy, report=told.append)
    (here,), (there,) = ([p for p in (tmp_path / root).iterdir() if p.is_dir()] for root in ("here", "there"))
    for name in (*store.FILES, "manifest.json"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    assert told == 2 * [500, 1000, 1500, 2000, 2500, 3000, 3300]


def test_a_long_table_is_written_part_by_part(tmp_path, monkeypatch):
    whole = store.load(store.make(tmp_path / "whole", TOY, 2600, "train", 0)).table
    monkeypatch.setattr(store, "ROWS", 1000)
    parts = store.make(tmp_path / "parts", TOY, 2600, "train", 0)
    assert pq.ParquetFile(parts / "factors.parquet").num_row_groups == 3
    pd.testing.assert_frame_equal(store.load(parts).table, whole)


def test_images_can_stay_on_disk(made):
    mapped = store.load(made, mapped=True)
    assert isinstance(mapped.images, np.memmap) and (mapped.images == store.load(made).images).all()


def test_hidden_factors_do_not_show(tmp_path):
    world = World(SPACE, render, {"world": "toy"}, hidden=("side",))
    blind, seeing = (store.load(store.make(tmp_path, w, 600, "train", 0)) for w in (world, TOY))
    assert blind.folder != seeing.folder
    assert not blind.images[:, :, 2:].any() and seeing.images[:, :, 2:].any(), "always the left"
    assert (SPACE.codes(blind.table) == SPACE.codes(seeing.table)).all(), "but the table tells"


def test_workers_end_with_a_killed_parent(tmp_path):
    command = [sys.executable, "-m", "synthgap", "make", "mad", "mad.images=200000", "out=made", "workers=2"]
    parent = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = monotonic() + 60
        while not list(tmp_path.glob("made/*.partial/images.npy")) and monotonic() < deadline:
            sleep(0.1)
        assert list(tmp_path.glob("made/*.partial/images.npy")), "it should have begun by now"
        sleep(1)
        parent.kill()
        parent.wait()
        deadline = monotonic() + 60
        while _alive(parent.pid) and monotonic() < deadline:
            sleep(0.1)
        assert not _alive(parent.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "other", [dict(images=601), dict(split="test"), dict(seed=1), dict(world=World(SPACE, render, {"world": "toy 2"}))]
)
def test_another_recipe_has_another_place(made, other):
    recipe = store.recipe(**(dict(world=TOY, images=600, split="train", seed=0) | other))
    assert store.place(made.parent, recipe) != made


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a flipped bit of a pixel": lambda d: flip(d / "images.npy", -1),
    "a flipped bit of the header": lambda d: flip(d / "images.npy", 20),
    "a flipped bit of the factors": lambda d: flip(d / "factors.parquet", 200),
    "images cut short": lambda d: (d / "images.npy").write_bytes((d / "images.npy").read_bytes()[:1000]),
    "no images": lambda d: (d / "images.npy").unlink(),
    "no manifest": lambda d: (d / "manifest.json").unlink(),
    "a manifest cut short": lambda d: (d / "manifest.json").write_text((d / "manifest.json").read_text()[:99]),
    "an empty manifest": lambda d: (d / "manifest.json").write_text(""),
    "a manifest of binary": lambda d: (d / "manifest.json").write_bytes(b"\xff\xfe"),
    "a manifest that is a list": lambda d: (d / "manifest.json").write_text("[]"),
    "a manifest without checksums": lambda d: (d / "manifest.json").write_text('{"recipe": {}}'),
    "a manifest that checks nothing": lambda d: (d / "manifest.json").write_text('{"checksums": {}}'),
    "a manifest with a list of checksums": lambda d: (d / "manifest.json").write_text('{"checksums": []}'),
    "a manifest of brackets": lambda d: (d / "manifest.json").write_text("[" * 10**5),
    "a file in its place": lambda d: (shutil.rmtree(d), d.write_text("")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_dataset_is_told_with_the_way_out(copied, damage):
    damage(copied)
    with pytest.raises(InputError, match=r"is damaged .*delete that folder and it is made again") as error:
        store.load(copied)
    assert str(copied) in str(error.value)


def test_the_way_out_works(copied):
    DAMAGE["images cut short"](copied)
    shutil.rmtree(copied)
    assert store.make(copied.parent, TOY, 600, "train", 0) == copied
    store.load(copied)


def test_damage_is_told_before_a_sweep_starts_and_nothing_is_touched(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["make", "mad", *MADE, "out=runs/datasets"]) == 0
    test_split = Path(capsys.readouterr().out.splitlines()[1])
    flip(test_split / "images.npy", -1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for command in (["run", "imbalance", *MADE, "seed=0", "training.batch=128"], ["make", "mad", *MADE]):
        assert cli.main(command) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and f"{test_split} is damaged" in error
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    place = store.place(tmp_path, store.recipe(TOY, 600, "train", 0))
    left, others = (tmp_path / f".{name}.0123abcd.partial" for name in (place.name, "toy-train-another"))
    for partial in (left, others):
        partial.mkdir()
        (partial / "images.npy").write_text("half an im")
    Path(f"{place}.lock").touch()  # a killed process' lock file is no lock
    store.load(store.make(tmp_path, TOY, 600, "train", 0))
    assert not left.exists() and others.exists()  # whose lock is not held


def test_what_lies_where_another_would_write_beside_is_nobody_elses(tmp_path):
    """Once, datasets were drawn in a folder of a fixed name: a link there was followed, and what it led to was lost."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "images.npy").write_text("mine")
    root = tmp_path / "made"
    root.mkdir()
    place = store.place(root, store.recipe(TOY, 600, "train", 0))
    Path(f"{place}.partial").symlink_to(precious, target_is_directory=True)
    store.load(store.make(root, TOY, 600, "train", 0))
    assert (precious / "images.npy").read_text() == "mine"


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, InputError])
def test_a_render_that_fails_half_way_leaves_nothing(tmp_path, error):
    def fails(codes, generator):
        if len(codes) == store.BLOCK and fails.blocks.pop():
            raise error
        return render(codes, generator)

    fails.blocks = [True, False]  # from the end: the first block is drawn, the second is not
    with pytest.raises(DrawingFailedError if error is MemoryError else error):
        store.make(tmp_path, World(SPACE, fails), 1000, "train", 0)
    assert {path.suffix for path in tmp_path.iterdir()} == {".lock"}


DIES = """
import os, signal
import numpy as np
from data_gen import Factor, FactorSpace, World

def render(codes, generator):
    if len(codes) > 2 and generator.random() < 0.3:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.zeros((len(codes), 4, 4, 3), np.uint8)

world = World(FactorSpace([Factor("shade", ["dark", "light"])]), render)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_drawing_process_that_dies_is_one_line_and_leaves_nothing(synthgap, tmp_path, workers):
    (tmp_path / "dies.py").write_text(DIES)
    failed = synthgap("make", "dies.py", "mad.images=12000", f"workers={workers}", "out=made")
    assert failed.returncode == 1 and failed.stdout == ""
    lines = [line for line in failed.stderr.splitlines() if "images/s" not in line]
    assert len(lines) == 1 and lines[0].startswith("synthgap: error: "), failed.stderr
    assert "is not made: a process that drew for it died" in lines[0]
    assert lines[0].endswith("fewer workers need less, e.g. workers=1") == (workers > 1)
    assert {path.suffix for path in (tmp_path / "made").iterdir()} == {".lock"}


def gone() -> World:
    raise InputError("the world is gone")


def test_what_a_world_says_in_a_drawing_process_is_heard(tmp_path, capfd):
    with pytest.raises(InputError, match="the world is gone"):
        store.make(tmp_path, TOY, 1000, "train", 0, workers=1, again=gone)
    assert capfd.readouterr().err == ""


@contextmanager
def refused(path):
    """`path` is not ours to read, even if we are root."""
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.chmod(0o644)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("name", ["manifest.json", "images.npy", "factors.parquet"])
def test_what_may_not_be_read_is_not_called_damaged(copied, name):
    with (
        refused(copied / name),
        pytest.raises(InputError, match="may not be read by you; ask its owner") as told,
    ):
        store.load(copied)
    assert "delete" not in str(told.value)
    store.load(copied)


def test_a_full_disk_is_told_and_leaves_nothing(synthgap, small_disk):
    """Through a memory map it would be a bus error, which no Python code outlives."""
    failed = synthgap("make", "mad", "mad.images=4000", "mad.test_images=200", f"out={small_disk}")
    assert failed.returncode == 2
    *progress, line = failed.stderr.splitlines()
    assert "No space left on device" in line and all("images/s" in other for other in progress)
    assert {path.suffix for path in small_disk.iterdir()} == {".lock"}


def test_two_processes_that_ask_for_the_same_both_get_it_whole(tmp_path):
    command = [sys.executable, "-m", "synthgap", "make", "mad", *MADE, "out=made"]
    asking = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[0].splitlines() for process in asking]
    assert [process.returncode for process in asking] == [0, 0] and told[0] == told[1]
    for folder in told[0]:
        store.load(tmp_path / folder)
    assert not list(tmp_path.rglob("*.partial"))


def _hold(lock, held, release):
    with FileLock(lock):
        held.set()
        release.wait(60)


def test_whoever_does_not_want_to_wait_for_another_process_need_not(tmp_path):
    place = store.place(tmp_path, store.recipe(TOY, 600, "train", 0))
    context = get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(f"{place}.lock", held, release))
    other.start()
    assert held.wait(60)
    with pytest.raises(Timeout):
        store.make(tmp_path, TOY, 600, "train", 0, wait=False)
    release.set()
    store.load(store.make(tmp_path, TOY, 600, "train", 0))
    other.join()


def test_the_manifest_says_where_a_dataset_is_from(made):
    recipe = json.loads((made / "manifest.json").read_text())["recipe"]
    assert recipe == json.loads(json.dumps(store.recipe(TOY, 600, "train", 0)))
    assert store.place(made.parent, recipe) == made
