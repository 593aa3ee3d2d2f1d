"""How figures are asked for: formats, a panel alone, and what keeps them readable; a figure is no part of a run."""

import shutil

import pandas as pd
import pytest
from conftest import ROOT
from matplotlib import rc_context
from matplotlib.figure import Figure

from synthgap import cli
from synthgap.panels import drawing, style


@pytest.fixture
def done(tmp_path):
    """The folder of a study that has run."""
    shutil.copytree(ROOT / "figures" / "neighbours", tmp_path / "neighbours")
    return tmp_path / "neighbours"


def show(folder, *overrides):
    return cli.main(["show", "neighbours", f"out={folder.parent}", *overrides])


def test_figures_come_in_the_formats_that_are_asked_for_and_none_goes_stale(done):
    assert show(done, "figure.format=svg,pdf") == 0
    svg = (done / "neighbours.svg").read_bytes()
    assert svg.startswith(b"<?xml") and (done / "neighbours.pdf").read_bytes().startswith(b"%PDF")
    (done / "neighbours.svg").write_bytes(b"old")
    assert show(done) == 0
    assert (done / "neighbours.svg").read_bytes() == svg, (
        "what is there in another format is drawn with it, the same again"
    )


def test_a_panel_may_be_drawn_alone(done, capsys):
    title = pd.read_csv(done / "levels.csv").panel[0]
    assert show(done, f"figure.panel={title}") == 0
    (alone,) = (path for path in done.glob("neighbours-*.png"))
    assert f"panel      {alone}" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("asked", ["figure.format=jpg", "figure.panel=none", "figure.colour=red"])
def test_what_is_no_way_to_draw_is_told_in_one_line(done, asked, capsys):
    assert show(done, asked) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("title", ["short", " ".join(["captions.attributes=1,5"] * 25), "x" * 400])
def test_a_title_stays_inside_its_figure_however_long(title):
    with rc_context(style.theme(12)):
        figure = Figure(figsize=(7, 3))
        lines = drawing._title(figure, title)
        (shown,) = figure.texts
        assert shown.get_window_extent().width <= figure.bbox.width
    assert "".join(lines.split()) == "".join(title.split())


def lightness(colour: str) -> float:
    """Relative luminance, in [0, 1]: what is left in gray."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_series_stay_apart_in_gray():
    """The first three colours by their lightness, and all eight by their marks."""
    first = sorted(map(lightness, style.COLOURS[:3]))
    assert first[1] - first[0] > 0.05 and first[2] - first[1] > 0.2
    assert len(set(style.MARKERS)) == len(style.MARKERS) == len(set(style.COLOURS))
    assert all(lightness(colour) < 0.5 for colour in style.COLOURS), "on white"


def test_values_of_one_parameter_go_from_dark_to_light():
    names = ["attributes 8", "attributes 0", "attributes 2.5"]
    assert style.ordered(names) and not style.ordered(["CLIP", "SigLIP", "GRAM"]) and not style.ordered(names[:2])
    assert style.ordered(["0 named", "1", "2"]) and not style.ordered(["1, drawn", "1, apart", "3, drawn", "3, apart"])
    dark_to_light = sorted(style.scale(names).items(), key=lambda item: sum(item[1][:3]))
    assert [name for name, _ in dark_to_light] == ["attributes 0", "attributes 2.5", "attributes 8"]
