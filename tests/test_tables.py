"""A table of runs on disk: found by a path or a study's name, read, and told apart from what is none."""

from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from data_gen import InputError
from synthgap import studies, tables
from synthgap.judging import judge

RUN = {"run_id": "a", "seed": 0, "captions.attributes": 1, "metric": "rmg", "of": "image-text", "value": 0.5}


def saved(rows, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(path)
    return path


def test_a_table_is_found_beside_the_study_in_the_working_directory_or_by_a_study_s_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    beside, out = tmp_path / "beside", tmp_path / "runs"
    third = saved([RUN], out / "mine" / "results.parquet")
    assert tables.find("mine", beside, out) == third
    second = saved([RUN], tmp_path / "mine" / "results.parquet")
    assert tables.find("mine", beside, out).resolve() == second
    first = saved([RUN], beside / "mine" / "results.parquet")
    assert tables.find("mine", beside, out) == first == tables.find("mine/results.parquet", beside, out)
    assert tables.find(str(third), beside, out) == third


def test_a_table_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match=r"no study has a table in .*runs yet"):
        tables.find("imbalance", tmp_path, tmp_path / "runs")
    saved([RUN], tmp_path / "runs" / "imbalance" / "results.parquet")
    with pytest.raises(InputError, match="'imbalanc'; did you mean 'imbalance'"):
        tables.find("imbalanc", tmp_path, tmp_path / "runs")


def test_what_is_no_table_of_runs_is_told(tmp_path):
    path = saved([{"metric": "rmg", "of": "", "seed": 1}], tmp_path / "t.parquet")
    with pytest.raises(InputError, match="no table of runs: it has no column run_id, value"):
        tables.read(path)
    with pytest.raises(InputError, match="its column value holds no numbers"):
        tables.read(saved([RUN | {"value": "high"}], path))
    with pytest.raises(InputError, match="holds no runs"):
        tables.read(saved(pd.DataFrame([RUN])[:0], path))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged, or no Parquet file") as error:
        tables.read(path)
    assert "\n" not in str(error.value)


@given(
    grid=st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)),
    named=st.booleans(),
)
def test_the_design_of_a_table_is_that_of_the_sweep_that_made_it(grid, named):
    """Grid and cases → cells → table → grid and cases: named cases that differ, and share what is combined with them."""
    grid = {"seed": [0, 1], **grid}
    cases = [{"case": "low", "x": 1}, {"case": "low", "x": 2}, {"case": "high", "x": 3, "y": "z"}] if named else [{}]
    study = studies.Study("own", "?", "", grid, cases, {"quick": {}}, (), {})
    cells = [{"x": None, "y": None} | cell if named else cell for cell in studies.expand(study, [])[1]]
    rows = [cell | {"run_id": str(i), "metric": "m", "of": "", "value": 0.0} for i, cell in enumerate(cells)]
    found, of_cases = tables.design(pd.DataFrame(rows))
    assert found == grid and of_cases == (cases if named else [])


COMMITTED = sorted(path.parent.name for path in (ROOT / "figures").glob("*/results.parquet"))


@pytest.mark.parametrize("name", [name for name in COMMITTED if name in studies.available()])
def test_a_study_s_claims_on_its_own_committed_table_come_to_the_same(name, tmp_path):
    """Read from the table alone, without the grid and the cases that made it: a verdict follows from the claim, of which the
    hash says what counts, and from what is compared in each arm. Both are those of the sweep. Claims about cases that only
    another preset has are left out."""
    path = ROOT / "figures" / name / "results.parquet"
    whole = yaml.safe_load(studies.available()[name].read_text())
    cases = set(tables.read(path).get("case", ()))
    there = [claim.get("over") != "case" or set(claim["levels"]) <= cases for claim in whole["claims"]]
    elsewhere = {str(case) for preset in whole.get("presets", {}).values() for case in preset.get("cases", ())}
    assert all(kept or set(claim["levels"]) <= elsewhere for claim, kept in zip(whole["claims"], there, strict=True))
    whole["claims"] = list(compress(whole["claims"], there))
    kept = {key: whole[key] for key in ("question", "source", "claims", "figure") if key in whole}
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(kept | {"table": str(path)}))
    study, sweep, table = studies.load(str(tmp_path / "again.yaml")), studies.load(name), tables.read(path)
    judged = list(compress(sweep.claims, there))
    assert list(map(studies.claim_hash, study.claims)) == list(map(studies.claim_hash, judged))
    for ours, theirs in zip(study.claims, judged, strict=True):
        compared = judge.compared(table, study, ours)
        np.testing.assert_equal(compared, judge.compared(table, sweep, theirs))
        assert compared
