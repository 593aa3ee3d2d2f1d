"""Methods of one's own: one file with a declaration and a function, chosen by its path, and swept like ours."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, TINY

from data_gen import InputError
from synthgap import cli, options, runs, studies

LOSS = (ROOT / "experiments" / "own" / "my_loss.py").read_text()
POSTHOC = (ROOT / "experiments" / "own" / "my_method.py").read_text()
CAPTIONS = (ROOT / "experiments" / "own" / "my_policy.py").read_text()
STUDY = """\
question: Does it change the gap?
grid: {%s, seed: [0, 1, 2, 3, 4]}
presets: {quick: {set: {images: symbolic, mad.images: 512, mad.test_images: 200, training.epochs: 1, training.batch: 256}}}
claims: [{claim: It closes the gap, metric: rmg, of: image-text, over: %s, levels: %s, direction: falls, matters: 0.01}]
"""
OWN = {
    "loss": ("my_loss.py", LOSS, "loss: [clip, my_loss.py]", "loss", "[clip, my_loss.py]"),
    "posthoc": (
        "my_method.py",
        POSTHOC,
        "posthoc: [my_method.py], posthoc.share: [0, 0.9]",
        "posthoc.share",
        "[0, 0.9]",
    ),
    "captions": (
        "my_policy.py",
        CAPTIONS,
        "captions: [my_policy.py], captions.full: [0, 1]",
        "captions.full",
        "[0, 1]",
    ),
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)


def planned(*overrides):
    return runs.plan(studies.load("imbalance"), [*TINY, "captions.attributes=1", "seed=0", "out=runs", *overrides])


def ids(*overrides):
    return [task.run_id for task in planned(*overrides).tasks]


def refused(text, *overrides, name="my_loss.py"):
    """The one line about a file with this text."""
    Path(name).write_text(text)
    with pytest.raises(InputError) as error:
        options.resolve([f"loss={name}", *overrides])
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", OWN)
def test_an_own_method_is_swept_and_judged_and_an_edit_trains_anew(kind, tmp_path, monkeypatch, capsys, trained_once):
    name, text, *of_study = OWN[kind]
    (tmp_path / name).write_text(text)
    (tmp_path / "own.yaml").write_text(STUDY % tuple(of_study))
    study = studies.load("own.yaml")
    before = runs.plan(study, ["out=runs"])
    runs.prepare(before)
    monkeypatch.chdir(os.sep)  # a worker need not be where the study was planned
    trained_once(replace(before, folder=tmp_path / before.folder, datasets=tmp_path / before.datasets))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "own.yaml"]) == 0
    assert len(json.loads((tmp_path / "runs/own/claims.json").read_text())) == 1
    assert cli.main(["verdicts", "own"]) == 0 and "It closes the gap" in capsys.readouterr().out
    (tmp_path / name).write_text(text + "\n# edited\n")
    again = runs.plan(studies.load("own.yaml"), ["out=runs"])
    edited = [task for task in again.tasks if "own" in task.config]
    assert edited and not any(again.done(task) for task in edited)
    assert all(before.done(task) for task in before.tasks)


def test_options_and_choices_of_an_own_loss_are_those_of_any(tmp_path):
    (tmp_path / "my_loss.py").write_text(LOSS)
    assert options.resolve(["loss=my_loss.py", "loss.pull=0.3"])["loss"] == {
        "name": "my_loss.py",
        "anchor": "text",
        "pull": 0.3,
    }
    assert len(ids("loss=clip,my_loss.py")) == 2
    assert len(ids("loss=my_loss.py", "loss.pull=0,1")) == 2


def test_where_the_file_is_changes_no_id_and_what_is_in_it_does(tmp_path):
    (tmp_path / "my_loss.py").write_text(LOSS)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/other_name.py").write_text(LOSS.replace("def my_loss", "def other_name"))
    (tmp_path / "there/my_loss.py").write_text(LOSS)
    assert ids("loss=my_loss.py") == ids("loss=there/my_loss.py") == ids(f"loss={tmp_path}/my_loss.py")
    assert ids("loss=my_loss.py") != ids("loss=there/other_name.py")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("def my_loss(", "def my_loss((", "loss=my_loss.py, line 9: "),
        ("LOSS = Method", "LOSSS = Method", "declares no method: write `LOSS = Method"),
        ("def my_loss", "def mine", "line 6: it needs a function 'my_loss' .found mine"),
        ("*, pull", "*, push", "line 9: my_loss.. does not take 'pull'"),
        ("Option(0.5, ", "Option('half', type=float, why=", "line 6: the default 'half' is not of the type"),
        ("Option(0.5, ", "Option(-0.5, ", "line 6: default=-0.5: it must be at least 0"),
        ("low=0", "least=0", "line 6: .*least"),
        ('"pull": Option', '"anchor": Option', "every loss has 'anchor' already"),
        ('form="pairs"', 'form="pair"', "did you mean 'pairs'"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_one_line(old, new, told):
    assert re.search(told, refused(LOSS.replace(old, new)))


def test_an_option_is_of_one_type_in_all_methods_that_have_it():
    told = refused(LOSS.replace("pull", "weight").replace("Option(0.5", "Option(1"))
    assert "its option 'weight' is" in told and told.endswith("give it another name")


def test_a_value_out_of_range_and_a_file_that_is_not_there_are_told():
    assert refused(LOSS, "loss.pull=-1") == "loss.pull=-1.0: it must be at least 0"
    with pytest.raises(InputError, match=r"loss=nowhere.py cannot be read: No such file"):
        options.resolve(["loss=nowhere.py"])


@pytest.mark.parametrize(
    ("given", "told"), [("(x - y)", r"a tensor \[256, 64\]"), ("1.0", "1.0"), ("None", "None"), ("(x, y)", r"\(tensor")]
)
def test_a_loss_that_is_no_scalar_names_its_file(given, told):
    Path("my_loss.py").write_text(re.sub("return .*", f"return {given}", LOSS))
    plan = planned("loss=my_loss.py")
    runs.work(plan)
    (record,) = runs.failures(plan).values()
    assert re.match(f"InputError: loss=my_loss.py: my_loss.. must give a scalar tensor, not {told}", record["reason"])


def test_claims_can_be_about_what_an_own_loss_learns(tmp_path, capsys):
    """Its option `tilt` is learnt, so that each run has a row `logit_tilt`."""
    text = LOSS.replace('"pull": Option(0.5, "weight', '"tilt": Option(1.0, "weight').replace("pull", "tilt")
    (tmp_path / "my_loss.py").write_text(text.replace("low=0)}", 'low=0)}, learnt={"tilt": 1.0}'))
    study = STUDY % ("loss: [my_loss.py], loss.tilt: [0, 1]", "loss.tilt", "[0, 1]")
    (tmp_path / "own.yaml").write_text(study.replace("metric: rmg, of: image-text", "metric: logit_tilt"))
    plan = runs.plan(studies.load("own.yaml"), ["out=runs", "seed=0"])
    runs.work(plan)
    table = runs.collect(plan)
    first, last = table[table.metric == "logit_tilt"].sort_values("loss.tilt").value
    assert first < last and 0 < abs(last - 1) < 1, "it starts where it is told to, and moves"
    (tmp_path / "own.yaml").write_text(study.replace("metric: rmg, of: image-text", "metric: logit_tlt"))
    assert cli.main(["plan", "own.yaml"]) == 2
    assert "unknown metric 'logit_tlt' in a claim of own.yaml; did you mean 'logit_tilt'" in capsys.readouterr().err


def test_a_file_that_is_edited_between_plan_and_run_is_not_run(tmp_path):
    (tmp_path / "my_loss.py").write_text(LOSS)
    plan = planned("loss=my_loss.py")
    (tmp_path / "my_loss.py").write_text(LOSS + "\n# edited\n")
    runs.work(plan)
    (failure,) = runs.failures(plan).values()
    assert failure["reason"] == (
        "InputError: loss=my_loss.py was edited since this run was planned; run the study again"
    )


def test_what_it_raises_while_training_is_the_run_s_failure_with_the_line(tmp_path):
    (tmp_path / "my_loss.py").write_text(LOSS.replace("    return clip", "    1 / 0\n    return clip"))
    plan = planned("loss=my_loss.py")
    runs.work(plan)
    assert [record["reason"] for record in runs.failures(plan).values()] == [
        "InputError: loss=my_loss.py, line 10: ZeroDivisionError: division by zero"
    ]
