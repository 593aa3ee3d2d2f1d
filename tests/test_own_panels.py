"""A kind of panel of one's own: a Python file beside the study's, and whatever can be wrong with it is told in one line."""

import pandas as pd
import pytest
import yaml
from conftest import ROOT

from data_gen import InputError
from synthgap import panels, studies, tables
from synthgap.panels import drawing

#: the spread of each level over seeds, as bars; it needs nothing but a matplotlib axis
OWN = (ROOT / "experiments" / "own" / "my_panel.py").read_text()
TABLE = ROOT / "figures" / "imbalance" / "results.parquet"
#: a key of its own, and what its values are
KEYS = """
from synthgap.panels.panel import X
panel = Panel(rows, draw, keys={"x": X, "width": float}, points=spread)
"""
PANEL = {"title": "spread of the gap", "kind": "spread.py", "curves": [{"metric": "rmg", "of": "image-text"}]}


@pytest.fixture
def study(tmp_path):
    """A study of the committed table with one panel, whose kind is this Python text."""

    def load(text=OWN, **changes):
        (tmp_path / "spread.py").write_text(text)
        panel = PANEL | {"x": {"over": "captions.attributes"}} | changes
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump({"question": "?", "table": str(TABLE), "figure": {"panels": [panel]}}))
        return studies.load(str(path))

    return load


def test_a_kind_of_one_s_own_is_computed_and_drawn_like_those_that_ship(study, tmp_path):
    own, table = study(), tables.read(TABLE)
    dots = panels.dots(table, own)
    points = panels.levels(dots)
    gap = table[(table.metric == "rmg") & (table["temperature.mode"] == "learnable")]
    expected = gap.groupby("captions.attributes").value.std()
    arm = points[points.arm.str.contains("learnable")].set_index("x")["mean"]
    pd.testing.assert_series_equal(arm, expected, check_names=False, check_index_type=False)
    drawing.draw(points, dots, own.figure, tmp_path / "own.svg")
    assert "spread of the gap" in (tmp_path / "own.svg").read_text()


@pytest.mark.parametrize(
    ("text", "changes", "told"),
    [
        (OWN, {"kind": "spraed.py"}, "kind: spraed.py: no such file"),
        (OWN, {"kind": "spread"}, "unknown kind of panel 'spread' .allowed: levels, cases"),
        (OWN, {"colour": "seed"}, "unknown key 'colour'"),
        ("x = 1", {}, "kind: spread.py must define `panel = synthgap.panels.Panel"),
        ("1 / 0", {}, "kind: spread.py, line 1 does not run: ZeroDivisionError"),
        (OWN + "\npanel = Panel(rows, draw, keys=('width',))", {}, "kind: spread.py, its keys: TypeError"),
        (
            OWN + KEYS,
            {"width": "wide"},
            "width of panel 'spread of the gap' of .*, line 8: it must be a number, not 'wide'",
        ),
        (OWN + KEYS, {"widht": 0.5}, "unknown key 'widht'; did you mean 'width'"),
        ("(", {}, "kind: spread.py, line 1 does not run: SyntaxError"),
    ],
)
def test_a_mistake_in_a_kind_of_one_s_own_is_told_in_one_line(study, text, changes, told):
    with pytest.raises(InputError, match=told) as error:
        study(text, **changes)
    assert "\n" not in str(error.value)


def test_an_error_of_its_rows_or_of_its_drawing_is_told_with_its_line(study, tmp_path):
    table = tables.read(TABLE)
    with pytest.raises(InputError, match=r"kind: spread.py, line 9: NameError"):
        panels.dots(table, study(OWN.replace("return over_x", "return over_y")))
    own = study(OWN.replace("axis.bar", "axis.bars"))
    dots = panels.dots(table, own)
    with pytest.raises(InputError, match=r"kind: spread.py, line 26: AttributeError"):
        drawing.draw(panels.levels(dots), dots, own.figure, tmp_path / "own.png")
    wrong = study(OWN.replace('agg(["std", "size"])', 'agg(["sdt"])'))
    with pytest.raises(InputError, match=r"kind: spread.py, line 13: AttributeError"):
        panels.levels(panels.dots(table, wrong))
