"""How hard are AV-MNIST's digits to see and to hear, along its two knobs?

    python experiments/difficulty.py                                              strokes and voices
    python experiments/difficulty.py MNIST_FOLDER --recordings FSDD_FOLDER        files as well

`difficulty.csv`: accuracy on the digit of 2,000 test samples, by how many principal components are left of the image
(`components`; 784 is all) and by the level of speech over noise in dB (`snr_db`). Writers and voices of the test are other
people than those learnt from, and so are the speakers of recordings. `mnist` is AV-MNIST on MNIST's files, `mnist, plain`
its digits without MAD's operations, as published copies have them.

Read by a small conv net: three convolutions of 16, 32 and 64 channels, batch norm, ReLU, then one linear map; of stride 2,
the first 3x3, or for sound 5x5 of stride 4; learnt from 8,000 training samples, 8 epochs in batches of 128, AdamW (weight
decay 0.01) with one cycle up to 4e-3. Plain MNIST is also read by the 15 nearest of all its training images, as such copies
are usually described. One set of samples, whose pixels are reduced and whose clean waves are put in noise for each setting;
seeds are those of the net. `difficulty.png` draws it; vertical lines are the components that published copies keep.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import torch
from handwriting import conv_net
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import cross_entropy

from data_gen import MAD, InputError, components
from data_gen.digits import idx
from data_gen.seeds import generator
from data_gen.speech.spectrograms import noisy, spectrograms
from data_gen.worlds import avmnist, mad
from synthgap import progress, tables
from synthgap.panels import style

SAMPLES = {"train": 8000, "test": 2000}
EPOCHS, BATCH, PEAK, SEEDS = 8, 128, 4e-3, (0, 1)
COMPONENTS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 50, 784)
SNR_DB = (-15, -10, -5, 0, 5, 10, 20, np.inf)
LAYERS = {28: [(16, 2), (32, 2), (64, 2)], 112: [(16, 4), (32, 2), (64, 2)]}
COPIES = (3, 4, 5, 6, 10)  # components kept by published copies; the first says "25 % energy"


def seen(digits: str, root: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """AV-MNIST's images before they are reduced, uint8 [n, 28, 28], and their digits."""
    codes = MAD.sample(SAMPLES[split], generator(0, "factors", split)) * (np.array(MAD.names) != "colour")
    world = mad.world(digits, root, split, validation=avmnist.VALIDATION)
    return world.render(codes, generator(0, "render", split))[0][..., 0], codes[:, 0]


def plain(root: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = idx.read(root, split, avmnist.VALIDATION)
    return images[: SAMPLES[split]], labels[: SAMPLES[split]]


def heard(speech: str, root: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Clean waves, float32 [n, samples], and their digits."""
    world = avmnist.world(split=split, speech=speech, speech_root=root, snr_db=np.inf)
    codes = world.space.sample(SAMPLES[split], generator(0, "factors", split))
    return world.listen(codes, generator(0, "render", split)), codes[:, 0]


def reduced(images: dict[str, np.ndarray], kept: int) -> dict[str, np.ndarray]:
    fitted = components.fit(images["train"], kept)
    return {split: components.reduced(part, fitted) for split, part in images.items()}


def in_noise(waves: dict[str, np.ndarray], snr_db: float) -> dict[str, np.ndarray]:
    return {
        split: spectrograms(noisy(part, snr_db, generator(0, "noise", split).spawn(len(part))))
        for split, part in waves.items()
    }


def learn(x: np.ndarray, y: np.ndarray, seed: int) -> torch.nn.Sequential:
    g = torch.Generator().manual_seed(seed)
    net = conv_net(g, 1, LAYERS[x.shape[1]], 10, side=x.shape[1])
    y = torch.from_numpy(y)
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, EPOCHS * (len(x) // BATCH))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=g)[: len(x) // BATCH * BATCH].split(BATCH):
            loss = cross_entropy(net(prepared(x[rows.numpy()])), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def prepared(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x)[:, None].float() / 127.5 - 1


@torch.no_grad()
def accuracy(net: torch.nn.Sequential, x: np.ndarray, y: np.ndarray) -> float:
    read = torch.cat([net(prepared(x[i : i + 500])).argmax(1) for i in range(0, len(x), 500)])
    return (read.numpy() == y).mean().item()


def by_net(folder: Path, source: str, setting: str, value: float) -> list[dict]:
    """A row a seed, of one source at one setting of its knob."""
    x, y = samples(folder, source)
    x = reduced(x, value) if setting == "components" else in_noise(x, value)
    row = {"source": source, setting: value, "reader": "net"}
    return [
        row | {"seed": seed, "accuracy": accuracy(learn(x["train"], y["train"], seed), x["test"], y["test"])}
        for seed in SEEDS
    ]


@cache
def samples(folder: Path, source: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What is observed, and the digits, by split; of a folder, as processes are handed files rather than arrays."""
    x, y = (
        {split: np.load(folder / f"{source}-{split}-{what}.npy", mmap_mode="r") for split in SAMPLES} for what in "xy"
    )
    return x, {split: np.array(part) for split, part in y.items()}


def by_neighbours(root: str, kept: int) -> list[dict]:
    """Plain MNIST, as copies of AV-MNIST are usually described: 15 nearest neighbours of all training images."""
    x, y = zip(*(idx.read(root, split) for split in ("train", "test")), strict=True)
    axes = components.fit(x[0], kept).axes.T
    train, test = (part.reshape(len(part), -1) @ axes for part in x)  # the mean would move no neighbour
    score = KNeighborsClassifier(15).fit(train, y[0]).score(test, y[1])
    return [{"source": "mnist, plain", "components": kept, "reader": "15 neighbours", "accuracy": score}]


def one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def draw(table: pd.DataFrame, path: Path) -> None:
    """A panel a knob, harder to the left; the last place, beside the others, is all of the image or no noise at all."""
    with rc_context(style.theme(12)):
        figure = Figure(figsize=(11, 5), layout="constrained")
        axes = dict(zip(("components", "snr_db"), figure.subplots(1, 2, sharey=True), strict=True))
    last = {"components": (784, 90, "all"), "snr_db": (np.inf, 28, "no noise")}  # a value, where it is drawn, its name
    for (knob, axis), values in zip(axes.items(), (COMPONENTS, SNR_DB), strict=True):
        value, place, name = last[knob]
        for i, (kind, part) in enumerate(table[table[knob].notna()].groupby(["source", "reader"], sort=False)):
            at, label = part[knob].replace(value, place), " by ".join(kind).removesuffix(" by net")
            mean = part.accuracy.groupby(at).mean()
            axis.plot(
                mean.index,
                mean,
                style.MARKERS[i] + (":" if "by" in label else "-"),
                color=style.COLOURS[i],
                ms=5,
                label=label,
            )
            axis.plot(at, part.accuracy, "_", color=style.COLOURS[i], markersize=7, alpha=0.6)
        axis.axhline(0.1, color="0.4", linewidth=0.8, linestyle=":")
        axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
        if knob == "components":
            axis.set_xscale("log")
        axis.set_xticks([*values[:-1], place], [*map(str, values[:-1]), name], fontsize=10.5)
        axis.set_xticks([], minor=True)
    for kept in COPIES:
        axes["components"].axvline(kept, color="0.85", linewidth=1, zorder=0)
    axes["components"].annotate("“25 % energy”", (2.9, 1.005), fontsize=10.5, color="0.4", ha="right")
    label = "accuracy on the digit (dotted: chance)"
    axes["components"].set(title="Seen", xlabel="principal components left of the image", ylabel=label)
    axes["snr_db"].set(title="Heard", xlabel="speech over noise, dB", ylim=(0, 1.05))
    style.save(figure, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mnist", nargs="?", help="folder of MNIST's four IDX files")
    parser.add_argument("--recordings", metavar="DIR", help="folder of spoken digits, named as FSDD's are")
    parser.add_argument("--out", default="figures/difficulty", type=Path, help="where table and figure go")
    parser.add_argument("--workers", default=2, type=int, help="nets at once, one core each")
    asked = parser.parse_args()
    images = {"strokes": lambda split: seen("strokes", "", split)}
    sounds = {"voices": lambda split: heard("voices", "", split)}
    if asked.mnist:
        images["mnist"] = lambda split: seen("idx", asked.mnist, split)
        images["mnist, plain"] = lambda split: plain(asked.mnist, split)
    if asked.recordings:
        sounds["recordings"] = lambda split: heard("recordings", asked.recordings, split)
    sources = images | sounds
    with TemporaryDirectory() as folder:
        try:
            with progress.bar("samples", len(sources) * len(SAMPLES)) as advance_to:
                for i, (source, split) in enumerate((source, split) for source in sources for split in SAMPLES):
                    for what, values in zip("xy", sources[source](split), strict=True):
                        np.save(Path(folder) / f"{source}-{split}-{what}.npy", values)
                    advance_to(i + 1)
        except InputError as error:
            print(f"difficulty: error: {error}", file=sys.stderr)
            return 2
        asked.out.mkdir(parents=True, exist_ok=True)
        tasks = [(by_net, Path(folder), source, "components", kept) for source in images for kept in COMPONENTS]
        tasks += [(by_net, Path(folder), source, "snr_db", snr_db) for source in sounds for snr_db in SNR_DB]
        tasks += [(by_neighbours, asked.mnist, kept) for kept in COPIES if asked.mnist]
        with (
            ProcessPoolExecutor(asked.workers, get_context("spawn"), one_thread) as pool,
            progress.bar("settings", len(tasks)) as advance_to,
        ):
            asking = [pool.submit(*task) for task in tasks]
            for done, _ in enumerate(as_completed(asking), 1):
                advance_to(done)
    table = pd.DataFrame([row for made in asking for row in made.result()])
    table = table[["source", "components", "snr_db", "reader", "seed", "accuracy"]].astype({"seed": "Int64"})
    tables.write(table.assign(components=table.components.astype("Int64")).round(4), asked.out / "difficulty.csv")
    for knob in ("components", "snr_db"):
        mean = table.pivot_table(index=["source", "reader"], columns=knob, values="accuracy", sort=False)
        print(mean.sort_index(axis=1).round(3).to_string(), "\n")
    draw(table, asked.out / "difficulty.png")
    for path in sorted(asked.out.iterdir()):
        print(path)
    return 0


if __name__ == "__main__":
    one_thread()
    sys.exit(main())
