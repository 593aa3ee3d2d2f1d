"""`synthgap pack` puts finished runs into few files; a packed run is as done as any other, and comes back as it was."""

import shutil

import pandas as pd
import pytest
from conftest import CELLS, TINY, planned

import synthgap
from data_gen import InputError, files
from synthgap import cli, packs, runs
from synthgap.judging import claims
from synthgap.runs import leftovers
from synthgap.runs.plan import MODEL


@pytest.fixture
def unpacked(copied):
    """Four finished runs without models."""
    for task in copied.tasks:
        with files.locked(copied.folder / ".locks" / task.run_id):
            runs.results.forget_model(copied.folder / task.run_id)
    return copied


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def call(command, plan, *asked):
    out = f"out={plan.folder.parent}"
    return cli.main([command, "imbalance", *asked, out])


@pytest.fixture
def packed(unpacked):
    assert call("pack", unpacked) == 0
    return unpacked


def test_packed_runs_are_done_and_give_the_same_table(unpacked, capsys):
    before, number = runs.collect(unpacked), claims._runs_in(unpacked.folder)
    kept = {task.run_id: contents(unpacked.folder / task.run_id) for task in unpacked.tasks}
    assert call("pack", unpacked) == 0
    told = capsys.readouterr().out
    assert "packed 4 runs: 1 file, " in told and "in place of 16 files, " in told
    (part,) = (unpacked.folder / packs.FOLDER).iterdir()
    assert str(part) in told.replace("\n", "")
    assert not [run_id for run_id in kept if (unpacked.folder / run_id).exists()]
    assert not [run_id for run_id in kept if (unpacked.folder / ".locks" / run_id).exists()]
    assert all(unpacked.done(task) for task in unpacked.tasks) and claims._runs_in(unpacked.folder) == number == 4
    pd.testing.assert_frame_equal(runs.collect(unpacked), before)
    assert runs.collect(unpacked).attrs == before.attrs
    for run_id, there in kept.items():
        assert {name: packs.read(unpacked.folder / run_id, name) for name in there} == there
        packs.restore(unpacked.folder / run_id)
        assert contents(unpacked.folder / run_id) == there, "to the bit"


def test_nothing_is_run_again_or_cleaned_away(packed, monkeypatch, capsys):
    monkeypatch.setattr(runs.worker, "run", None)
    assert cli.main(["run", "imbalance", *TINY, *CELLS, f"out={packed.folder.parent}"]) == 0
    assert "4 runs finished before; nothing new to run" in capsys.readouterr().out
    assert call("pack", packed) == 0 and "nothing to pack in" in capsys.readouterr().out
    assert not [left for left in leftovers.find(packed.folder.parent) if "dataset" in left.why], "packed runs read them"


def test_more_runs_make_another_part_and_models_stay(packed, tmp_path, capsys):
    more = planned(packed.folder.parent, "captions.attributes=3", "seed=1", "keep=tables")
    with_model = planned(packed.folder.parent, "captions.attributes=2", "seed=1")
    for plan in (more, with_model):
        runs.prepare(plan)
        runs.work(plan)
    assert call("pack", packed) == 0
    assert "1 run with a model: not packed" in capsys.readouterr().out
    assert len(list((packed.folder / packs.FOLDER).iterdir())) == 2
    assert len(packs.known(packed.folder)) == 5 and (packed.folder / with_model.tasks[0].run_id / MODEL).exists()
    assert len(runs.collect(more)) > 50


def test_a_packed_run_can_be_opened_and_others_can_take_its_model(packed):
    task = packed.tasks[0]
    run = synthgap.open(packed.folder / task.run_id)
    assert len(run.embeddings["image"]) == len(run.codes)
    another = packed.tasks[1]
    after = planned(
        packed.folder.parent, f"captions.attributes={another.config['captions']['attributes']}", "posthoc=centring"
    )
    runs.prepare(after)
    runs.work(after)
    assert not runs.failures(after) and all(after.done(each) for each in after.tasks)


def test_a_killed_pack_loses_nothing(unpacked, monkeypatch):
    """After the part, before the folders are gone: both are there, the folders count, and the next pack takes them."""
    before = runs.collect(unpacked)
    monkeypatch.setattr(packs, "_forget", lambda run: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        packs.pack(unpacked.folder, runs.verify, lambda done, of: None)
    pd.testing.assert_frame_equal(runs.collect(unpacked), before)
    monkeypatch.undo()
    packs.pack(unpacked.folder, runs.verify, lambda done, of: None)
    pd.testing.assert_frame_equal(runs.collect(unpacked), before)
    assert claims._runs_in(unpacked.folder) == 4


def test_what_a_killed_pack_left_half_written_goes(packed, capsys):
    left = packed.folder / packs.FOLDER / ".part-0123abcd.89abcdef.partial.parquet"
    left.write_bytes(b"half")
    assert call("pack", packed) == 0 and not left.exists()


def test_a_run_that_is_held_is_left(unpacked):
    task = unpacked.tasks[0]
    with files.locked(unpacked.folder / ".locks" / task.run_id):
        packs.pack(unpacked.folder, runs.verify, lambda done, of: None)
        assert (unpacked.folder / task.run_id).exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_part_is_told_in_a_line(packed, damage, capsys):
    (part,) = (packed.folder / packs.FOLDER).iterdir()
    whole = part.read_bytes()
    half = len(whole) // 2
    part.unlink()
    spoilt = {"cut": whole[:half], "empty": b"", "flipped": whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :]}
    part.with_name("part-damaged.parquet").write_bytes(spoilt[damage])
    with pytest.raises(
        InputError, match=r"damaged .*delete .*part-damaged.parquet, and its runs|delete it, and its runs"
    ):
        runs.verify_all(packed)
    shutil.rmtree(packed.folder / packs.FOLDER)
    assert not any(packed.done(task) for task in packed.tasks)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("imbalance", "losses"), "pack takes one study; these are 2"),
        (("imbalanse",), "imbalanse: no such folder; no run of imbalanse is there"),
        (("imbalance", "seed=1"), "seed=1"),
    ],
)
def test_a_mistake_is_told_in_a_line(asked, said, tmp_path, capsys):
    assert cli.main(["pack", *asked, f"out={tmp_path}"]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_a_run_that_is_damaged_is_not_packed(unpacked, capsys):
    (unpacked.folder / unpacked.tasks[0].run_id / "metrics.parquet").write_bytes(b"no")
    assert call("pack", unpacked) == 2
    assert "is damaged" in capsys.readouterr().err
    assert not (unpacked.folder / packs.FOLDER).exists() and all(unpacked.done(task) for task in unpacked.tasks)
