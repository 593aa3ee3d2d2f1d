"""Runs whose numbers mean nothing are failed, and what the samples leave undefined is told."""

from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import TINY

from data_gen import InputError
from synthgap import cli, runs, studies
from synthgap.runs import pool

#: a world whose tests may show red alone
WORLD = """\
from data_gen import Factor, FactorSpace, World
world = World(FactorSpace([Factor("shape", list("abcd")), Factor("shade", ["dark", "light"], probabilities=[1.0, 0.0])]))
"""
CLAIM = """\
question: Does the probe tell?
grid: {training.lr: [0.001, 0.002], seed: [0, 1, 2]}
claims:
  - claim: shades are told as well
    metric: probe
    of: shade
    over: training.lr
    levels: [0.001, 0.002]
    direction: stays
    matters: 0.1
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Sweeps in this process, in an empty folder."""

    def sweep(plan, workers):
        runs.work(plan)
        return len(plan.tasks)

    monkeypatch.setattr(pool, "sweep", sweep)
    monkeypatch.chdir(tmp_path)


def test_what_one_value_leaves_undefined_costs_no_run_and_is_told(here, capsys):
    Path("world.py").write_text(WORLD)
    Path("own.yaml").write_text(CLAIM)
    assert cli.main(["run", "own.yaml", "world=world.py", *TINY, "captions.attributes=1"]) == 0
    told = capsys.readouterr().out
    assert (
        "undefined in 6 of 6 runs, and nan (as it is where the half of the samples that is fitted has one value): "
        in told
    )
    assert "not judged, as probe shade is undefined in all runs (as it is where the half of the samples" in told
    table = pd.read_parquet("runs/own/results.parquet").set_index(["metric", "of"]).value
    assert table["probe", "shade"].isna().all() and table["probe", "shape"].notna().all()


@pytest.mark.parametrize(("steps", "lr"), [(4, "1e3"), (1, "1e6")])  # the loss is finite in both
def test_a_run_whose_training_blew_up_is_failed_with_that_reason(steps, lr, here, capsys):
    asked = [*TINY, f"mad.images={steps * 256}"]
    assert cli.main(["run", "imbalance", *asked, "captions.attributes=1", "seed=0", f"training.lr={lr}"]) == 1
    told = capsys.readouterr().out
    assert "1 of 1 runs are missing" in told and "FloatingPointError: " in told and "try a lower training.lr" in told
    assert len(list(Path("runs/imbalance").glob("*.failed.json"))) == 1
    assert not list(Path("runs/imbalance").glob("*/done.json"))


def test_a_number_that_is_nan_though_defined_fails_its_run(here, monkeypatch, capsys):
    import_module("synthgap.metrics.ideal_words")  # which takes the function along, and would keep the wrong one
    monkeypatch.setattr("synthgap.metrics.gap.alignment", alignment := lambda *_: float("nan"))
    alignment.__name__ = "alignment"
    assert cli.main(["run", "imbalance", *TINY, "captions.attributes=1", "seed=0"]) == 1
    assert "FloatingPointError: alignment image-text is nan, though it is defined" in capsys.readouterr().out


def test_a_world_whose_sound_does_not_tell_the_object_is_measured(here):
    """As where captions always name the colour, which nobody hears."""
    plan = runs.plan(studies.load("imbalance"), [*TINY[3:], "world=avmnist", "images=symbolic", "avmnist.images=1024",
        "avmnist.test_images=200", "captions.object=size", "captions.attributes=1", "seed=0"])  # fmt: skip
    runs.prepare(plan)
    runs.work(plan)
    found = runs.collect(plan).set_index(["metric", "of"]).value
    assert torch.isfinite(torch.tensor(found["moad", "image"])) and ("moad", "audio") not in found.index
    assert ("moad_towards", "audio accent") in found.index


def test_a_worker_that_cannot_go_on_says_why_in_one_line(monkeypatch):
    """Not of a run, whose failure would be recorded: of the folder, its locks, or a dataset that is damaged meanwhile."""
    monkeypatch.setattr(pool, "end_with", lambda parent: None)
    for error in (InputError("the model is damaged"), OSError(28, "No space left on device")):

        def work(plan, begins, error=error):
            raise error

        monkeypatch.setattr(pool.runs, "work", work)
        with pytest.raises(SystemExit) as ended:
            pool._work(None, 0, None)
        assert ended.value.code == f"synthgap: a worker stopped: {error}"


def test_a_modality_that_would_show_nothing_is_refused_before_any_run(here, capsys):
    hidden = "space.hidden=[digit,accent,voice,pitch,pace]"
    assert cli.main(["run", "imbalance", "world=avmnist", "images=symbolic", hidden]) == 2
    assert "leave one that audio shows (digit, accent, voice, pitch, pace)" in capsys.readouterr().err
    assert list(Path().iterdir()) == []
