"""Sinks: what TensorBoard, MLflow and Weights & Biases are given of finished runs is read back by their own readers."""

import struct
from importlib.util import find_spec
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from conftest import TINY, planned

from synthgap import cli, runs, sinks, sweep

ONE = ("captions.attributes=1", "seed=0")


@pytest.fixture
def passed(finished, tmp_path):
    """Writes two finished runs into a sink, one of them twice → the folder that holds the sink, and the first run."""

    def write(name):
        missing = [package for package in sinks.PACKAGES[name] if find_spec(package) is None]
        if missing:
            pytest.skip(f"{' and '.join(missing)} not installed: pip install -c constraints.txt -e '.[{name}]'")
        one, two, *_ = (finished.folder / task.run_id for task in finished.tasks)
        for folder in (one, two, one):
            sinks.write(tmp_path, [name], folder)
        return tmp_path / name, sinks.read(one)

    return write


def test_a_run_is_read_whole(finished):
    task = finished.tasks[0]
    run = sinks.read(finished.folder / task.run_id)
    assert (run.study, run.run_id) == ("imbalance", task.run_id)
    assert run.config["captions.attributes"] == 1 and run.config["training.batch"] == 256
    rows = runs.collect(finished).query(f"run_id == '{task.run_id}'").set_index(["metric", "of"]).value
    assert run.metrics["rmg/image-text"] == rows["rmg", "image-text"] and run.metrics["loss"] == rows["loss", ""]
    assert run.course.step.tolist() == [0, 1, 2, 3] and not any("_at" in name for name in run.metrics)


def test_tensorboard_is_given_curves_metrics_and_config(passed):
    place, run = passed("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert {path.name for path in (place / run.study).iterdir()} >= {run.run_id} and len([*place.glob("*/*/*")]) == 2
    events = EventAccumulator(str(place / run.study / run.run_id)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("training/loss")] == [
        (step, pytest.approx(loss)) for step, loss in zip(run.course.step, run.course.loss, strict=True)
    ]
    measured = {tag: events.Scalars(tag)[0] for tag in run.metrics}
    assert {tag: e.value for tag, e in measured.items()} == pytest.approx(dict(run.metrics), rel=1e-5)
    assert {e.step for e in measured.values()} == {3}
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert yaml.safe_load("\n".join(line[4:] for line in text.splitlines()))["training"]["batch"] == 256


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between MLflow and SQLAlchemy
def test_mlflow_is_given_curves_metrics_and_params(passed, capfd):
    place, run = passed("mlflow")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "imbalance"]
    found = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
    assert len(found) == 2
    one = found[run.run_id]
    assert one.info.status == "FINISHED" and one.data.params["training.batch"] == "256"
    assert one.data.params.keys() == run.config.keys()
    measured = {name.replace("@", "_at_"): x for name, x in run.metrics.items()}
    assert {name: x for name, x in one.data.metrics.items() if not name.startswith("training/")} == measured
    course = client.get_metric_history(one.info.run_id, "training/rmg")
    assert [(m.step, m.value) for m in course] == list(zip(run.course.step, run.course.rmg, strict=True))
    assert capfd.readouterr().err == ""


def test_wandb_is_given_curves_metrics_and_config_without_a_network(passed, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nothing answers
    place, run = passed("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    assert len([*place.glob("offline-run-*")]) == 2
    (path,) = place.glob(f"offline-run-*-{run.run_id}/run-{run.run_id}.wandb")
    records = [Record.FromString(data) for data in logged(path.read_bytes())]

    def of(items):
        return {".".join(item.nested_key) or item.key: yaml.safe_load(item.value_json) for item in items}

    (begun,) = [of(r.run.config.update) for r in records if r.HasField("run")][:1]
    assert begun["training.batch"] == 256
    history = [of(r.history.item) for r in records if r.HasField("history")]
    assert [row["training/loss"] for row in history] == pytest.approx(run.course.loss.tolist())
    summary = {}
    for record in records:
        summary |= of(record.summary.update) if record.HasField("summary") else {}
    assert {name: summary[name] for name in run.metrics} == pytest.approx(dict(run.metrics))


def logged(content):
    """The records of a log in LevelDB's format, as W&B's files are after 7 bytes: blocks of 32 KiB, and in each parts with a
    checksum, a length and whether they are a whole record (1), or the first (2), a middle (3) or the last part (4) of one."""
    assert content[:4] == b":W&B"
    at, record = 7, b""
    while at < len(content):
        if 2**15 - at % 2**15 < 7:  # no room for a part: the next block
            at += 2**15 - at % 2**15
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


@pytest.fixture
def told(monkeypatch):
    """A sink of the test's own in place of TensorBoard's → the ids of the runs that it was given."""
    given = []
    monkeypatch.setattr(sinks, "find_spec", lambda name: name)
    module = SimpleNamespace(write=lambda place, run: (place.mkdir(exist_ok=True), given.append(run.run_id)))
    monkeypatch.setattr(sinks, "import_module", lambda name: module)
    return given


def test_runs_are_passed_on_when_they_end_and_those_that_ended_before_too(tmp_path, told):
    plan = planned(tmp_path, *ONE)
    (run_id,) = [task.run_id for task in plan.tasks]
    asked = planned(tmp_path, *ONE, "sinks=[tensorboard]")
    assert [task.run_id for task in asked.tasks] == [run_id], "no part of a run's identity"
    for each in (plan, asked, asked):
        sweep.begin(each.study, each.overrides)
        runs.work(each)
        assert told == ([] if each is plan else [run_id])
    assert sweep.conclude(asked) == 0
    kept = tmp_path / "imbalance" / "results.parquet"
    assert kept.exists(), "and of no result's: the folder is that of the sweep without"
    assert pd.read_parquet(kept).run_id.unique().tolist() == [run_id]


def test_a_sink_that_cannot_write_fails_no_run(tmp_path, told, monkeypatch, capsys):
    def write(place, run):
        raise OSError("the disk is\nfull")

    monkeypatch.setattr(sinks, "import_module", lambda name: SimpleNamespace(write=write))
    plan = planned(tmp_path, *ONE, "sinks=[wandb]")
    runs.work(plan)
    assert all(plan.done(task) for task in plan.tasks)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "sinks" in line]
    assert line.endswith("is finished, but not written by sinks=['wandb']: the disk is full")


@pytest.mark.parametrize("name", sinks.PACKAGES)
def test_a_missing_package_is_one_line_with_its_extra_before_any_run(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sinks, "find_spec", lambda package: None)
    assert cli.main(["run", "imbalance", *TINY, *ONE, f"out={tmp_path / 'runs'}", f"sinks=[{name}]"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f'install it by pip install "synthgap[{name}]"' in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [("[tensorbord]", "unknown value of sinks 'tensorbord'; did you mean 'tensorboard'?"), ("mlflow", "sinks")],
)
def test_an_unknown_sink_is_told(asked, said, capsys):
    assert cli.main(["plan", "imbalance", *TINY, *ONE, f"sinks={asked}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error, error
