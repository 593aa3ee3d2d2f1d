"""Look at trained spaces: every modality's embeddings in the plane of their first two principal components.

    python experiments/projections.py runs/groupwise/RUN_ID [RUN_ID …] --datasets runs/datasets --out projections.png

A column a run; above, a colour a modality; below, a colour a digit. The components are those of all modalities' embeddings
stacked, so that a gap between modalities, where there is one, is what is seen first. `--titles` names the columns.
"""

import argparse
import sys
from pathlib import Path

import torch
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
    figure = Figure(figsize=(3.6 * len(spaces), 7.4), dpi=120, layout="constrained")
    for column, (title, z, classes, name) in zip(figure.subplots(2, len(spaces), squeeze=False).T, spaces, strict=True):
        plane, shares = pca(z)
        for modality, xy in plane.items():
            marker = dict(marker=MARKERS.get(modality, "v"), s=9, lw=0, alpha=0.6)
            column[0].scatter(*xy.T, color=COLOURS.get(modality, "0.4"), label=modality, **marker)
            column[1].scatter(*xy.T, c=classes, cmap="tab10", vmin=-0.5, vmax=9.5, **marker)
        gaps = [l2m(z[m], z["text"]) for m in z if m != "text"]
        column[0].set_title(f"{title}\ngap to the text {', '.join(f'{gap:.2f}' for gap in gaps)}", fontsize=10)
        column[0].legend(frameon=False, fontsize=8, markerscale=2)
        column[1].set_title(f"by {name}; {shares.sum():.0%} of the variance", fontsize=9)
        for axis in column:
            axis.set(xticks=[], yticks=[], aspect="equal")
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
