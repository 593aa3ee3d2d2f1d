"""The figures of `figures/what-is-the-modality-gap.md`, from committed tables: `python experiments/gap.py`.

parts.png: what RMG's numerator is made of. scale.png: how wide modalities spread at each temperature, and where that leaves
room for a distance of the means. Every dot is a seed. With --open, open.csv is made instead, which takes minutes: the ideal
space of CLIP's loss at each temperature, and how far the loss leaves L2M and RMG open.
"""

import argparse
import sys
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from data_gen.captions import attributes
from data_gen.worlds import mad
from synthgap import cli, ideal, tables
from synthgap.panels import style

FIGURES = Path(__file__).parents[1] / "figures"
NEEDED = ["l2m", "alignment", "spread", "mean_cosine", "effective_scale", "logit_scale", "centroid_share"]
MEANS, REST = style.COLOURS[0], style.COLOURS[1]
APART = "encoder.apart"
WITHIN = 0.001  # nats


def runs(*names: str) -> pd.DataFrame:
    """A row a run of these studies' committed tables: what was swept, and the metrics that are drawn."""
    found = []
    for name in names:
        table = tables.read(FIGURES / name / tables.FILE)
        rows = table[table.metric.isin(NEEDED) & table["of"].isin(["image-text", ""])]
        swept = table.drop_duplicates("run_id").set_index("run_id").drop(columns=["metric", "of", "value"])
        found.append(swept.join(rows.pivot(index="run_id", columns="metric", values="value")))
    whole = pd.concat(found)
    return whole[~whole.index.duplicated()].fillna({APART: 0.0})


def parts(table: pd.DataFrame) -> pd.DataFrame:
    """RMG's numerator of each run, E‖x − y‖²/4 = (1 − alignment)/2, in two parts: means, l2m²/4, and rest."""
    means = table.l2m**2 / 4
    return table.assign(means=means, rest=(1 - table.alignment) / 2 - means)


def draw_parts(table: pd.DataFrame, path: Path) -> None:
    with rc_context(style.theme(9)):
        figure = Figure(figsize=(10, 3.1), layout="constrained")
        sketch, *axes = figure.subplots(1, 3, width_ratios=[1.1, 1, 1])
        _sketch(sketch)
        for axis, case in zip(axes, ("τ learnt", "τ = 0.02"), strict=True):
            some = table[table.case == case]
            for i, (_, seeds) in enumerate(some.groupby("captions.attributes")):
                means, rest = seeds.means.mean(), seeds.rest.mean()
                axis.bar(i, means, 0.6, color=MEANS, label="means apart: L2M²/4" if not i else None)
                axis.bar(i, rest, 0.6, means, color=REST, label="pairs apart beyond that" if not i else None)
                axis.scatter(np.linspace(i - 0.2, i + 0.2, len(seeds)), seeds.means, s=6, color="black", zorder=3)
                axis.scatter(np.linspace(i - 0.2, i + 0.2, len(seeds)), seeds.means + seeds.rest, s=6, color="black")
                axis.set_xticks(range(i + 1), sorted(some["captions.attributes"].unique())[: i + 1])
            axis.set(title=case.replace("=", "fixed at"), xlabel="attributes that captions name (of 5)")
            axis.set_ylim(0, 1.05 * (table.means + table.rest)[table.case.isin(["τ learnt", "τ = 0.02"])].max())
        axes[0].set_ylabel("squared distance of pairs / 4")
        axes[0].legend(loc="upper right")
        figure.supxlabel("bars: means over 8 seeds; dots: each seed, of the means' part and of the whole", fontsize=8)
        style.save(figure, path)


def _sketch(axis) -> None:
    """Two modalities on a circle, their means, and one pair."""
    axis.add_patch(_arc(0, 2 * pi, "0.85", 0.8))
    for name, middle, width, colour in (("images", 2.45, 0.5, "0.25"), ("captions", 0.7, 0.5, "0.55")):
        angles = np.linspace(middle - width, middle + width, 7)
        points = np.column_stack([np.cos(angles), np.sin(angles)])
        axis.scatter(*points.T, s=22, color=colour, zorder=3)
        axis.scatter(*points.mean(0), s=60, marker="X", color=colour, zorder=4)
        axis.annotate(name, 1.28 * points[3], ha="center", va="center", color=colour)
    ends = [np.array([cos(a), sin(a)]) for a in (2.45 + 0.5, 0.7 + 0.5)]
    centres = [np.mean([[cos(a), sin(a)] for a in np.linspace(m - 0.5, m + 0.5, 7)], axis=0) for m in (2.45, 0.7)]
    axis.plot(*np.transpose(ends), color=REST, lw=2)
    axis.plot(*np.transpose(centres), color=MEANS, lw=2)
    axis.annotate("L2M: the means", (0, centres[0][1] - 0.1), color=MEANS, ha="center", va="top")
    axis.annotate("a true pair", (0.12, 0.98), color=REST, ha="center", va="bottom")
    axis.set(xlim=(-1.6, 1.6), ylim=(-0.35, 1.5), aspect="equal", title="two modalities on the sphere")
    axis.axis("off")


def _arc(start: float, end: float, colour: str, width: float):
    from matplotlib.patches import Arc

    return Arc((0, 0), 2, 2, theta1=np.degrees(start), theta2=np.degrees(end), color=colour, lw=width)


def draw_scale(table: pd.DataFrame, path: Path) -> None:
    with rc_context(style.theme(9)):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        usual = table[table[APART] == 0]
        colours = style.scale([f"{k:g} named" for k in sorted(usual["captions.attributes"].unique())])
        for k, seeds in usual.groupby("captions.attributes"):
            colour = colours[f"{k:g} named"]
            for learnt, mark in ((False, "o"), (True, "D")):
                some = seeds[(seeds["temperature.mode"] == "learnable") == learnt]
                face = "white" if learnt else colour
                told = f"{k:g} of 5 attributes" + (", τ learnt" if learnt else "")
                left.scatter(some.logit_scale, some.effective_scale, s=20, marker=mark, fc=face, ec=colour, label=told)
        line = np.array([3, 110])
        left.plot(line, line, color="black", lw=1, ls="--")
        along = {"rotation": 45, "rotation_mode": "anchor", "transform_rotates_text": True}
        left.annotate("no room: spread 1", (5, 6), fontsize=8, **along)
        left.set(xscale="log", yscale="log", xlabel="1/τ", ylabel="effective scale: spread/τ")
        left.set_title("captions set the effective scale, up to 1/τ")
        left.legend(fontsize=7.5)
        room = np.linspace(0, 0.9, 200)
        for cosine in (-1, 0, 0.5, 0.9):
            right.plot(room, np.sqrt(2 * room * (1 - cosine)), color="0.6", lw=0.9)
            right.annotate(
                f"cosine {cosine:g}",
                (0.9, np.sqrt(1.8 * (1 - cosine))),
                fontsize=8,
                color="0.4",
                va="bottom",
                ha="right",
            )
        for apart, some in table.groupby(APART):
            told = "set apart at the start" if apart else "usual start"
            right.scatter(
                1 - some.spread, some.l2m, s=14, color=style.COLOURS[4 if apart else 0], lw=0, alpha=0.8, label=told
            )
        right.set(xlabel="room: 1 − spread within modalities", ylabel="distance of the means (L2M)", ylim=(-0.05, 2))
        right.set_title("in that room, the start sets the distance of the means")
        right.legend(loc="upper left")
        figure.supxlabel(
            "a dot is a run: 8 seeds a setting; gray: L2M² = 2 (1 − spread) (1 − cosine of the means)", fontsize=8
        )
        style.save(figure, path)


def left_open() -> pd.DataFrame:
    """What the loss leaves open in MAD with one attribute named, within `WITHIN` nats: a row a temperature and a measure."""
    there, rows = ideal.population(mad.space(), attributes(mad.space(), "digit", 1)), []
    for tau in (0.02, 0.07, 0.3):
        found = ideal.ideal(there, temperature=tau, starts=1)
        for name in ("l2m", "rmg"):
            measure = ideal.measures(there)[name]
            low, high = ideal.left_open(there, found, measure, WITHIN)
            value = float(measure(found.image, found.text))
            rows.append(
                {"τ": tau, "measure": name.upper(), "regret": found.regret, "ideal": value, "from": low, "to": high}
            )
    return pd.DataFrame(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", metavar="DIR", type=Path, default=FIGURES / "what-is-the-modality-gap")
    parser.add_argument("--open", action="store_true", help="make open.csv, of the ideal space")
    asked = parser.parse_args()
    to = asked.to
    to.mkdir(parents=True, exist_ok=True)
    if asked.open:
        tables.write(left_open(), to / "open.csv")
        print(to / "open.csv")
        return 0
    draw_parts(parts(runs("gap-parts")), to / "parts.png")
    draw_scale(runs("gap-parts", "start-and-temperature"), to / "scale.png")
    print(f"{to / 'parts.png'}\n{to / 'scale.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
