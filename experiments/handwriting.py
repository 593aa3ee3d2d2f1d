"""Could the generated handwriting be mistaken for MNIST's?

    python experiments/handwriting.py MNIST_FOLDER

`reading.csv`: how well a net that learnt from one kind of digit reads the other. The net: three 3x3 convolutions of 16, 32
and 64 channels, stride 2, batch norm, ReLU, then one linear map. Its training: 60,000 strokes, or all training images of the
folder; 4 epochs in batches of 128, AdamW (weight decay 0.01) with one cycle up to 4e-3, every image shifted by up to 1 px,
scaled (sd 8 %) and turned (sd 0.08 rad). Strokes to learn from are the train writers', strokes to be read the test writers'.
Where it learns from strokes it sees no real pixel; but the generator's ranges were narrowed with the help of nets that read
training images of MNIST (data_gen/digits/strokes.py), and the folder's test images were a yardstick.

`distributions.csv` and `distributions.png`: what 10,000 digits of each kind measure. `contact-sheet.png`: both, side by side.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from data_gen import InputError
from data_gen.digits import idx, strokes
from data_gen.morphometrics import measure
from data_gen.seeds import generator
from synthgap import progress, tables
from synthgap.panels import style

TRAIN, TEST, EPOCHS, BATCH, SEEDS = 60_000, 10_000, 4, 128, (0, 1, 2)
LAYERS = [(16, 2), (32, 2), (64, 2)]
MEASURES = {"thickness": "px", "slant": "tangent", "aspect": "", "length": "px", "ink": "px²"}


def conv_net(
    g: torch.Generator, c_in: int, layers: list[tuple[int, int]], outputs: int, side: int = 28
) -> nn.Sequential:
    """Square images → logits: convolutions (channels, stride) with batch norm and ReLU, then one linear map.

    They are 3x3, or wider where the stride would pass a pixel over. Batch norm, which the encoders do without, as this
    reads what is there and is not the subject of study.
    """
    body = []
    for c_out, stride in layers:
        kernel = max(3, stride + 1)
        body += [nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2), nn.BatchNorm2d(c_out), nn.ReLU()]
        c_in, side = c_out, -(-side // stride)
    net = nn.Sequential(*body, nn.Flatten(), nn.Linear(c_in * side**2, outputs))
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = module.weight[0].numel() ** -0.5
                module.weight.uniform_(-bound, bound, generator=g)
                module.bias.uniform_(-bound, bound, generator=g)
    return net


def prepared(images: np.ndarray) -> Tensor:
    return (torch.from_numpy(images)[:, None].float() / 255 - 0.1307) / 0.3081


def nudged(x: Tensor, g: torch.Generator) -> Tensor:
    n = len(x)
    angle, scale = 0.08 * torch.randn(n, generator=g), 1 + 0.08 * torch.randn(n, generator=g)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    shift = (2 * torch.rand(n, 2, generator=g) - 1) / 14  # the image is 2 units and 28 px wide
    rows = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], dim=1).view(n, 2, 3)
    return grid_sample(x, affine_grid(rows, x.shape, align_corners=False), padding_mode="border", align_corners=False)


def learn(images: np.ndarray, labels: np.ndarray, seed: int, report) -> nn.Sequential:
    g = torch.Generator().manual_seed(seed)
    net, x, y = conv_net(g, 1, LAYERS, 10), prepared(images), torch.from_numpy(labels)
    steps, step = EPOCHS * (len(x) // BATCH), 0
    optimiser = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=g)[: len(x) // BATCH * BATCH].split(BATCH):
            loss = cross_entropy(net(nudged(x[rows], g)), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            step += 1
            report(step / steps)
    return net.eval()


@torch.no_grad()
def accuracy(net: nn.Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    read = torch.cat([net(part).argmax(1) for part in prepared(images).split(1000)])
    return (read.numpy() == labels).mean().item()


def drawn(number: int, seed: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    labels = generator(seed, "labels", split).integers(0, 10, number)
    return strokes.draw(labels, generator(seed, "handwriting", split), split=split)[0], labels


def read_each_other(mnist: dict[str, tuple[np.ndarray, np.ndarray]], report) -> pd.DataFrame:
    """A row a seed and pair of kinds: trained_on, tested_on, seed, accuracy."""
    rows = []
    for s, seed in enumerate(SEEDS):
        test = {"strokes": drawn(TEST, seed, "test"), "mnist": mnist["test"]}
        for k, (kind, data) in enumerate((("strokes", drawn(TRAIN, seed, "train")), ("mnist", mnist["train"]))):
            net = learn(*data, seed, lambda share, done=2 * s + k: report((done + share) / (2 * len(SEEDS))))
            for other, held_out in test.items():
                row = {"trained_on": kind, "tested_on": other, "seed": seed, "images": len(data[0])}
                rows.append(row | {"accuracy": accuracy(net, *held_out)})
    return pd.DataFrame(rows)


def distributions(kinds: dict[str, np.ndarray]) -> pd.DataFrame:
    """A row a digit: kind and what it measures."""
    tables = []
    for kind, images in kinds.items():
        m = measure(images)
        known = {"slant": np.tan(m["slant"]), "aspect": m["width"] / m["height"], "ink": images.sum((1, 2)) / 255}
        tables.append(pd.DataFrame({"kind": kind} | {name: known.get(name, m.get(name)) for name in MEASURES}))
    return pd.concat(tables, ignore_index=True)


def draw_distributions(table: pd.DataFrame, path: Path) -> None:
    with rc_context(style.theme()):
        figure = Figure(figsize=(3.3 * len(MEASURES), 3.2), layout="constrained")
        axes = figure.subplots(1, len(MEASURES))
    for axis, (name, unit) in zip(axes, MEASURES.items(), strict=True):
        edges = np.linspace(*np.nanquantile(table[name], [0.001, 0.999]), 41)
        for (kind, part), colour in zip(table.groupby("kind", sort=False), style.COLOURS, strict=False):
            told = f"{kind} {part[name].mean():.2f} ± {part[name].std():.2f}"
            axis.hist(part[name], edges, density=True, histtype="stepfilled", alpha=0.45, color=colour, label=told)
        axis.set(title=name, yticks=[], xlabel=unit)
        axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.22))
    axes[0].set_ylabel("share of digits")
    style.save(figure, path)


def draw_sheet(kinds: dict[str, tuple[np.ndarray, np.ndarray]], path: Path, columns: int = 20) -> None:
    """Two rows a digit, one of each kind, the first of each that come."""
    figure = Figure(figsize=(13.4, 12), dpi=90, layout="constrained")
    axis, rows, names = figure.subplots(), [], []
    for digit in range(10):
        for kind, (images, labels) in kinds.items():
            rows.append(np.concatenate(images[labels == digit][:columns], axis=1))
            names.append(kind)
    axis.imshow(np.concatenate(rows), cmap="gray")
    axis.set(xticks=[], yticks=14 + 28 * np.arange(len(rows)), yticklabels=names)
    for digit in range(1, 10):
        axis.axhline(56 * digit - 0.5, color="0.4", linewidth=0.8)
    style.save(figure, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mnist", help="folder of MNIST's four IDX files")
    parser.add_argument("--out", default="figures/handwriting", type=Path, help="where tables and figures go")
    asked = parser.parse_args()
    try:
        mnist = {split: idx.read(asked.mnist, split) for split in ("train", "test")}
    except InputError as error:
        print(f"handwriting: error: {error}", file=sys.stderr)
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    with progress.bar("learning to read", 1000) as advance_to:
        read = read_each_other(mnist, lambda share: advance_to(int(1000 * share)))
    tables.write(read, asked.out / "reading.csv")
    print(read.pivot_table(index=["trained_on", "tested_on"], columns="seed", values="accuracy").round(4).to_string())
    fresh, real = drawn(TEST, 9, "test"), (mnist["test"][0][:TEST], mnist["test"][1][:TEST])
    table = distributions({"MNIST": real[0], "strokes": fresh[0]})
    summary = table.groupby("kind", sort=False).agg(["mean", "std"]).round(3)
    summary.columns = [f"{name} {what}" for name, what in summary.columns]
    tables.write(summary.T.rename_axis("measure").reset_index(), asked.out / "distributions.csv")
    print(summary.T.to_string())
    draw_distributions(table, asked.out / "distributions.png")
    draw_sheet({"MNIST": real, "strokes": fresh}, asked.out / "contact-sheet.png")
    for path in sorted(asked.out.iterdir()):
        print(path)
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    sys.exit(main())
