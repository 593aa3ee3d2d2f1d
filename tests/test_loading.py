"""A finished run again: its model gives the numbers of its table, to Python, to files, and to `synthgap measure`."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, TINY

from data_gen import InputError
from synthgap import cli
from synthgap.metrics import rmg
from synthgap.runs.loading import load_run
from synthgap.training import embed

CELL = (*TINY, "captions.attributes=1", "seed=0", "encoder.share=trunk", "posthoc=none,centring")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder of two runs with a shared trunk: one trained, and one that took its model."""
    out = tmp_path_factory.mktemp("swept")
    assert cli.main(["run", "imbalance", *CELL, f"out={out}"]) == 0
    return out


@pytest.fixture
def finished(swept, tmp_path):
    """The folders of both runs, copied, and what the table says of the first."""
    shutil.copytree(swept, tmp_path / "runs")
    table = pd.read_parquet(tmp_path / "runs/imbalance/results.parquet")
    table = table[table.metric == "rmg"].set_index("posthoc")
    folders = {kind: tmp_path / "runs/imbalance" / table.run_id[kind] for kind in ("none", "centring")}
    return folders, table.value["none"]


def test_a_run_s_model_gives_its_numbers_in_python_and_in_files(finished, synthgap, tmp_path):
    folders, expected = finished
    run = load_run(folders["none"])
    z = embed(run.model, run.inputs)
    assert rmg(z["image"], z["text"]) == pytest.approx(expected, abs=1e-6)
    assert run.config["encoder"]["share"] == "trunk" and (run.codes[:, 0] < 10).all()

    script = [sys.executable, ROOT / "experiments/embeddings.py", folders["none"]]
    subprocess.run([*script, "--out", "files"], cwd=tmp_path, check=True, timeout=120)
    assert (np.load(tmp_path / "files/image.npy") == z["image"].numpy()).all()
    factors = pd.read_csv(tmp_path / "files/factors.csv")
    assert factors.digit.tolist() == run.codes[:, 0].tolist() and set(factors["size"]) == {"large", "small"}
    done = synthgap("measure", "files/image.npy", "files/text.npy", "--labels", "files/factors.csv")
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(tmp_path / "measured/metrics.csv").set_index(["metric", "of"]).value
    assert found["rmg", "image-text"] == pytest.approx(expected, abs=1e-6)


def test_the_spectrum_of_both_heads_is_that_of_the_run_s(finished, tmp_path):
    folders, _ = finished
    script = [sys.executable, ROOT / "experiments/spectrum.py", folders["none"].parent, "--out", "spectrum"]
    subprocess.run(script, cwd=tmp_path, check=True, timeout=120)
    found = pd.read_csv(tmp_path / "spectrum/spectrum.csv")
    projection = load_run(folders["none"]).model.by_modality["image"].projection  # shared: the text's too
    head = np.column_stack([projection.weight.detach().numpy(), projection.bias.detach().numpy()])
    expected = np.linalg.svd(head.T @ head, compute_uv=False)[:64]
    assert found.singular_value.to_numpy() == pytest.approx(expected, rel=1e-3)
    assert found.direction.tolist() == list(range(1, 65)) and (tmp_path / "spectrum/spectrum.png").exists()
    gone = subprocess.run([*script[:2], "nowhere"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert gone.returncode == 2 and "no runs with models there" in gone.stderr


def test_where_there_is_no_model_it_is_told(finished, tmp_path):
    folders, _ = finished
    for folder in (folders["centring"], tmp_path / "nowhere"):
        with pytest.raises(InputError, match="is no folder of a run with its model: No such file"):
            load_run(folder)
    shutil.move(folders["none"], tmp_path / "elsewhere")
    assert len(load_run(tmp_path / "elsewhere", tmp_path).codes) == 200
