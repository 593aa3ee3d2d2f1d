"""How fast MAD's digits are made: a plain chain of scikit-image's functions beside data_gen.morphology, and strokes.

    python experiments/benchmarks/generator.py [--idx FOLDER] [--reference 48] [--ours 4800] [--out FILE]

FOLDER holds MNIST's IDX files; without it, digits are drawn. One run, one core. Both chains get the same digits and all
24 variants in turn. The plain one works as the published code does, on one image at a time and with a medial axis after
every operation; it needs scikit-image, which comes with `pip install synthgap[test]`.
"""

import argparse
import sys
from collections import defaultdict
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from unittest import mock

import cv2
import numpy as np
import pandas as pd
from scipy import ndimage
from threadpoolctl import threadpool_limits

from data_gen import World, morphology, store
from data_gen.digits import idx, strokes
from data_gen.errors import InputError
from data_gen.worlds import mad
from synthgap import cli

VARIANTS = np.array(list(product(range(3), range(2), range(2), range(2))))  # thickness, swelling, fracture, size
STAGES = ["upscale", "skeleton", "disk_radius", "thicken", "points", "swell", "cuts", "swollen", "erase", "downscale"]


class Clock:
    """Adds up the time that named functions take."""

    def __init__(self):
        self.seconds = defaultdict(float)

    def timed(self, function, name=""):
        def call(*arguments, **keywords):
            start = perf_counter()
            result = function(*arguments, **keywords)
            self.seconds[name or function.__name__] += perf_counter() - start
            return result

        return call


# ---- the plain chain: one image, one operation, one medial axis at a time


def plain(digit: np.ndarray, variant: np.ndarray, rng: np.random.Generator, clock: Clock) -> np.ndarray:
    from skimage import morphology as sk
    from skimage import transform

    thickness, swelling, fracture, size = variant
    axis_of = clock.timed(lambda ink: sk.medial_axis(ink, return_distance=True, rng=rng), "medial axis")

    grey = clock.timed(transform.pyramid_expand, "expand")(digit / 255, upscale=4, order=3)
    ink = grey >= (grey.min() + grey.max()) / 2
    axis, distance = axis_of(ink)
    if thickness:
        disk = sk.disk(int(0.7 * distance[axis].mean()))
        ink = clock.timed(sk.dilation if thickness == 1 else sk.erosion, "thicken or thin")(ink, disk)
        axis, distance = axis_of(ink)
    if swelling and axis.any():
        ink = clock.timed(swollen, "swell")(ink, axis, distance, rng)
        axis, distance = axis_of(ink)
    if fracture and axis.any():
        ink = clock.timed(fractured, "fracture")(ink, axis, distance, rng)
        axis, distance = axis_of(ink)
    image = clock.timed(transform.pyramid_reduce, "reduce")(ink, downscale=4, order=3)
    if size:
        y, x = rng.integers(3, 5, 2)
        small = clock.timed(transform.rescale, "shrink")(image, 0.75)
        image = np.pad(small, ((y, 7 - y), (x, 7 - x)))
    return (255 * image).astype(np.uint8)


def swollen(ink, axis, distance, rng):
    from skimage import transform

    centre = rng.choice(np.argwhere(axis))[::-1]
    radius = 4 * 7 * np.sqrt(distance[axis].mean() / 2) / 2

    def source(places):
        arm = places - centre
        return centre + arm * np.minimum(np.hypot(*arm.T) / radius, 1)[:, None] ** 2

    return transform.warp(ink, source)


def fractured(ink, axis, distance, rng):
    from skimage import draw
    from skimage import morphology as sk

    margin = 40
    axis, distance, ink = (np.pad(image, margin) for image in (axis, distance, ink))
    clear = axis.copy()
    for degree in (1, 3):  # tips, then forks of what is left
        around = ndimage.convolve(clear.astype(int), np.ones((3, 3), int), mode="constant") - 1
        for y, x in np.argwhere(clear & (around == degree)):
            clear[y - 8 : y + 9, x - 8 : x + 9] &= ~sk.disk(8, dtype=bool)
    for place in rng.choice(np.argwhere(clear if clear.any() else axis), 3):
        window = np.argwhere(axis[tuple(slice(c - 8, c + 9) for c in place)])
        (u02, u11), (_, u20) = np.cov(window.T, bias=True)
        across = np.arctan2(2 * u11, u20 - u02) / 2 + np.pi / 2
        arm = (distance[tuple(place)] + 2) * np.array([np.sin(across), np.cos(across)])
        for y, x in zip(*draw.line(*(place + arm).astype(int), *(place - arm).astype(int)), strict=True):
            ink[y - 3 : y + 4, x - 3 : x + 4] &= ~sk.disk(3, dtype=bool)
    return ink[margin:-margin, margin:-margin]


# ---- the measurements


def reference(digits: np.ndarray, variants: np.ndarray) -> tuple[float, dict[str, float], np.ndarray]:
    """Seconds in all and by stage, and the images."""
    clock, rng = Clock(), np.random.default_rng(0)
    plain(digits[0], VARIANTS[-1], rng, Clock())  # imports and tables
    start = perf_counter()
    images = [plain(digit, variant, rng, clock) for digit, variant in zip(digits, variants, strict=True)]
    return perf_counter() - start, clock.seconds, np.stack(images)


def ours(digits: np.ndarray, variants: np.ndarray) -> tuple[float, dict[str, float], np.ndarray]:
    """Seconds in all (the median of five rounds) and by stage (in a sixth), and the images."""
    clock, rounds = Clock(), []
    for _ in range(6):
        start = perf_counter()
        images = morphology.perturb(digits, *variants.T, np.random.default_rng(0))
        rounds.append(perf_counter() - start)
    with ExitStack() as stack:
        for name in STAGES:
            stack.enter_context(mock.patch.object(morphology, name, clock.timed(getattr(morphology, name))))
        morphology.perturb(digits, *variants.T, np.random.default_rng(0))
    return float(np.median(rounds[1:])), clock.seconds, images


def floor() -> tuple[float, float, float, float]:
    """Bytes and multiply-adds an image cannot do without, and this machine's rates for them, a second.

    A digit is read and an image written, 784 bytes each; and both ways between 28 and 112 are two products of matrices.
    """
    big, square = np.zeros(2**26, np.uint8), np.ones((512, 512), np.float32)
    copy = min(_seconds(lambda: np.copyto(big, 1)) for _ in range(5))
    product = min(_seconds(lambda: square @ square) for _ in range(20))
    grow = 28 * 28 * 112 + 112 * 28 * 112
    return 2 * 784, big.size / copy, 2 * grow, 512**3 / product


def _seconds(work) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def made_whole(world: World, count: int) -> float:
    """Images a second of a dataset made in this process: drawn, changed, coloured, written, checksummed."""
    with TemporaryDirectory() as folder:
        return count / _seconds(lambda: store.make(folder, world, count, "train", 0))


def show(name: str, seconds: float, stages: dict[str, float], count: int) -> None:
    print(f"{name}: {count / seconds:,.0f} images/s, {1e6 * seconds / count:,.0f} µs an image ({count:,} images)")
    for stage, spent in sorted(stages.items(), key=lambda item: -item[1]):
        print(f"    {stage:16}{1e6 * spent / count:10,.1f} µs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--idx", default="", metavar="FOLDER", help="folder of MNIST's IDX files; drawn digits without")
    parser.add_argument("--reference", type=int, default=48, metavar="N", help="images of the plain chain")
    parser.add_argument("--ours", type=int, default=4800, metavar="N", help="images of data_gen.morphology")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the speeds as CSV")
    asked = parser.parse_args()
    if min(asked.reference, asked.ours) < 1:
        raise InputError("--reference and --ours are numbers of images and should be at least 1")
    try:
        import skimage  # noqa: F401
    except ImportError:
        raise InputError("the plain chain needs scikit-image: pip install synthgap[test]") from None
    count = max(asked.reference, asked.ours)
    if asked.idx:
        digits = idx.read(asked.idx, "train")[0]
        digits = digits[np.arange(count) % len(digits)]
    else:
        digits = strokes.draw(np.arange(count) % 10, np.random.default_rng(0))[0]
    variants = VARIANTS[np.arange(count) % len(VARIANTS)]

    cv2.setNumThreads(1)
    with threadpool_limits(1):
        slow, slow_stages, expected = reference(digits[: asked.reference], variants[: asked.reference])
        fast, fast_stages, made = ours(digits[: asked.ours], variants[: asked.ours])
        crossed, _, _ = ours(digits[: -(-asked.ours // 24)].repeat(24, 0)[: asked.ours], variants[: asked.ours])
        labels = np.arange(asked.ours) % 10
        drawing = _seconds(
            lambda: [strokes.draw(labels[i : i + 500], np.random.default_rng(i)) for i in range(0, len(labels), 500)]
        )
        worlds = {"strokes": mad.world()} | ({"MNIST's files": mad.world("idx", asked.idx)} if asked.idx else {})
        whole = {name: made_whole(world, 4 * asked.ours) for name, world in worlds.items()}
        size, bandwidth, work, speed = floor()

    show("scikit-image", slow, slow_stages, asked.reference)
    show("data_gen.morphology", fast, fast_stages, asked.ours)
    a, b = slow / asked.reference, fast / asked.ours
    both = min(asked.reference, asked.ours)
    print(f"ratio: {a / b:,.0f}")
    print(f"all 24 variants of a digit in a row: {asked.ours / crossed:,.0f} images/s")
    print(f"handwriting drawn from strokes: {asked.ours / drawing:,.0f} images/s")
    for name, rate in whole.items():
        print(f"datasets of MAD on {name}, everything: {rate:,.0f} images/s")
    print(f"mean grey of the first {both}: {expected[:both].mean():.1f} and {made[:both].mean():.1f}")
    least = 1e6 * (size / bandwidth + work / speed)
    print(
        f"floor: {least:.1f} µs an image: {size:,} bytes at {bandwidth / 1e9:.1f} GB/s and {work / 1e6:.2f} million "
        f"multiply-adds (to 112 px and back) at {speed / 1e9:.0f} billion/s; ours takes {1e6 * b / least:.0f} times that"
    )
    if asked.out:
        speeds = {
            "scikit-image, medial axis after every operation": asked.reference / slow,
            "data_gen.morphology, random variants": asked.ours / fast,
            "data_gen.morphology, 24 variants of a digit in a row": asked.ours / crossed,
            "data_gen.digits.strokes, handwriting alone": asked.ours / drawing,
        }
        speeds |= {
            f"datasets of MAD on {name}: drawn, changed, coloured, written": rate for name, rate in whole.items()
        }
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame({"what": list(speeds), "images_per_second_and_core": [round(x) for x in speeds.values()]})
        table.to_csv(asked.out, index=False)
        print(asked.out)
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
