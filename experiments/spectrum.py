"""How much of what two projection heads share lies in few directions: singular values of Ψ = W_imageᵀ W_text (IsoCLIP).

    python experiments/spectrum.py runs/isoclip [--by captions.attributes] [--out FOLDER]

Of all runs of a study that trained a model: the mean over runs of each value of a swept parameter, with the spread of the
runs; as spectrum.csv and spectrum.png.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

import synthgap
from data_gen import InputError, files
from synthgap import cli, options
from synthgap.panels import style
from synthgap.posthoc import heads
from synthgap.posthoc.isoclip import spectrum


def spectra(study: Path, by: str) -> pd.DataFrame:
    """A row a run and direction: the swept value, the seed, the direction from 1 on, and its singular value."""
    rows = []
    for folder in sorted(done.parent for done in study.glob("[!.]*/done.json")):
        if not (folder / "model.safetensors").exists():
            continue  # it took another's
        run = synthgap.open(folder)
        try:
            level = options.get(run.config, by)
        except KeyError as error:
            raise InputError(f"--by {by}: the run in {folder} has no such option") from error
        head = heads(run.model)
        values = spectrum(head["image"], head["text"]).tolist()
        rows += [(level, run.config["seed"], i + 1, value) for i, value in enumerate(values)]
    if not rows:
        raise InputError(f"{study}: no runs with models there")
    return pd.DataFrame(rows, columns=[by, "seed", "direction", "singular_value"])


def draw(table: pd.DataFrame, by: str, path: Path) -> None:
    with rc_context(style.theme(10)):
        figure = Figure(figsize=(5.4, 4), layout="constrained")
        axis = figure.subplots()
    colours = style.scale([f"{by.split('.')[-1]} {level}" for level in sorted(table[by].unique())])
    for level, (name, colour) in zip(sorted(table[by].unique()), colours.items(), strict=True):
        values = table[table[by] == level].pivot_table(index="seed", columns="direction", values="singular_value")
        axis.fill_between(values.columns, values.min(), values.max(), color=colour, alpha=0.2, lw=0)
        axis.plot(values.columns, values.mean(), color=colour, lw=1.7, label=name)
    axis.set(
        yscale="log", xlabel="direction", ylabel="singular value (log)", title="What both heads share: Ψ's spectrum"
    )
    axis.legend(frameon=False)
    style.save(figure, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of a study's runs")
    parser.add_argument("--by", default="captions.attributes", help="the swept parameter (captions.attributes)")
    parser.add_argument("--out", type=Path, default=Path("."))
    asked = parser.parse_args()
    table = spectra(asked.study, asked.by)
    asked.out.mkdir(parents=True, exist_ok=True)
    with files.whole(asked.out / "spectrum.csv") as beside:
        table.to_csv(beside, index=False, float_format="%.6g")
    draw(table, asked.by, asked.out / "spectrum.png")
    print(asked.out / "spectrum.csv", asked.out / "spectrum.png", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
