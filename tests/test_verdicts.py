"""All verdicts as Markdown: a row a claim, whose arms share it, and the minutes that its study's runs took."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from data_gen import InputError
from synthgap.judging import overview


def row(arm="", verdict="supported", **more):
    known = {"claim": f"it rises ({arm})" if arm else "it rises", "arm": arm, "source": "A paper, Fig. 1"}
    known |= {"verdict": verdict, "effect": 0.5, "low": 0.4, "high": 0.6, "p": 1 / 256, "p_floor": 1 / 256}
    return known | {"seeds": 8, "seeds_needed": np.nan, "hash": "0123abcd", "test": "difference"} | more


@pytest.fixture
def cells_of(tmp_path):
    """The cells of each row of the Markdown of studies {name: rows}, without the header."""

    def write(runs=None, **studies):
        for name, rows in studies.items():
            (tmp_path / name).mkdir()
            pd.DataFrame(rows).to_parquet(tmp_path / name / "verdicts.parquet")
            if runs is not None:
                runs.to_parquet(tmp_path / name / "results.parquet")
        lines = overview.markdown(overview.of_all([], tmp_path), tmp_path).splitlines()
        cells = [line.strip("| ").split(" | ") for line in lines if not line.startswith("| ---")]
        assert {len(row) for row in cells} == {8}
        return cells[1:]

    return write


def test_arms_of_a_claim_share_a_row_and_claims_do_not(cells_of):
    rows = [
        row("cold"),
        row("warm", "contradicted", effect=-0.1, low=-0.2, high=0.0, p=0.5, seeds=5),
        row(hash="ffff0000"),
    ]
    two, one = cells_of(own=rows)
    assert two[0] == one[0] == "it rises", "the arm is told beside its verdict"
    assert two[1] == "own<br>A paper, Fig. 1"
    assert two[2] == "cold: **supported** +0.500 [+0.400, +0.600]<br>warm: **contradicted** -0.100 [-0.200, +0.000]"
    assert two[3:] == ["4e-03 to 5e-01 (4e-03)", *["1e-02 to 5e-01"] * 2, "5 to 8", "–"]
    assert one[2] == "**supported** +0.500 [+0.400, +0.600]" and one[3:] == [
        "4e-03 (4e-03)",
        "1e-02",
        "1e-02",
        "8",
        "–",
    ]


def test_a_claim_that_was_stated_after_its_runs_says_so(cells_of):
    rows = [row(stated_after=24.0), row(hash="ffff0000", stated_after=0.0), row(hash="eeee0000", stated_after=np.nan)]
    claims = [claim for claim, *_ in cells_of(own=rows)]
    assert claims == ["it rises (stated after 24 runs)", "it rises", "it rises"]


def test_of_many_arms_those_that_agree_share_a_range(cells_of):
    rows = [row(f"arm {i}", effect=i / 10) for i in range(1, 8)] + [row("odd", "undecided", p=np.nan, p_floor=np.nan)]
    ((_, _, told, *_),) = cells_of(own=rows)
    assert told == "**supported** in 7 of 8 arms, +0.100 to +0.700<br>odd: **undecided** +0.500 [+0.400, +0.600]"


def test_minutes_are_those_of_all_runs_of_the_study(cells_of):
    runs = pd.DataFrame({"metric": ["seconds", "seconds", "seconds", "rmg"], "of": ["", "", "data", ""]})
    runs["value"] = [100.0, 200.0, 50.0, 1.0]
    ((*_, minutes),) = cells_of(runs, own=[row()])
    assert minutes == "5"


def test_verdicts_that_do_not_tell_their_claims_apart_are_refused(cells_of):
    with pytest.raises(InputError, match=r"verdicts of own .* `synthgap show own` does"):
        cells_of(own=[{key: value for key, value in row().items() if key != "hash"}])


def test_latex_has_the_cells_of_markdown_with_its_own_characters_escaped(tmp_path):
    (tmp_path / "a_b").mkdir()
    rows = [row("τ = 0.1", claim="50 % of {it} rises → (τ = 0.1)"), row("warm")]
    pd.DataFrame(rows).to_parquet(tmp_path / "a_b" / "verdicts.parquet")
    told = overview.latex(overview.of_all([], tmp_path), tmp_path)
    assert r"50 \% of \{it\} rises $\to$ & a\_b \newline A paper, Fig. 1 & $\tau$ = 0.1: \textbf{supported}" in told
    lines = [line for line in told.splitlines() if "&" in line]
    assert all(line.endswith(r"\\") and line.count(" & ") == 7 for line in lines)
    assert told.count("{") == told.count("}")


def test_where_the_table_does_not_fit_each_claim_is_a_paragraph_with_all_its_numbers(tmp_path):
    (tmp_path / "own").mkdir()
    rows = [row("a rather long arm"), row("warm", "undecided", seeds_needed=30.0, p=0.123)]
    pd.DataFrame(rows).to_parquet(tmp_path / "own" / "verdicts.parquet")
    judged = overview.of_all([], tmp_path)
    for width in (80, 60):
        console = Console(width=width, file=StringIO())
        overview.tell(console, judged)
        lines = console.file.getvalue().splitlines()
        told = " ".join(" ".join(lines).split())
        assert max(map(len, lines)) <= width and "…" not in told
        assert "it rises (a rather long arm) 0123abcd supported; effect +0.500 [+0.400, +0.600]; p 3.9e-03" in told
        assert "undecided (about 30 seeds would tell)" in told and "p (Holm, all) 1.2e-01" in told
