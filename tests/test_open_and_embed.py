"""A finished run again: its model gives the numbers of its table, to Python, to files, and to `synthgap measure`."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, TINY

import synthgap
from data_gen import InputError
from synthgap import cli
from synthgap.metrics import rmg

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


def test_a_run_is_opened_with_all_that_was_measured_of_it(finished):
    folders, expected = finished
    run = synthgap.open(folders["none"])
    assert rmg(run.embeddings["image"], run.embeddings["text"]) == pytest.approx(expected, abs=1e-6)
    assert run.metrics.query("metric == 'rmg'").value.item() == expected
    assert run.config["encoder"]["share"] == "trunk" and (run.codes[:, 0] < 10).all()
    assert run.factors.digit.tolist() == [str(code) for code in run.codes[:, 0]]
    assert set(run.factors["size"]) == {"large", "small"}
    assert len(run.captions) == 200 and all(caption.count("-") == 1 for caption in run.captions), "a digit, a factor"


def test_import_alone_is_cheap():
    code = "import sys, synthgap; assert 'torch' not in sys.modules; synthgap.open; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        synthgap.opne  # noqa: B018


@pytest.mark.parametrize("form", ["npz", "parquet"])
def test_what_embed_writes_is_read_by_measure(form, finished, tmp_path, monkeypatch, capsys):
    folders, expected = finished
    monkeypatch.chdir(tmp_path)
    assert cli.main(["embed", str(folders["none"]), "--format", form]) == 0
    told = capsys.readouterr().out.splitlines()
    *written, last = told
    folder = Path("embeddings") / folders["none"].name
    assert {Path(line) for line in written} == set(folder.iterdir())
    assert last.startswith("next: synthgap measure ")
    assert cli.main(last.removeprefix("next: synthgap ").split()) == 0, "the command that it tells"
    found = pd.read_csv("measured/metrics.csv").set_index(["metric", "of"]).value
    assert found["rmg", "image-text"] == pytest.approx(expected, abs=1e-6)
    run = synthgap.open(folders["none"])
    if form == "parquet":
        table = pd.read_parquet(folder / "embeddings.parquet")
        assert table.caption.tolist() == run.captions and table[list(run.factors)].equals(run.factors)
    else:
        assert (folder / "captions.txt").read_text().splitlines() == run.captions


def test_the_spectrum_of_both_heads_is_that_of_the_run_s(finished, tmp_path):
    folders, _ = finished
    script = [sys.executable, ROOT / "experiments/spectrum.py", folders["none"].parent, "--out", "spectrum"]
    subprocess.run(script, cwd=tmp_path, check=True, timeout=120)
    found = pd.read_csv(tmp_path / "spectrum/spectrum.csv")
    projection = synthgap.open(folders["none"]).model.by_modality["image"].projection  # shared: the text's too
    head = np.column_stack([projection.weight.detach().numpy(), projection.bias.detach().numpy()])
    expected = np.linalg.svd(head.T @ head, compute_uv=False)[:64]
    assert found.singular_value.to_numpy() == pytest.approx(expected, rel=1e-3)
    assert found.direction.tolist() == list(range(1, 65)) and (tmp_path / "spectrum/spectrum.png").exists()
    gone = subprocess.run([*script[:2], "nowhere"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert gone.returncode == 2 and "no runs with models there" in gone.stderr


def test_where_there_is_no_model_it_is_told(finished, tmp_path, capsys):
    folders, _ = finished
    with pytest.raises(InputError, match="took its model from another run; open .*" + folders["none"].name):
        synthgap.open(folders["centring"])
    assert cli.main(["embed", str(tmp_path / "nowhere")]) == 2
    assert "is no folder of a finished run" in capsys.readouterr().err
    shutil.move(folders["none"], tmp_path / "elsewhere")
    assert len(synthgap.open(tmp_path / "elsewhere", tmp_path).codes) == 200
