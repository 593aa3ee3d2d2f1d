"""A metric of one's own: one file, a claim about it, a verdict; and whatever can be wrong with it is said in one line."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, TINY

from synthgap import cli, conclusion, metric_names, runs, studies, sweep
from synthgap.panels import drawing
from synthgap.panels.names import plain
from synthgap.runs.variations import Made

RADIUS = (ROOT / "experiments" / "own" / "my_metric.py").read_text()
STUDY = """\
question: Do richer captions spread the texts?
grid: {captions.attributes: [0, 5], seed: [0, 1, 2, 3, 4]}
claims:
  - claim: texts are spread wider where captions name more
    metric: radius
    of: text
    over: captions.attributes
    levels: [0, 5]
    direction: rises
    matters: 0.01
figure:
  x: {over: captions.attributes}
  panels:
    - {title: radius, curves: [{metric: radius, of: text}]}
"""
ASKED = ("run", "wider.yaml", "metrics=[my_metric.py]", "workers=1", *TINY, "training.batch=512")


@pytest.fixture
def own(tmp_path, monkeypatch, in_this_process):
    """A study and a file of metrics in an otherwise empty folder, with one thing in the latter replaced."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wider.yaml").write_text(STUDY)

    def write(old="", new="", name="my_metric.py"):
        assert old in RADIUS
        (tmp_path / name).write_text(RADIUS.replace(old, new) if old else RADIUS)

    write()
    return write


def ids(*overrides):
    study = studies.Study("own", "?", "", {"seed": [0]}, [{}], {"quick": {}}, (), {})
    return [task.run_id for task in runs.plan(study, [*TINY, *overrides]).tasks]


def test_a_metric_of_ones_own_gets_its_verdict_and_editing_it_computes_anew(own, tmp_path):
    assert cli.main([*ASKED]) == 0
    verdicts = pd.read_parquet(tmp_path / "runs" / "wider" / "verdicts.parquet")
    (verdict,) = verdicts.verdict
    assert verdict in ("supported", "contradicted", "undecided")
    path = tmp_path / "runs" / "wider" / "results.parquet"
    table = pd.read_parquet(path)
    radius = table[table.metric == "radius"]
    assert set(radius.of) == {"image", "text"} and len(radius) == 20 and radius.value.between(0, 2).all()
    assert path.with_name("wider.png").exists()
    own("x.mean(0)).norm(dim=1).mean()", "x.mean(0)).norm(dim=1).mean() / 2")
    assert cli.main([*ASKED, "seed=0"]) == 0
    (part,) = (tmp_path / "runs").glob("wider+*/results.parquet")
    again = pd.read_parquet(part)
    assert set(again.run_id).isdisjoint(table.run_id) and again.run_id.nunique() == 2
    before = radius[radius.seed == 0].value.to_numpy()
    assert again[again.metric == "radius"].value.to_numpy() == pytest.approx(before / 2)


def test_files_of_metrics_that_are_edited_between_plan_and_run_fail_the_run(own):
    study = studies.Study("own", "?", "", {"seed": [0]}, [{}], {"quick": {}}, (), {})
    plan = runs.plan(study, [*TINY, "metrics=[my_metric.py]"])
    own("norm(dim=1)", "norm(dim=1, p=1)")
    runs.work(plan)
    (failure,) = runs.failures(plan).values()
    assert failure["reason"] == (
        "InputError: a file that this run reads was edited since it was planned; run the study again"
    )


def test_figures_know_the_range_and_the_meaning_of_a_metric_of_ones_own(own):
    study = studies.load("wider.yaml", metrics=["my_metric.py"])
    known = conclusion._known(study, Made(roots=("metrics=[my_metric.py]",)))
    points = pd.DataFrame({"panel": "spread", "curve": "", "mean": [0.1], "low": [-0.3], "high": [2.4]})
    cut = drawing._within_range(points, study.figure["panels"], known)
    assert (cut.low[0], cut.high[0]) == (0, 2)
    assert plain(["spread"], known) == known["spread"].meaning
    (Path("my_metric.py")).unlink()
    assert "spread" not in conclusion._known(study, Made(roots=("metrics=[my_metric.py]",)))


def test_that_a_posthoc_which_only_searches_has_no_metrics_of_ones_own_is_told(own, capsys):
    study = studies.Study("own", "?", "", {"posthoc": ["none", "inversion"]}, [{}], {"quick": {}}, (), {})
    asked = [*TINY, "metrics=[my_metric.py]", "posthoc.steps=1", "posthoc.text_steps=1", "encoder.text=transformer"]
    plan = runs.plan(study, asked)
    runs.prepare(plan)
    runs.work(plan)
    sweep.conclude(plan)
    assert "metrics of your own are not measured in 1 run: posthoc=inversion only searches" in capsys.readouterr().out
    table = runs.collect(plan)
    assert set(table[table.metric == "spread"].posthoc) == {"none"}


def test_what_a_file_of_metrics_says_counts_and_not_where_it_lies(own):
    here = ids("metrics=[my_metric.py]")
    own(name="renamed.py")
    assert ids("metrics=[renamed.py]") == here != ids()
    own("norm(dim=1)", "norm(dim=1, p=1)", name="other.py")
    assert ids("metrics=[other.py]") != here
    assert ids("metrics=[]") == ids(), "without any, a run is what it was before there was this option"


def test_a_study_may_set_its_own_files_of_metrics(own, tmp_path):
    (tmp_path / "wider.yaml").write_text(STUDY + "presets: {quick: {set: {metrics: [my_metric.py]}}}\n")
    study = studies.load("wider.yaml")
    assert {task.config["metrics"][0] for task in runs.plan(study, TINY).tasks} == {"my_metric.py"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '"modality",',
            '"modalty",',
            "my_metric.py, line 11: unknown 'of' of radius 'modalty'; did you mean 'modality'?",
        ),
        ("def radius(", "def radius(:", "my_metric.py, line 6: invalid syntax"),
        ("METRICS = [", "OTHERS = [", "my_metric.py declares nothing; it needs METRICS = [Metric(…), …]"),
        ('"radius", "', '"rmg", "', "my_metric.py: there is a metric 'rmg' already"),
        ("low=0, high=2", "low=3, high=2", "my_metric.py, line 11: radius: low=3 must not be above high=2"),
        ("low=0", "low=lowest()", "my_metric.py, line 11: name 'lowest' is not defined"),
        ('"radius", "', '"width", "', "unknown metric 'radius' in a claim of wider.yaml"),
    ],
)
def test_a_wrong_declaration_is_told_before_anything_is_written(own, old, new, told, capsys, tmp_path):
    own(old, new)
    assert cli.main([*ASKED]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and told in error, error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("x.mean(0)", "x.men(0)", "metrics=my_metric.py, line 8: AttributeError"),
        (".norm(dim=1).mean()", "", "metrics=my_metric.py, radius: "),
        (", by=radius", "", "radius has no function; give it by="),
        (".norm(dim=1).mean()", ".norm(dim=1).mean() / 0", "radius image is inf, though it is defined"),
    ],
)
def test_an_error_in_the_function_is_the_reason_of_the_run_that_failed(own, old, new, told):
    own(old, new)
    study = studies.Study("own", "?", "", {"seed": [0]}, [{}], {"quick": {}}, (), {})
    plan = runs.plan(study, [*TINY, "metrics=[my_metric.py]"])
    runs.work(plan)
    (reason,) = (failure["reason"] for failure in runs.failures(plan).values())
    assert told in reason and len(reason.splitlines()) == 1, reason


def test_reading_declarations_runs_nothing():
    found = metric_names.declared('raise SystemExit\nWHY = "x"\nMETRICS = [Metric("a", "", WHY, by=print)]', "here")
    assert found == {"a": metric_names.Metric("a", "", "x")}
