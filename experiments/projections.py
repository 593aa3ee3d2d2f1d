"""Look at trained spaces: every modality's embeddings in the plane of their first two principal components.

    python experiments/projections.py runs/groupwise/RUN_ID [RUN_ID …] --datasets runs/datasets --out projections.png

A column a run, a colour a modality; in the lower row, a dot is the object's value, counted from 0: of digits, the digit. The
components are those of all modalities' embeddings stacked, so that a gap between modalities, where there is one, is what is
seen first. `--titles` names the columns.
"""

import argparse
import sys
from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

import synthgap
from synthgap import cli
from synthgap.metrics import l2m, pca
from synthgap.observations import object_of
from synthgap.panels import style
from synthgap.training import embed

SHOWN = 600  # samples, a dot a modality
COLOURS = dict(zip(("image", "audio", "text"), style.COLOURS, strict=False))
MARKERS = {"image": "o", "audio": "^", "text": "s"}


def embeddings(run: Path, datasets: Path) -> tuple[dict[str, torch.Tensor], list[int], str]:
    """{modality: [SHOWN, D]} of the run's test samples, the object's value of each, and the object's name."""
    found = synthgap.open(run, datasets)
    name = object_of(found.config, found.world.space)
    z = embed(found.model, {modality: x[:SHOWN] for modality, x in found.inputs.items()})
    return z, found.codes[:SHOWN, found.world.space.index(name)].tolist(), name


def draw(spaces: list[tuple[str, dict[str, torch.Tensor], list[int], str]], path: Path) -> None:
    with rc_context(style.theme()):
        figure = Figure(figsize=(3 * len(spaces), 6.2), layout="constrained")
        columns = figure.subplots(2, len(spaces), squeeze=False).T
        for (above, below), (title, z, values, name) in zip(columns, spaces, strict=True):
            plane, shares = pca(z)
            for modality, xy in plane.items():
                colour = COLOURS.get(modality, "0.4")
                above.scatter(*xy.T, c=colour, label=modality, marker=MARKERS.get(modality, "v"), s=8, lw=0, alpha=0.6)
                for value in {*values}:
                    rows = [i for i, at in enumerate(values) if at == value]
                    below.scatter(*xy[rows].T, c=colour, marker=f"${value}$", s=16, lw=0, alpha=0.7)
            gaps = [f"{modality} {l2m(z[modality], z['text']):.2f}" for modality in z if modality != "text"]
            above.set_title(f"{title}\nL2M to the text: {', '.join(gaps)}")
            below.set_title(f"the same by {name}; {shares.sum():.0%} of the variance")
            for axis in (above, below):
                axis.set(xticks=[], yticks=[], aspect="equal")
                axis.spines[:].set_visible(True)
        figure.legend(*columns[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, markerscale=2)
        path.parent.mkdir(parents=True, exist_ok=True)
        style.save(figure, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--datasets", type=Path, default=Path("runs/datasets"))
    parser.add_argument("--titles", nargs="+", default=(), help="of the columns (the runs' ids)")
    parser.add_argument("--out", type=Path, default=Path("projections.png"))
    asked = parser.parse_args()
    titles = [*asked.titles, *(run.name for run in asked.runs[len(asked.titles) :])]
    draw([(t, *embeddings(run, asked.datasets)) for t, run in zip(titles, asked.runs, strict=True)], asked.out)
    print(asked.out)
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
