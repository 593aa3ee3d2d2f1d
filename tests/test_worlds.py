"""A world of one's own: twenty lines of Python, and whatever can be wrong with them is said in one."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import TINY

from data_gen import InputError, worlds
from synthgap import cli, runs, studies

SHAPES = '''\
"""Squares and discs, small and big, in three colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_gen import Factor, FactorSpace, World


@dataclass
class Canvas:
    side: int = 16


def render(codes, generator):
    side = Canvas().side
    shape, colour, size = codes.T[..., None, None]
    y, x = np.mgrid[:side, :side] - side / 2
    radius = np.where(size, 6, 3) + generator.random((len(codes), 1, 1))
    inside = np.where(shape, x**2 + y**2, np.maximum(x**2, y**2)) < radius**2
    return (255 * inside[..., None] * np.eye(3)[codes[:, 1]][:, None, None]).astype(np.uint8)


sizes = Factor("size", ["small", "big"], probabilities=[0.75, 0.25])
space = FactorSpace([Factor("shape", ["square", "disc"]), Factor("colour", ["red", "green", "blue"]), sizes])
world = World(space, render)
'''
ASKED = ("captions.object=colour", "captions.attributes=0,1", "seed=0,1,2")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A world file in an otherwise empty folder, with one thing replaced."""
    monkeypatch.chdir(tmp_path)

    def write(old="", new="", name="my_world.py"):
        assert old in SHAPES
        (tmp_path / name).write_text(SHAPES.replace(old, new) if old else SHAPES)
        return name

    return write


def test_an_own_world_is_swept_in_pixels(world, synthgap, tmp_path):
    done = synthgap(
        "run",
        "imbalance",
        f"world={world()}",
        *ASKED,
        "seed=0",
        "workers=1",
        *(o for o in TINY if o != "images=symbolic"),
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "runs/imbalance/results.parquet")
    assert table.run_id.nunique() == 2
    assert set(table[table.metric == "probe"]["of"]) == {"shape", "colour", "size"}
    bits = table[table.metric == "imbalance_bits"].set_index("captions.attributes").value
    size = -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25)
    assert bits[0] == pytest.approx(1 + size), "a caption of the colour alone leaves out shape and size"


def test_an_own_world_is_swept_as_symbols(world, tmp_path):
    plan = runs.plan(studies.load("imbalance"), [f"world={world()}", *ASKED, "seed=0", *TINY])
    runs.prepare(plan)
    runs.work(plan)
    table = runs.collect(plan)
    assert table.run_id.nunique() == 2 and runs.failures(plan) == {}
    assert {path.name for path in tmp_path.iterdir()} == {"my_world.py", "runs"}, (
        "no __pycache__ beside the user's file"
    )


def test_where_a_world_file_lies_does_not_matter_but_what_it_says_does(world, tmp_path):
    def ids(name):
        plan = runs.plan(studies.load("imbalance"), [f"world={name}", "images=symbolic", "captions.attributes=0,1"])
        return [task.run_id for task in plan.tasks]

    here, there = ids(world()), ids(tmp_path / world(name="renamed.py"))
    assert here == there
    assert set(here).isdisjoint(ids(world("0.75, 0.25", "0.5, 0.5", name="other.py")))


def test_what_runs_is_what_is_hashed_even_right_after_an_edit(world):
    first = worlds.load(world())
    second = worlds.load(world('"small"', '"SMALL"'))  # as long, and within the clock's grain of the first
    assert first.space["size"].values[0] == "small" and second.space["size"].values[0] == "SMALL"
    assert first.identity != second.identity


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("def render(", "def render(:", "does not run: SyntaxError"),
        ("world = World(space, render)", "", "must define `world = data_gen.World"),
        ("world = World(space, render)", "world = World([sizes], render)", "must define `world = data_gen.World"),
        ("world = World(space, render)", "world = World(space)", "has no render; give images=symbolic"),
        ("world = World(space, render)", "raise SystemExit(3)", "does not run: SystemExit"),
        ("[0.75, 0.25]", "[0.75, 0.75]", "probabilities of factor 'size'"),
        (".astype(np.uint8)", "", "uint8 images .*, got float64"),
        (".astype(np.uint8)", ".astype(np.uint8)[..., 0]", r"got uint8 \[2, 16, 16\]"),
        (".astype(np.uint8)", ".astype(np.uint8)[:1]", r"uint8 images \[2, H, W, 3\], got uint8 \[1, 16, 16, 3\]"),
        (".astype(np.uint8)", ".astype(np.uint8), {'size': codes[:, 2]}", "'size' is named like a factor"),
        (".astype(np.uint8)", ".astype(np.uint8), {'radius': radius}", r"'radius' must be \[2\], got \[2, 1, 1\]"),
        ("np.eye(3)[", "np.eye(2)[", r"my_world.py, line 23: IndexError"),
    ],
)
@pytest.mark.parametrize("command", [("run", "imbalance", "world=my_world.py", *ASKED), ("make", "my_world.py")])
def test_a_wrong_world_is_told_before_anything_is_written(world, command, old, new, told, capsys, tmp_path):
    world(old, new)
    assert cli.main([*command, "mad.images=600", "mad.test_images=200"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(told, error), error
    assert {path.name for path in tmp_path.iterdir()} == {"my_world.py"}


def test_images_that_change_their_size_between_blocks_are_told(world, tmp_path, capsys):
    world("side = Canvas().side", "side = 16 if generator.random() < 0.5 else 18")
    assert cli.main(["make", "my_world.py", "mad.images=6000", "mad.test_images=200", "out=made"]) == 2
    assert "render gave images of" in capsys.readouterr().err
    assert not list(tmp_path.glob("made/*.partial"))


def test_a_world_that_is_no_file_is_told(tmp_path):
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            worlds.load(path)


def test_a_batch_is_checked_by_make_only_where_it_is_given(world, capsys):
    asked = [
        "make",
        world(name="shapes.py"),
        "mad.images=300",
        "mad.test_images=200",
        "out=made",
        "workers=1",
        "--sheet",
    ]
    assert cli.main(asked) == 0, "the usual batch, 512, was not asked for"
    assert cli.main([*asked, "training.batch=512"]) == 2
    assert "training.batch=512: it must lie between 2 and mad.images=300" in capsys.readouterr().err


def test_captions_of_an_own_world_name_as_many_attributes_as_it_has(world, tmp_path, capsys):
    """Five, as is usual, would be more than there are."""
    asked = ["make", world(name="shapes.py"), "mad.images=20", "mad.test_images=200", "out=made", "workers=1"]
    assert cli.main([*asked, "--sheet"]) == 0
    assert cli.main([*asked, "--export", "folder", "--to", "to"]) == 0
    told = pd.read_csv(tmp_path / "to" / "train" / "metadata.csv").caption
    assert len(told) == 20 and {caption.count("-") for caption in told} == {2}
    assert cli.main([*asked, "--sheet", "captions.attributes=5"]) == 2
    assert "attributes" in capsys.readouterr().err
