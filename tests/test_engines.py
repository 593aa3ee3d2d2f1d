"""The same sweep by other engines: jobs of submitit, each a process of its own, and a Ray cluster that loses a node."""

import os
import threading
from dataclasses import replace
from importlib.util import find_spec
from time import monotonic, sleep

import pytest
from conftest import ROOT, TINY, planned

from data_gen import InputError
from synthgap import cli, runs
from synthgap.runs import engines


def numbers(plan):
    table = runs.collect(plan)
    return table[table.metric != "seconds"].reset_index(drop=True)


def begun(out, *overrides):
    plan = planned(out, *overrides)
    runs.prepare(plan)
    return plan


@pytest.fixture
def importable(monkeypatch):
    """Other processes import what this one does."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


def test_jobs_do_the_runs_of_a_sweep(finished, tmp_path, importable):
    pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
    plan = begun(tmp_path)
    assert engines.work(plan, "submitit", 2, {"cluster": "local"}) == 4
    assert not runs.failures(plan) and numbers(plan).equals(numbers(finished))
    logs = list((plan.folder / ".jobs").glob("*_log.out"))
    assert len(logs) == 2, "two jobs"
    assert (
        engines.work(plan, "submitit", 2, {"cluster": "local"}) == 0
        and len(list(logs[0].parent.glob("*_log.out"))) == 2
    )


def test_a_job_that_the_cluster_ends_early_is_queued_again_as_it_was(tmp_path):
    pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
    from synthgap.runs.on_submitit import Worker

    again = Worker(tmp_path / "plan.pkl").checkpoint()
    assert again.function == Worker(tmp_path / "plan.pkl") and not again.args


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["engine=submitti"], "did you mean 'submitit'?"),
        (["engine.slurm_partition=gpu"], "engine.slurm_partition belongs to engine=submitit or engine=ray"),
        (["engine=ray", "engine.partition=gpu"], "engine=ray"),
        (["engine=submitit", "engine.cluster=local", "engine.partitoin=gpu"], "engine=submitit"),
    ],
)
def test_a_mistake_is_one_line_before_any_run(asked, told, tmp_path, capsys):
    assert (
        cli.main(["run", "imbalance", *TINY, "captions.attributes=1", "seed=0", *asked, f"out={tmp_path / 'runs'}"])
        == 2
    )
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and told in error and not list(tmp_path.rglob("done.json"))


def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r'engine=ray needs ray; install it by pip install "synthgap\[ray\]"'):
        engines.check("ray", {})


def test_runs_that_share_a_model_are_one_task(tmp_path):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from synthgap.runs.on_ray import units

    plan = planned(tmp_path, "captions.attributes=1,5", "seed=0", "posthoc=none,centring,whitening")
    found = units(plan)
    assert sorted(map(len, found)) == [3, 3] and {task.run_id for unit in found for task in unit} == {
        task.run_id for task in plan.tasks
    }


@pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_ray_cluster_that_loses_a_node_does_all_runs_without_a_shared_folder(finished, tmp_path, importable):
    """Three node processes; the node that is killed is in a run at that time, and its run is done again elsewhere."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    plan = begun(tmp_path, "captions.attributes=1,5", "seed=0,1", "posthoc=none,centring")
    killed = []

    def kill():
        end = monotonic() + 300
        while not any(plan.done(task) for task in plan.tasks) and monotonic() < end:
            sleep(0.2)
        cluster.remove_node(nodes[0], allow_graceful=False)
        killed.append(sum(plan.done(task) for task in plan.tasks))

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        assert engines.work(plan, "ray", 1, {"address": cluster.address}) == 8
    finally:
        thread.join()
        ray.shutdown()
        cluster.shutdown()
    assert killed and killed[0] < 8, "it was killed while runs were left"
    assert not runs.failures(plan)
    alone = replace(plan, tasks=tuple(task for task in plan.tasks if task.start is None))
    columns = ["run_id", "metric", "of", "value"]
    assert numbers(alone)[columns].equals(numbers(finished)[columns])
    assert not list(plan.folder.glob(".*.partial"))
