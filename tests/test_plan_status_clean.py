"""What a sweep will take, how far it is, and what of it no table needs: told without training, deleted only when agreed."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO

import pytest
from conftest import CELLS, TINY, planned

from data_gen import files
from synthgap import cli, runs
from synthgap.runs import leftovers, variations
from synthgap.runs.worker import at_work


def tell(command, *arguments):
    """What a command tells, on one line."""
    with redirect_stdout(StringIO()) as told:
        assert cli.main([command, *arguments]) == 0
    return " ".join(told.getvalue().split())


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if ".locks" not in path.parts}


def test_a_plan_of_nothing_done_is_estimated_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = tell("plan", "imbalance", *CELLS, "workers=1")
    assert "4 runs of imbalance, over 2 seeds: 0 done" in told and "4 datasets to draw" in told
    assert "(an estimate from typical runs)" in told and "with 1 worker" in told
    assert "runs/imbalance" in told and list(tmp_path.iterdir()) == []
    assert tell("plan", "imbalance", *CELLS, "workers=auto") == tell("plan", "imbalance", *CELLS)
    plan = planned(tmp_path, *CELLS, "seed=0,1,2,3", "images=pixels")
    images = sum(number for _, number, _, _ in runs.missing_datasets(plan).values())
    assert runs.estimate(plan).bytes == images * 28 * 28 * 3 + len(plan.tasks) * 2**20


def test_a_plan_that_is_partly_done_takes_what_its_runs_took(copied):
    more = planned(copied.folder.parent, "captions.attributes=1,5", "seed=0,1,2")
    found = runs.estimate(more)
    took = [json.loads(path.read_text())["seconds"] for path in copied.folder.glob("*/done.json")]
    assert (found.done, len(found.left), found.datasets, found.timed) == (4, 2, 0, 4)
    assert found.seconds == pytest.approx(2 * sum(took) / 4)
    asked = (*TINY, "captions.attributes=1,5", "seed=0,1,2", f"out={copied.folder.parent}")
    assert "4 done" in (told := tell("plan", "imbalance", *asked)) and "(from 4 finished runs)" in told


def test_status_tells_what_is_done_running_failed_and_left(copied):
    asked = (*TINY, *CELLS, f"out={copied.folder.parent}")
    assert "4 of 4 runs done nothing is running nothing left to run" in tell("status", "imbalance", *asked)
    one, two, *_ = copied.tasks
    for task in (one, two):
        files.remove(copied.folder / task.run_id)
    runs.record_failure(copied, one, "FloatingPointError: the loss is nan")
    with at_work(copied.folder), files.locked(copied.folder / ".locks" / two.run_id):
        told = tell("status", "imbalance", *asked)
    assert "2 of 4 runs done 1 running, by 1 worker 1 failed:" in told
    assert re.search(rf"{one.run_id} \([^)]*seed=0[^)]*\): FloatingPointError: the loss is nan", told)
    assert "2 runs left: about" in told and "of runs and results" in told


def test_status_without_overrides_is_about_what_was_asked_for_last(copied):
    variations.record(planned(copied.folder.parent, "captions.attributes=1,5", "seed=0,1,2"))
    told = tell("status", "imbalance", f"out={copied.folder.parent}")
    assert "4 of 6 runs done" in told and "mad.images=1024" in told


def spoil(plan):
    """Leaves what no table needs beside what is needed; returns it."""
    out = plan.folder.parent
    other = plan.folder / "0123456789ab"
    other.mkdir()
    (other / "done.json").write_text("{}")
    half = plan.folder / f".{plan.tasks[0].run_id}.01234567.partial"
    half.mkdir()
    failed = plan.folder / "ba9876543210.failed.json"
    failed.write_text("{}")
    unread = out / "datasets" / "mad-train-0123456789ab"
    unread.mkdir(parents=True)
    (unread / "manifest.json").write_text("{}")
    return [other, half, failed, unread]


def test_clean_lists_first_and_deletes_what_no_table_needs(copied):
    out, before = copied.folder.parent, everything(copied.folder.parent)
    assert "nothing to delete" in tell("clean", f"out={out}")
    left = spoil(copied)
    spoilt = everything(out)
    told = tell("clean", f"out={out}")
    assert all(str(path) in told for path in left) and "nothing is deleted; add --yes" in told
    assert everything(out) == spoilt
    assert str(left[-1]) not in tell("clean", "imbalance", f"out={out}"), "datasets are those of all studies"
    tell("clean", "--yes", f"out={out}")
    assert not any(path.exists() for path in left)
    assert {path for path in everything(out) if "datasets" not in path.parts} == set(before)


def test_datasets_that_a_run_of_pixels_reads_are_kept_and_others_can_go(tmp_path):
    (run := planned(tmp_path, "images=pixels", "seed=0", "captions.attributes=5")).folder.mkdir()
    task, root = run.tasks[0], tmp_path / "datasets"
    kept, other = run.folder / task.run_id, root / "mad-train-0123456789ab"
    kept.mkdir()
    (kept / "config.yaml").write_text(json.dumps(task.config))
    for place in (other, *runs.missing_datasets(run)):
        place.mkdir(parents=True)
        (place / "manifest.json").write_text("{}")
    assert [left.path for left in leftovers._datasets(root, [kept])] == [other]


@pytest.mark.parametrize(("answer", "deleted"), [("y", True), ("", False), ("no", False)])
def test_clean_asks_on_a_terminal(answer, deleted, copied, monkeypatch):
    left = spoil(copied)
    monkeypatch.setattr("synthgap.commands.clean.sys", type("Terminal", (), {"stdin": Tty, "stdout": Tty}))
    monkeypatch.setattr("builtins.input", lambda question: answer)
    tell("clean", f"out={copied.folder.parent}")
    assert left[0].exists() != deleted


class Tty:
    isatty = staticmethod(lambda: True)


def test_clean_keeps_runs_of_a_sweep_that_has_no_table_yet(copied):
    (copied.folder / "results.parquet").unlink()
    variations.record(copied)
    tell("clean", "--yes", f"out={copied.folder.parent}")
    assert all(copied.done(task) for task in copied.tasks)


def test_clean_refuses_while_a_sweep_is_running(copied, capsys):
    left = spoil(copied)
    with at_work(copied.folder):
        assert cli.main(["clean", "--yes", f"out={copied.folder.parent}"]) == 2
    assert "a sweep is running in" in capsys.readouterr().err and all(path.exists() for path in left)


def test_what_another_command_writes_now_is_left(copied):
    other = spoil(copied)[0]
    (found,) = [left for left in leftovers.find(copied.folder.parent, "imbalance") if left.path == other]
    with files.locked(found.lock):
        assert f"not deleted, as another command is using it: {other}" in tell(
            "clean", "--yes", f"out={copied.folder.parent}"
        )
    assert other.exists()


def test_mistakes_of_clean_are_told(tmp_path, capsys):
    for asked, said in ((["imbalance"], "no such folder"), (["seed=0"], "only out=DIR is understood here")):
        assert cli.main(["clean", *asked, f"out={tmp_path}"]) == 2
        assert said in capsys.readouterr().err
