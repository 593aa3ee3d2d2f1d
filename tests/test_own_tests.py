"""A test of claims of one's own: a Python file beside the study's; what is wrong with it is told in one line."""

import pytest
import yaml
from conftest import ROOT
from scipy.stats import wilcoxon

from data_gen import InputError
from synthgap import judging, studies, tables
from synthgap.study import claim_hash

#: Wilcoxon's signed-rank test instead of sign flips
OWN = (ROOT / "experiments" / "own" / "my_test.py").read_text()
TABLE = ROOT / "figures" / "imbalance" / "results.parquet"
CLAIM = {"claim": "it falls", "metric": "rmg", "of": "image-text", "over": "captions.attributes", "levels": [1, 5]}


@pytest.fixture
def study(tmp_path):
    """A study of the committed table with one claim, whose test is this Python text."""

    def load(text=OWN, **changes):
        (tmp_path / "ranks.py").write_text(text)
        path, claim = tmp_path / "own.yaml", CLAIM | {"direction": "falls", "test": "ranks.py"} | changes
        path.write_text(yaml.safe_dump({"question": "?", "table": str(TABLE), "claims": [claim]}))
        return studies.load(str(path))

    return load


def test_a_test_of_one_s_own_judges_like_those_that_ship(study):
    table = tables.read(TABLE)
    judged = judging.verdicts(table, study())
    assert set(judged.test) == {"ranks.py"} and len(judged) == 4
    gap = table[(table.metric == "rmg") & (table["temperature.mode"] == "learnable")]
    wide = gap.pivot(index="seed", columns="captions.attributes", values="value")
    row = judged[judged.arm.str.contains("learnable")].iloc[0]
    assert row.p == pytest.approx(wilcoxon(wide[5] - wide[1], alternative="less").pvalue)
    shipped = judging.verdicts(table, study(test="difference"))
    assert judged.effect.tolist() == shipped.effect.tolist() and set(shipped.test) == {"difference"}


def test_another_test_is_another_claim_though_it_has_the_same_name(study):
    hashes = [claim_hash(study(test="difference").claims[0])]
    hashes += [claim_hash(study(text).claims[0]) for text in (OWN, OWN.replace("p < 0.05", "p < 0.01"), OWN)]
    assert hashes[1] == hashes[3] and len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("text", "changes", "told"),
    [
        (OWN, {"test": "rank.py"}, "test: rank.py: no such file"),
        (OWN, {"levels": [0, 1, 5]}, r"cannot be tested by ranks.py \(of two levels\), but by trend"),
        (OWN, {"where": {"seed": [0, 1, 2, 3]}}, "over 4 seeds: its p cannot fall under 0.0625"),
        ("x = 1", {}, "test: ranks.py must define `test = synthgap.judging.ClaimTest"),
        ("1 / 0", {}, "test: ranks.py, line 1 does not run: ZeroDivisionError"),
        (OWN.replace("len(claim.levels)", "len(claim.level)"), {}, "test: ranks.py, line 21: AttributeError"),
    ],
)
def test_a_mistake_in_a_test_of_one_s_own_is_told_in_one_line(study, text, changes, told):
    with pytest.raises(InputError, match=told) as error:
        study(text, **changes)
    assert "\n" not in str(error.value)


def test_an_error_while_it_judges_is_told_with_its_line(study):
    with pytest.raises(InputError, match=r"test: ranks.py, line 11: IndexError"):
        judging.verdicts(tables.read(TABLE), study(OWN.replace("values[:, 1]", "values[:, 9]")))
