"""keep=tables keeps no weights but those that other runs take; whoever needs others later trains them again, and says so."""

import pandas as pd
import pytest
from conftest import CELLS, TINY, planned
from safetensors.torch import load_file

from data_gen import InputError
from synthgap import cli, runs
from synthgap.runs import execution, leftovers, loading
from synthgap.runs.plan import MODEL

CELL = ("captions.attributes=5", "seed=1")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A sweep of one run that kept its tables alone."""
    plan = planned(tmp_path_factory.mktemp("small"), *CELL, "keep=tables")
    runs.prepare(plan)
    runs.work(plan)
    return plan


def models(plan):
    return {path.parent.name for path in plan.folder.glob(f"*/{MODEL}")}


def numbers(plan):
    table = runs.collect(plan)
    return table[table.metric != "seconds"].reset_index(drop=True)


def synthgap(command, plan, *overrides):
    return cli.main([command, "imbalance", *TINY, *overrides, f"out={plan.folder.parent}"])


def test_it_is_the_same_run_with_the_same_numbers_and_without_weights(small, finished):
    (task,), there = small.tasks, numbers(finished)
    assert not runs.failures(small) and models(small) == set()
    assert numbers(small).equals(there[there.run_id == task.run_id].reset_index(drop=True))
    sizes = [sum(path.stat().st_size for path in (p.folder / task.run_id).iterdir()) for p in (small, finished)]
    assert sizes[0] < 30_000 < sizes[1] / 4
    assert (
        runs.estimate(planned("nowhere", *CELL, "keep=tables")).bytes
        < runs.estimate(planned("nowhere", *CELL)).bytes / 10
    )


def test_what_is_done_is_not_done_again_for_its_weights(copied, monkeypatch, capsys):
    """Whether or not they are there: a forgotten keep=tables is not to cost a night."""
    kept = models(copied)
    monkeypatch.setattr(execution, "execute", None)
    for keep in ("keep=tables", "keep=models"):
        assert synthgap("run", copied, *CELLS, keep) == 0
        assert "4 runs finished before; nothing new to run" in capsys.readouterr().out
    assert models(copied) == kept and len(list(copied.folder.parent.iterdir())) == 1, "and it is no variation"


@pytest.fixture
def taken(small, in_this_process, capsys):
    """The same run, from whose model another was made afterwards; and what that sweep told."""
    before = numbers(small)
    assert synthgap("run", small, *CELL, "posthoc=none,centring", "keep=tables") == 0
    assert numbers(small).equals(before)
    return small, capsys.readouterr().out


def test_a_model_that_is_needed_later_is_trained_again_and_a_line_says_so(taken, finished):
    plan, told = taken
    (task,) = plan.tasks
    assert "1 model that other runs take, and that keep=tables did not keep, to train again first" in told
    assert models(plan) == {task.run_id}
    weights = [load_file(p.folder / task.run_id / MODEL) for p in (plan, finished)]
    assert all(weights[0][name].equal(x) for name, x in weights[1].items())


def test_clean_takes_models_that_were_kept_for_a_while_and_the_runs_stay(taken, capsys):
    plan, _ = taken
    both = planned(plan.folder.parent, *CELL, "posthoc=none,centring", "keep=tables")
    (found,) = leftovers.find(plan.folder.parent)
    assert found.path == plan.folder / plan.tasks[0].run_id / MODEL and found.why == "model, by keep=tables"
    before = numbers(both)
    assert cli.main(["clean", "--yes", f"out={plan.folder.parent}"]) == 0
    assert models(plan) == set() and numbers(both).equals(before) and not leftovers.find(plan.folder.parent)
    assert runs.estimate(both).left == ()


def test_a_run_without_weights_is_opened_by_training_it_again(small, finished, capsys):
    folder = small.folder / small.tasks[0].run_id
    if (folder / MODEL).exists():  # left by another test
        runs.results.forget_model(folder)
    before = numbers(small)
    opened = loading.open(folder)
    assert f"the model of {folder} was not kept (keep=tables), so it is trained again" in capsys.readouterr().err
    z = loading.open(finished.folder / folder.name).embeddings
    assert all(opened.embeddings[name].equal(x) for name, x in z.items()) and models(small) == {folder.name}
    assert numbers(small).equals(before)
    loading.open(folder)
    assert capsys.readouterr().err == ""


def test_weights_that_are_gone_though_they_were_kept_are_damage(copied):
    (copied.folder / copied.tasks[0].run_id / MODEL).unlink()
    with pytest.raises(InputError, match="is damaged"):
        loading.open(copied.folder / copied.tasks[0].run_id)


def test_a_config_from_before_there_was_keep_is_read(copied):
    task = copied.tasks[0]
    path = copied.folder / task.run_id / "config.yaml"
    path.write_text(path.read_text().replace("keep: models\n", ""))
    assert leftovers._keeps(path.parent) == "models" and pd.notna(task.run_id)
