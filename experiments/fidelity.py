"""Is what the world says of a factor true in the pixels?

    python experiments/fidelity.py                 strokes
    python experiments/fidelity.py MNIST_FOLDER    strokes and MNIST

Three answers, for each digit source at the published and at the strong setting (`mad.strength`):

* `accuracy.csv`: how well a small conv net reads each factor from the image. The net: four 3x3 convolutions of 24, 48, 96 and
  128 channels, the second of stride 1 and the others of 2, batch norm, ReLU, then one linear map to a softmax a factor;
  240,000 training images, 2 epochs in batches of 256, AdamW (weight decay 0.01) with one cycle up to 4e-3; tested on 10,000
  others by other writers, in all and on those of each thickness. What no net reads there an encoder can't tell, and it adds
  to the information imbalance without being counted.
* `cross-effects.csv`: what each factor does to each measure of the digit. The same 2,000 digits, with the same chance, are
  rendered with the factor at each value and all else at its default; mean change in per cent of the default's mean.
* `why.csv`: how many pixels an operation changes at all, and how many parts a digit has that was not cut.

`accuracy.png` and `morphometrics.png` show the first and the distributions of the measures per value of each factor.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from handwriting import conv_net
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch.nn.functional import cross_entropy

from data_gen import MAD, InputError, files, store
from data_gen.morphometrics import measure
from data_gen.seeds import generator
from data_gen.worlds import mad
from synthgap import progress
from synthgap.panels import style

TRAIN, TEST, EPOCHS, BATCH, PEAK = 240_000, 10_000, 2, 256, 4e-3
LAYERS = [(24, 2), (48, 1), (96, 2), (128, 2)]
PAIRED = 2000  # digits rendered with each value of each factor
MEASURES = ("area", "length", "thickness", "slant", "width", "height")


def read_factors(world: dict, datasets: Path) -> pd.DataFrame:
    """Accuracy of a small net on each factor of a world, in all and by thickness, and what guessing would reach."""
    split = {}
    for name, number in (("train", TRAIN), ("test", TEST)):
        split[name] = store.load(store.make(datasets, mad.world(**world, split=name), number, name, 0))
    images, codes = ({k: f(d) for k, d in split.items()} for f in (lambda d: torch.from_numpy(d.images), _codes))
    sizes = list(MAD.sizes)
    net = conv_net(torch.Generator().manual_seed(0), 3, LAYERS, sum(sizes)).to(memory_format=torch.channels_last)
    steps = EPOCHS * (TRAIN // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, steps)
    order = generator(0, "order")
    for _ in range(EPOCHS):
        for rows in torch.from_numpy(order.permutation(TRAIN))[: TRAIN // BATCH * BATCH].split(BATCH):
            heads = net(_prepared(images["train"][rows])).split(sizes, dim=1)
            loss = sum(cross_entropy(head, codes["train"][rows, f]) for f, head in enumerate(heads))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        heads = torch.cat([net(_prepared(part)) for part in images["test"].split(1000)]).split(sizes, dim=1)
    right = torch.stack([head.argmax(1) == codes["test"][:, f] for f, head in enumerate(heads)], dim=1).numpy()
    thickness = codes["test"][:, MAD.index("thickness")].numpy()
    by_thickness = {value: right[thickness == t].mean(axis=0) for t, value in enumerate(MAD["thickness"].values)}
    return pd.DataFrame(
        {"factor": MAD.names, "accuracy": right.mean(axis=0), "chance": 1 / np.array(sizes)} | by_thickness
    )


def _prepared(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def _codes(dataset: store.Dataset) -> torch.Tensor:
    return torch.from_numpy(MAD.codes(dataset.table))


def paired(world: dict) -> dict[tuple[str, str], np.ndarray]:
    """(factor, value) → the same digits, uint8 [n, 28, 28, 3], with that value and all other factors at their default."""
    w, base = mad.world(**world, split="test"), np.zeros((PAIRED, len(MAD)), int)
    base[:, 0] = np.arange(PAIRED) % 10
    made = {}
    for f, factor in enumerate(MAD.factors[1:], 1):
        for value, name in enumerate(factor.values):
            codes = base.copy()
            codes[:, f] = value
            made[factor.name, name] = w.render(codes, generator(0, "paired"))[0]
    return made


def cross_effects(made: dict[tuple[str, str], np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(mean change of each measure by each value, in per cent of the default; every measure of every digit)."""
    measured = {key: _measured(images) for key, images in made.items()}
    rows, each = [], []
    for (factor, value), now in measured.items():
        plain = measured[factor, MAD[factor].values[0]]
        each.append(pd.DataFrame(now).assign(factor=factor, value=value))
        if value != MAD[factor].values[0]:
            changes = {m: 100 * (now[m] - plain[m]).mean() / abs(plain[m]).mean() for m in now}
            rows.append({"factor": factor, "value": value} | changes)
    return pd.DataFrame(rows), pd.concat(each, ignore_index=True)


def _measured(images: np.ndarray) -> dict[str, np.ndarray]:
    bright = images.max(axis=3)
    return measure(bright) | {"brightness": bright.max(axis=(1, 2)).astype(float), "ink": bright.sum(axis=(1, 2)) / 255}


def why(made: dict[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    """Pixels (of 784) that an operation changes by 32 grey levels or more, and the parts that a digit falls into."""
    rows = []
    for (factor, value), images in made.items():
        plain = made[factor, MAD[factor].values[0]]
        changed = (abs(images.max(axis=3).astype(int) - plain.max(axis=3)) >= 32).sum(axis=(1, 2))
        parts = np.array([cv2.connectedComponents((i.max(axis=2) >= 96).view(np.uint8))[0] - 1 for i in images])
        row = {
            "factor": factor,
            "value": value,
            "pixels_changed": changed.mean(),
            "under_5_pixels": (changed < 5).mean(),
        }
        rows.append(row | {"in_several_parts": (parts > 1).mean()})
    return pd.DataFrame(rows)


def tables_of(world: dict, datasets: Path) -> dict[str, pd.DataFrame]:
    """All that is asked of one world."""
    read, made = read_factors(world, datasets), paired(world)
    effects, each = cross_effects(made)
    return {"accuracy": read, "cross-effects": effects, "why": why(made), "each": each}


def one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def draw_accuracy(accuracy: pd.DataFrame, path: Path) -> None:
    """All in per cent, as its numbers are."""
    with rc_context(style.theme(9)):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        axis = figure.subplots()
    axis.grid(axis="x", visible=False)
    arms = list(accuracy.groupby(["digits", "strength"], sort=False))
    for i, ((digits, strength), part) in enumerate(arms):
        x = np.arange(len(part)) + (i - (len(arms) - 1) / 2) * 0.8 / len(arms)
        bars = axis.bar(x, 100 * part.accuracy, 0.75 / len(arms), label=f"{digits}, {strength}", color=style.COLOURS[i])
        axis.bar_label(bars, fmt="%.1f", fontsize=8, rotation=90, padding=2)
    for f, chance in enumerate(100 * part.chance):
        axis.plot([f - 0.4, f + 0.4], [chance, chance], color="0.3", linewidth=1, linestyle=":")
    axis.set(xticks=range(len(part)), xticklabels=part.factor, ylim=(0, 122), yticks=range(0, 101, 20))
    axis.set_ylabel("accuracy, % (dotted: chance)")
    axis.set_title("What a small net reads from the image")
    axis.legend(ncols=len(arms), frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    style.save(figure, path)


def draw_morphometrics(each: pd.DataFrame, path: Path) -> None:
    """A row a factor, a column a measure, a curve a value; solid for the first digit source, dashed for the second."""
    factors, sources = list(dict.fromkeys(each.factor)), list(dict.fromkeys(each.digits))
    with rc_context(style.theme(11)):
        figure = Figure(figsize=(16, 2.1 * len(factors)), layout="constrained")
        axes = figure.subplots(len(factors), len(MEASURES), sharex="col")
    for m, name in enumerate(MEASURES):
        low, high = np.nanquantile(each[name], [0.002, 0.998])
        edges = np.linspace(low, high, 41)
        for f, factor in enumerate(factors):
            axis = axes[f, m]
            for v, value in enumerate(MAD[factor].values):
                for source, line in zip(sources, ("-", "--"), strict=False):
                    chosen = (each.factor == factor) & (each.value == value) & (each.digits == source)
                    share, _ = np.histogram(each[name][chosen], edges, density=True)
                    axis.plot((edges[1:] + edges[:-1]) / 2, share, line, color=style.COLOURS[v], lw=1.2)
            axis.set(yticks=[], title=name if f == 0 else "")
        axes[-1, m].set_xlabel("rad" if name == "slant" else "px²" if name == "area" else "px")
    for f, factor in enumerate(factors):
        axes[f, 0].set_ylabel(f"{factor}\nshare of digits")
        handles = [Line2D([], [], color=style.COLOURS[v], label=value) for v, value in enumerate(MAD[factor].values)]
        axes[f, -1].legend(
            handles=handles, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5)
        )  # where no curve runs
    kinds = " and ".join(f"{source} ({line})" for source, line in zip(sources, ("solid", "dashed"), strict=False))
    figure.suptitle(f"What digits measure, by the value of each factor, all others at their default: {kinds}")
    style.save(figure, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mnist", nargs="?", help="folder of MNIST's four IDX files")
    parser.add_argument("--out", default="figures/fidelity", type=Path, help="where tables and figures go")
    parser.add_argument("--datasets", default="runs/datasets", type=Path, help="where datasets are kept")
    parser.add_argument("--workers", default=2, type=int, help="worlds at once, one core each")
    asked = parser.parse_args()
    sources = {"strokes": {"digits": "strokes"}}
    if asked.mnist:
        sources["mnist"] = {"digits": "idx", "root": asked.mnist}
    try:
        for source in sources.values():
            mad.world(**source)
    except InputError as error:
        print(f"fidelity: error: {error}", file=sys.stderr)
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    arms = {(d, s): sources[d] | {"strength": s} for d in sources for s in mad.STRENGTHS}
    with (
        ProcessPoolExecutor(asked.workers, get_context("spawn"), one_thread) as pool,
        progress.bar("worlds", len(arms)) as advance_to,
    ):
        asking = {arm: pool.submit(tables_of, world, asked.datasets) for arm, world in arms.items()}
        for done, _ in enumerate(as_completed(asking.values()), 1):
            advance_to(done)
    tables = {name: [] for name in ("accuracy", "cross-effects", "why", "each")}
    for (digits, strength), made in asking.items():
        for name, table in made.result().items():
            tables[name].append(table.assign(digits=digits, strength=strength))
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    for name in ("accuracy", "cross-effects", "why"):
        first = ["digits", "strength"]
        table = tables[name][first + [c for c in tables[name] if c not in first]].round(4)
        with files.whole(asked.out / f"{name}.csv") as beside:
            table.to_csv(beside, index=False)
        print(table.to_string(index=False), "\n")
    draw_accuracy(tables["accuracy"], asked.out / "accuracy.png")
    published = tables["each"][tables["each"].strength == "published"]
    draw_morphometrics(published, asked.out / "morphometrics.png")
    for path in sorted(asked.out.iterdir()):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
