"""Shared by all tests: real data where the machine has it, one thread, and the command as a user runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from data_gen import Factor, FactorSpace, InputError, inputs
from data_gen.seeds import generator
from synthgap import catalogue, encoders, runs, studies, sweep
from synthgap.losses import of_all
from synthgap.pages import explorer
from synthgap.runs import pool

torch.set_num_threads(1)
# A core a test process: a command that a test runs then starts one worker, not as many as there are cores for all tests.
if hasattr(os, "sched_setaffinity") and "PYTEST_XDIST_WORKER" in os.environ:
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) % len(_cores)]})
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder of MNIST's IDX files: $SYNTHGAP_MNIST, or ../shared/data/mnist beside the checkout."""
    folder = Path(os.environ.get("SYNTHGAP_MNIST", ROOT.parent / "shared" / "data" / "mnist"))
    if not folder.is_dir():
        pytest.skip(f"no real MNIST at {folder} (set SYNTHGAP_MNIST to a folder of its IDX files)")
    return folder


@pytest.fixture(scope="session")
def fsdd() -> Path:
    """The folder of FSDD's recordings: $SYNTHGAP_FSDD, or ../shared/data/fsdd/recordings beside the checkout."""
    folder = Path(os.environ.get("SYNTHGAP_FSDD", ROOT.parent / "shared" / "data" / "fsdd" / "recordings"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set SYNTHGAP_FSDD to a folder of FSDD's WAV files)")
    return folder


@pytest.fixture
def synthgap(tmp_path):
    """Run the real command in an empty folder → CompletedProcess with text output."""

    def call(*arguments: str, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "synthgap", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, **options)

    return call


#: a world of three modalities: image and sound share the digit and have one more factor each, the text names all
TRIO = FactorSpace([Factor("digit", list("0123456789")), Factor("look", list("abc")), Factor("voice", list("xyz"))])


def trio(n: int, seed: int = 0) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """{image, audio, text: tokens} and codes [n, 3] of `TRIO`."""
    codes = TRIO.sample(n, generator(seed, "factors"))
    tokens = torch.from_numpy(1 + TRIO.offsets + codes)
    return {"image": tokens[:, [0, 1]], "audio": tokens[:, [0, 2]], "text": tokens}, codes


ENCODER = dict(embedding=24, channels=8, image="conv", text="bag", share="none", width=64, depth=1, patches=4)


def built(shown: dict[str, torch.Tensor], *, vocabulary: int = 26, longest: int = 8, **options) -> encoders.Encoders:
    """Encoders of what is shown {modality: [N, …]}, tokens and whatever else it is; options: of the section `encoder`."""
    kinds = {m: "tokens" if x.dtype == torch.int64 else inputs.told(m, x.numpy()) for m, x in shown.items()}
    config = {"encoder": ENCODER | options}
    return encoders.build(config, shown, kinds, vocabulary=vocabulary, longest=longest)


def bags(*modalities: str, **options) -> encoders.Encoders:
    """A bag of words for each modality."""
    return built(dict.fromkeys(modalities, torch.ones(2, 1, dtype=torch.int64)), **options)


#: every loss that comes with synthgap, of all modalities, and every method that changes embeddings
LOSSES = {name: of_all(method) for name, method in catalogue.methods("loss").items()}
POSTHOC = {
    name: catalogue.load(method)
    for name, method in catalogue.methods("posthoc").items()
    if name != "none" and method.form == ""
}
SEARCHES = {
    name: catalogue.load(method) for name, method in catalogue.methods("posthoc").items() if method.form == "search"
}

#: overrides that make a run a matter of a second
TINY = ("images=symbolic", "mad.images=1024", "mad.test_images=200", "training.epochs=1", "training.batch=256")
#: four runs that are as quick
CELLS = ("captions.attributes=1,5", "seed=0,1")

#: two runs as quick, that differ in one slider of the explorer
EXPLORED = (
    *TINY,
    *("captions.attributes=1,5", "encoder.apart=0", "temperature.mode=learnable", "temperature.init=0.07"),
    *("training.steps=null", "encoder.embedding=4"),
)


def planned(out, *overrides):
    """The plan of `CELLS`, or of what the overrides ask for, in `out`."""
    return runs.plan(studies.load("imbalance"), [*TINY, f"out={out}", *(overrides or CELLS)])


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished sweep of four runs, concluded: to be read, not touched."""
    plan = planned(tmp_path_factory.mktemp("finished"))
    runs.prepare(plan)
    runs.work(plan)
    assert sweep.conclude(plan, did=4) == 0
    return plan


@pytest.fixture(scope="session")
def explored(tmp_path_factory):
    """Two finished runs in four dimensions of which the embeddings were kept all along training, for `synthgap explore`."""
    plan = runs.plan(explorer.STUDY, [*EXPLORED, "keep=course", f"out={tmp_path_factory.mktemp('explored')}"])
    runs.prepare(plan)
    runs.work(plan)
    assert not runs.failures(plan)
    return plan


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    """`runs.work`, which takes what any test has trained before: a run's id says all that decides its numbers."""
    folder = tmp_path_factory.mktemp("trained")

    def work(plan):
        tasks = [(task, folder / plan.study.name / task.run_id) for task in runs.with_starts(plan)]
        for task, kept in tasks:
            if kept.exists() and not plan.settled(task):
                shutil.copytree(kept, plan.folder / task.run_id)
        runs.work(plan)
        for task, kept in tasks:
            if plan.done(task) and not kept.exists():
                shutil.copytree(plan.folder / task.run_id, kept)

    return work


@pytest.fixture
def in_this_process(trained_once, monkeypatch):
    """`synthgap run` without worker processes, which take seconds to start."""
    monkeypatch.setattr(pool, "sweep", lambda plan, workers: trained_once(plan))


@pytest.fixture
def copied(finished, tmp_path):
    """The same in a folder of one's own, to be spoilt."""
    shutil.copytree(finished.folder.parent, tmp_path / "runs")
    return planned(tmp_path / "runs")


def told(read) -> tuple[object, str]:
    """What is read, or the one line that says why not."""
    try:
        return read(), ""
    except InputError as error:
        line = str(error)
    assert line.strip() and len(line.splitlines()) == 1
    return None, line
