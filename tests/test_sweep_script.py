"""The same study through plain Hydra and its launchers: same runs, same numbers, and no litter."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, TINY

from synthgap import runs, studies
from synthgap.judging import overview
from synthgap.sweep import conclude

SCRIPT = ROOT / "experiments" / "sweep.py"


@pytest.fixture
def sweep(tmp_path):
    """Run the script in an empty folder."""

    def call(*arguments):
        command = [sys.executable, SCRIPT, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return call


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """What `synthgap run` makes of the same sweep, but for its worker processes."""
    out = tmp_path_factory.mktemp("usual")
    plan = runs.plan(studies.load("imbalance"), [*TINY, "captions.attributes=1,5", "seed=0,1", f"out={out}"])
    runs.prepare(plan)
    runs.work(plan)
    conclude(plan, did=4)
    return numbers(out)


def numbers(out, name="imbalance"):
    table = pd.read_parquet(Path(out) / name / "results.parquet")
    return table[table.metric != "seconds"].reset_index(drop=True)


def test_a_launcher_splits_the_grid_and_a_single_job_does_what_it_left(sweep, usual, tmp_path):
    asked = ("study=imbalance", *TINY, "out=2024_01")
    split = sweep("-m", *asked, "captions.attributes=1,5", "seed=0", "hydra/launcher=joblib")
    assert split.returncode == 0, split.stderr
    assert numbers(tmp_path / "2024_01").equals(usual[usual.seed == 0].reset_index(drop=True))
    stated = overview.read(tmp_path / "2024_01/imbalance/verdicts.parquet").stated_after
    assert len(stated) == 4 and (stated == 0).all(), "claims are on record before the first run"

    single = sweep(*asked, "captions.attributes=5", "seed=1")
    assert single.returncode == 0 and "finished 1 new run; 1 in all" in single.stdout, single.stderr
    same = usual[(usual["captions.attributes"] == 5) & (usual.seed == 1)].reset_index(drop=True)
    (part,) = (tmp_path / "2024_01").glob("imbalance+*")
    assert numbers(tmp_path / "2024_01", part.name).equals(same) and str(part.relative_to(tmp_path)) in single.stdout
    assert numbers(tmp_path / "2024_01").equals(usual[usual.seed == 0].reset_index(drop=True)), "it stays as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["2024_01"], "Hydra would read a number"
    litter = {path.name for path in (tmp_path / "2024_01").iterdir()} - {"imbalance", part.name, ".hydra"}
    assert not litter and not list(tmp_path.rglob("*.partial"))


def test_a_study_that_reads_a_table_is_judged_as_by_the_command(sweep, tmp_path):
    shutil.copy(ROOT / "figures" / "translation" / "results.parquet", tmp_path / "table.parquet")
    (tmp_path / "own.yaml").write_text("question: Is it there?\ntable: table.parquet\n")
    read = sweep("study=own.yaml", "out=here")
    assert read.returncode == 0 and "96 runs, 8 seeds, read from an existing table" in read.stdout, read.stderr
    wrong = sweep("study=own.yaml", "seed=0")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "only out=DIR" in wrong.stderr


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("captions.attributes=9", "0 to 5 attributes"),
        ("out=file", "Not a directory"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(sweep, tmp_path, wrong, told):
    (tmp_path / "file").touch()
    failed = sweep(*TINY, wrong)
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1 and told in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_help_writes_nothing(sweep, tmp_path):
    assert sweep("--help").returncode == 0
    assert list(tmp_path.iterdir()) == []
