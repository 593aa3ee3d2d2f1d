"""Handwriting digits from stroke templates: MNIST's format and much of its variety, without one of its pixels.

A digit is a spline through a few control points; the points move with the form's own ranges, then jitter, warp, width,
slant and rotation bend them, a pen of varying width draws them, and the ink is boxed and centred as MNIST's is.

Each image is some writer's: a writer has habits, for all digits (slant, pen, …) or for each apart (which form), and the
moment adds to them. Writers of each split are other people.

Nothing here reads MNIST, but it was a yardstick: templates and shares were chosen by eye against it, with the digits of its
training split that a net trained on strokes misread; and the forms' ranges were then narrowed wherever nets that had
learnt from that split misread what was drawn there. How well each is read by a net that saw only the other is in
figures/handwriting, made by experiments/handwriting.py.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from scipy.special import ndtr, ndtri

from data_gen.errors import InputError, unknown
from data_gen.seeds import generator

Point = tuple  # (x, y) or (x, y, CORNER), each coordinate a number or an array [n]


class Form(NamedTuple):
    """One way to write a digit: its share among the digit's forms, the ranges of its parameters, and its strokes."""

    digit: int
    name: str
    share: float
    strokes: Callable[..., list[list[Point]]]
    ranges: dict[str, tuple[float, float]]


def form(digit: int, name: str, share: float, strokes: Callable[..., list[list[Point]]], **ranges) -> Form:
    """A row of the table below, its ranges written as keywords."""
    return Form(digit, name, share, strokes, ranges)


def arc(cx, cy, rx, ry, start, stop, points: int, skew=0.0) -> list[Point]:
    """Points on an ellipse from angle `start` to `stop`, in degrees clockwise from twelve o'clock; `skew` leans it."""
    turns = [np.deg2rad(start + (stop - start) * i / (points - 1)) for i in range(points)]
    return [(cx + rx * np.sin(t) + skew * ry * np.cos(t), cy - ry * np.cos(t)) for t in turns]


def bowl(neck, r, stop) -> list[Point]:
    """The belly of a 5, from under its neck clockwise to the angle `stop`."""
    return arc(0.9 * r, (neck + 0.94) / 2, r, (1.06 - neck) / 2, -35, stop, 6)


CORNER = True  # the pen turns here without rounding

# Control points are in units of the digit's height: x to the right, y down from 0 (top) to 1 (foot). A parameter's
# range is where a common hand puts it; one hand in four reaches 1.4 times as far. A table reads best in its own rows.
# fmt: off
TABLE = [
    form(0, "plain", 0.50, lambda r, start, over: [
        arc(0, 0.5, r, 0.5, start, start - 360 - over, 9)],
        r=(0.24, 0.44), start=(-60, 50), over=(-50, 40)),
    form(0, "tailed", 0.50, lambda r, start, tail_x, tail_y: [
        [*arc(0, 0.5, r, 0.5, start, start - 350, 9), (r * tail_x, tail_y)]],
        r=(0.26, 0.44), start=(-60, 60), tail_x=(-0.8, 1.4), tail_y=(-0.25, 0.45)),
    form(1, "plain", 0.76, lambda bow: [
        [(0, 0), (bow, 0.5), (0, 1)]],
        bow=(-0.05, 0.05)),
    form(1, "flag", 0.16, lambda flag, drop, bow: [
        [(-flag, drop), (0, 0, CORNER), (bow, 0.5), (0, 1)]],
        flag=(0.02, 0.14), drop=(0.19, 0.38), bow=(-0.03, 0.01)),
    form(1, "base", 0.08, lambda flag, drop, left, right, tilt: [
        [(-flag, drop), (0, 0, CORNER), (0, 0.5), (0, 1)], [(-left, 1 + tilt), (right, 1 - tilt)]],
        flag=(0.02, 0.17), drop=(0.09, 0.25), left=(0.15, 0.26), right=(0.12, 0.24), tilt=(-0.03, 0.04)),
    form(2, "sharp", 0.40, lambda r, h, start, left, base, tilt, back: [
        [*arc(r, h, r, h, start, 115, 5), (left, 1, CORNER), (left + 0.4 * base, 0.99 - back),
         (left + base, 1 + tilt)]],
        r=(0.17, 0.30), h=(0.18, 0.34), start=(-106, -9), left=(-0.10, 0.10), base=(0.48, 0.75), tilt=(-0.08, 0.08),
        back=(-0.02, 0.14)),
    form(2, "looped", 0.48, lambda r, h, start, left, base, tilt, loop_w, loop_h: [
        [*arc(r, h, r, h, start, 115, 5), (left + 0.04, 0.97 - 0.2 * loop_h), (left - 0.35 * loop_w, 1),
         (left - loop_w, 1 - 0.5 * loop_h), (left - 0.4 * loop_w, 1 - loop_h),
         (left + 0.35 * base, 0.98 - 0.5 * loop_h), (left + base, 1 + tilt)]],
        r=(0.17, 0.30), h=(0.18, 0.36), start=(-103, 10), left=(0.08, 0.28), base=(0.27, 0.66), tilt=(-0.09, 0.14),
        loop_w=(0.14, 0.46), loop_h=(0.17, 0.42)),
    form(2, "rounded", 0.12, lambda r, h, start, left, base, tilt: [
        [*arc(r, h, r, h, start, 115, 5), (left, 0.88), (left + 0.10, 1), (left + base, 1 + tilt)]],
        r=(0.17, 0.32), h=(0.21, 0.34), start=(-86, -4), left=(-0.08, 0.12), base=(0.42, 0.75), tilt=(-0.13, 0.04)),
    form(3, "rounded", 0.45, lambda waist, notch, r1, r2, start, stop: [
        [*arc(0.22, waist / 2, r1, waist / 2, start, 145, 5), (notch, waist, CORNER),
         *arc(0.22, (1 + waist) / 2, r2, (1 - waist) / 2, 30, stop, 6)]],
        waist=(0.40, 0.52), notch=(0.02, 0.20), r1=(0.14, 0.30), r2=(0.21, 0.34), start=(-77, -15), stop=(192, 268)),
    form(3, "flat", 0.30, lambda waist, notch, top, tilt, r2, stop: [
        [(0, tilt), (top, 0, CORNER), (notch, waist, CORNER),
         *arc(0.22, (1 + waist) / 2, r2, (1 - waist) / 2, 30, stop, 6)]],
        waist=(0.38, 0.50), notch=(0.08, 0.25), top=(0.32, 0.46), tilt=(-0.04, 0.09), r2=(0.20, 0.33),
        stop=(182, 268)),
    form(3, "looped", 0.25, lambda waist, notch, r1, r2, start, stop, loop: [
        [*arc(0.22, waist / 2, r1, waist / 2, start, 140, 5), (notch, waist), (notch - loop, waist - 0.1 * loop),
         (notch - 0.7 * loop, waist - 0.7 * loop), (notch + 0.05, waist - 0.2 * loop),
         *arc(0.22, (1 + waist) / 2, r2, (1 - waist) / 2, 50, stop, 5)]],
        waist=(0.40, 0.53), notch=(0.13, 0.22), r1=(0.14, 0.27), r2=(0.22, 0.34), start=(-60, -15), stop=(206, 262),
        loop=(0.05, 0.12)),
    form(4, "angular", 0.48, lambda top, knee, bar, rise, stem, drop, lean: [
        [(top, 0), (0, knee, CORNER), (bar, knee - rise)], [(stem, drop), (stem - lean, 1)]],
        top=(0.00, 0.20), knee=(0.48, 0.64), bar=(0.41, 0.62), rise=(-0.06, 0.08), stem=(0.30, 0.48), drop=(0.0, 0.28),
        lean=(-0.05, 0.10)),
    form(4, "closed", 0.20, lambda top, knee, bar, rise, gap, lean: [
        [(top, 0), (0, knee, CORNER), (top + bar, knee - rise)], [(top + gap, 0), (top + gap - lean, 1)]],
        top=(0.33, 0.46), knee=(0.53, 0.60), bar=(0.14, 0.25), rise=(-0.03, 0.08), gap=(-0.02, 0.05),
        lean=(-0.03, 0.07)),
    form(4, "nine-like", 0.03, lambda top, knee, lean: [
        [(top, 0.02), (0, knee, CORNER), (top - 0.02, knee - 0.05), (top, 0.02, CORNER), (top - lean, 1)]],
        top=(0.30, 0.48), knee=(0.38, 0.52), lean=(-0.05, 0.08)),
    form(4, "cup", 0.29, lambda knee, left, stem, rise, drop, lean: [
        [(left, 0), (0, 0.65 * knee), (0.10, knee), (stem - 0.03, knee - rise), (stem, drop, CORNER), (stem - lean, 1)]],
        knee=(0.45, 0.62), left=(-0.06, 0.09), stem=(0.40, 0.52), rise=(0.00, 0.13), drop=(0.00, 0.20),
        lean=(-0.04, 0.10)),
    form(5, "one stroke", 0.35, lambda bar, rise, top, neck, r, stop: [
        [(top + bar, -rise), (top, 0, CORNER), (0, neck, CORNER), *bowl(neck, r, stop)]],
        bar=(0.28, 0.60), rise=(-0.04, 0.10), top=(0.0, 0.14), neck=(0.32, 0.48), r=(0.18, 0.32), stop=(190, 259)),
    form(5, "two strokes", 0.35, lambda bar, rise, top, neck, r, stop: [
        [(top, 0), (0, neck, CORNER), *bowl(neck, r, stop)], [(top, 0), (top + bar, -rise)]],
        bar=(0.28, 0.60), rise=(-0.04, 0.10), top=(0.0, 0.14), neck=(0.34, 0.50), r=(0.18, 0.31), stop=(190, 259)),
    form(5, "s-shaped", 0.20, lambda waist, r1, r2, start, stop: [
        [*arc(0.24, waist / 2, r1, waist / 2, start, -150, 4),
         *arc(0.22, (1 + waist) / 2, r2, (1 - waist) / 2, 20, stop, 5)]],
        waist=(0.41, 0.52), r1=(0.17, 0.28), r2=(0.19, 0.30), start=(30, 71), stop=(200, 269)),
    form(5, "detached", 0.10, lambda bar, rise, gap, top, drop, neck, r, stop: [
        [(top, drop), (0, neck, CORNER), *bowl(neck, r, stop)], [(top + gap, 0), (top + gap + bar, -rise)]],
        bar=(0.20, 0.45), rise=(-0.03, 0.10), gap=(0.10, 0.25), top=(0.0, 0.14), drop=(0.0, 0.15), neck=(0.34, 0.50),
        r=(0.18, 0.32), stop=(190, 267)),
    form(6, "closed", 0.65, lambda t, apex, lip, r, end_x, end_y, skew: [
        [(2 * r * apex + 0.05, lip), (1.4 * r * apex, 0.06), (0.6 * r * apex, 0.28),
         *arc(r, (1 + t) / 2, r, (1 - t) / 2, 275, 10, 7, skew), (r * end_x, t + end_y)]],
        t=(0.48, 0.68), apex=(0.30, 0.89), lip=(-0.06, 0.09), r=(0.18, 0.30), end_x=(-0.11, 0.30), end_y=(0.15, 0.35),
        skew=(-0.20, 0.37)),
    form(6, "open", 0.35, lambda t, apex, lip, r, stop, end_x, end_y, skew: [
        [(2 * r * apex, lip), (1.3 * r * apex, 0.06), (0.5 * r * apex, 0.28),
         *arc(r, (1 + t) / 2, r, (1 - t) / 2, 275, stop, 7, skew), (r * end_x, t + end_y)]],
        t=(0.45, 0.68), apex=(0.10, 0.71), lip=(-0.06, 0.07), r=(0.20, 0.34), stop=(-20, 60), end_x=(0.30, 1.10),
        end_y=(0.03, 0.27), skew=(-0.20, 0.43)),
    form(7, "plain", 0.36, lambda top, tilt, foot, bow: [
        [(0, tilt), (top, 0, CORNER), ((1 + foot) / 2 * top + bow, 0.5), (foot * top, 1)]],
        top=(0.38, 0.60), tilt=(-0.04, 0.10), foot=(-0.09, 0.40), bow=(-0.03, 0.05)),
    form(7, "rounded", 0.14, lambda top, tilt, foot, bow: [
        [(0, tilt), (0.6 * top, 0), (top, 0.14), ((1 + foot) / 2 * top + bow, 0.55), (foot * top, 1)]],
        top=(0.38, 0.58), tilt=(0.00, 0.15), foot=(-0.03, 0.54), bow=(-0.03, 0.09)),
    form(7, "ticked", 0.28, lambda top, tick, tick_x, tilt, foot, bow: [
        [(tick_x, tilt + tick), (0, tilt, CORNER), (top, 0, CORNER), ((1 + foot) / 2 * top + bow, 0.5), (foot * top, 1)]],
        top=(0.41, 0.60), tick=(0.04, 0.28), tick_x=(-0.10, 0.02), tilt=(-0.06, 0.18), foot=(0.19, 0.75),
        bow=(-0.04, 0.06)),
    form(7, "barred", 0.22, lambda top, tilt, foot, bar, left, right, rise, tick: [
        [(-0.02, tilt + np.maximum(tick, 0)), (0, tilt, CORNER), (top, 0, CORNER), ((1 + foot) / 2 * top, 0.5),
         (foot * top, 1)],
        [((1 + (foot - 1) * bar) * top - left, bar + rise), ((1 + (foot - 1) * bar) * top + right, bar - rise)]],
        top=(0.40, 0.60), tilt=(-0.02, 0.14), foot=(-0.04, 0.55), bar=(0.43, 0.61), left=(0.05, 0.25),
        right=(0.08, 0.27), rise=(-0.03, 0.06), tick=(-0.12, 0.08)),
    form(8, "closed", 0.43, lambda waist, r1, r2, start, over, shift: [
        [*arc(shift, waist / 2, r1, waist / 2, start, -100, 4), (0, waist),
         *arc(0, (1 + waist) / 2, r2, (1 - waist) / 2, 80, 280, 5), (0, waist),
         *arc(shift, waist / 2, r1, waist / 2, 105, start - over, 3)]],
        waist=(0.39, 0.61), r1=(0.17, 0.30), r2=(0.11, 0.28), start=(7, 57), over=(-30, 30), shift=(-0.06, 0.08)),
    form(8, "open top", 0.45, lambda waist, r1, r2, start, end_x, end_y, shift: [
        [*arc(shift, waist / 2, r1, waist / 2, start, -100, 4), (0, waist),
         *arc(0, (1 + waist) / 2, r2, (1 - waist) / 2, 80, 280, 5), (0, waist), (shift + r1 * end_x, end_y)]],
        waist=(0.40, 0.64), r1=(0.19, 0.30), r2=(0.11, 0.27), start=(18, 95), end_x=(0.67, 1.80), end_y=(-0.05, 0.22),
        shift=(-0.06, 0.05)),
    form(8, "two rings", 0.06, lambda waist, r1, r2, start, turn, gap, shift: [
        arc(shift, waist / 2, r1, waist / 2, start, start - 370, 8),
        arc(0, (1 + waist + gap) / 2, r2, (1 - waist - gap) / 2, turn, turn + 370, 8)],
        waist=(0.37, 0.59), r1=(0.20, 0.32), r2=(0.14, 0.26), start=(-49, 48), turn=(-37, 41), gap=(-0.04, 0.02),
        shift=(-0.06, 0.05)),
    form(8, "open foot", 0.06, lambda waist, r1, left, right, shift: [
        [(-left, 1), (0, waist), *arc(shift, waist / 2, r1, waist / 2, 100, -100, 5), (0, waist), (right, 1)]],
        waist=(0.50, 0.66), r1=(0.17, 0.28), left=(0.11, 0.25), right=(0.08, 0.28), shift=(-0.01, 0.08)),
    form(9, "closed", 0.45, lambda h, r, start, joint, lean, bow, skew: [
        [*arc(r, h / 2, r, h / 2, start, -245, 7, skew), (2 * r + 0.01, h * joint, CORNER),
         (2 * r - 0.5 * lean + bow, 0.55), (2 * r - lean, 1)]],
        h=(0.31, 0.57), r=(0.16, 0.30), start=(33, 90), joint=(-0.05, 0.53), lean=(-0.05, 0.16), bow=(-0.01, 0.03),
        skew=(-0.20, 0.60)),
    form(9, "open", 0.25, lambda h, r, start, joint, lean, skew: [
        [*arc(r, h / 2, r, h / 2, start, -235, 7, skew), (2 * r + 0.02, h * joint, CORNER), (2 * r - lean, 1)]],
        h=(0.32, 0.55), r=(0.16, 0.30), start=(21, 80), joint=(0.01, 0.50), lean=(-0.05, 0.19), skew=(0.01, 0.60)),
    form(9, "hooked", 0.15, lambda h, r, start, joint, hook, hook_y: [
        [*arc(r, h / 2, r, h / 2, start, -250, 7), (2 * r, h * joint, CORNER), (2 * r, 0.55),
         (2 * r - 0.4 * hook, 0.96), (2 * r - hook, hook_y)]],
        h=(0.35, 0.55), r=(0.18, 0.30), start=(36, 90), joint=(0.05, 0.41), hook=(0.10, 0.38), hook_y=(0.86, 1.00)),
    form(9, "tilted", 0.15, lambda h, r, start, lean: [
        [*arc(r, h / 2, r, h / 2, start + 90, start - 275, 9), (2 * r - 0.4 * lean, h + 0.12), (2 * r - lean, 1)]],
        h=(0.31, 0.55), r=(0.19, 0.30), start=(-90, 0), lean=(0.0, 0.3)),
]
FORMS = [[f for f in TABLE if f.digit == digit] for digit in range(10)]
SHAPE = max(len(f.ranges) for f in TABLE)  # parameters of the richest form
POINTS, PATH = 16, 96  # at most so many control points, and samples of all strokes together
STEPS = 6  # spline samples a segment

# One standard normal row an image, cut into named columns. The layout is the same for every digit and form, so an
# image depends on its own row and label only, and a shorter call draws the first images of a longer one.
LAYOUT = {
    "writer": 1, "variant": 1, "reach": 1, "slant": 1, "rotation": 1, "aspect": 1, "pen": 1, "pressure": 1, "swell": 1,
    "nib": 1, "jitter": 1, "warp": 1, "tension": 1, "blur": 1, "contrast": 1, "overshoot": 2, "warp_rate": 4,
    "warp_phase": 4, "shape": SHAPE, "noise": 2 * POINTS,
}
# Share of a column's variance that is the writer's habit; the rest, and all of what is not named, is the moment's.
HABIT = {
    "variant": 0.8, "reach": 0.5, "slant": 0.7, "rotation": 0.5, "aspect": 0.5, "pen": 0.7, "pressure": 0.5, "nib": 0.7,
    "jitter": 0.5, "tension": 0.6, "blur": 0.7, "contrast": 0.7, "overshoot": 0.3, "shape": 0.5,
}
# fmt: on
EACH_DIGIT = (
    "variant",
    "shape",
)  # habits that a writer has for each digit apart; the others are in all that they write
WRITERS = 1000  # of each split, MNIST has 250; so many that their own spread is near that of all writers
SPLITS = ("train", "test", "validation")  # in the order of their writers' numbers


class Latent(NamedTuple):
    """What a latent means, and the least and largest value that can be given for it."""

    meaning: str
    low: float
    high: float


#: Every continuous latent of style, float32; those with `_0` are one of several, numbered from 0.
LATENTS = {
    "reach": Latent("a factor on shape, warp and the spread of aspect: 1, or 1.4 for one image in four", 0, 3),
    "slant": Latent("shear: the tangent of the angle; positive leans right", -1.5, 1.5),
    "rotation": Latent("radians, clockwise", -3.2, 3.2),
    "aspect": Latent("a factor on the width", 0.2, 5),
    "pen": Latent("the stroke's width, px of 28", 1.1, 6),
    "pressure": Latent("relative swing of the width along the stroke", 0, 1),
    "swell": Latent("where along the stroke that swing begins, as a share of its period", 0, 1),
    "nib": Latent("relative swing of the width with the direction, widest along the falling diagonal", 0, 1),
    "jitter": Latent("standard deviation of every control point, digit heights", 0, 0.3),
    "warp": Latent("amplitude of two sines an axis, digit heights", 0, 0.5),
    "warp_rate_0": Latent("of a sine, radians a digit height", 0, 20),
    "warp_phase_0": Latent("of a sine, as a share of its period", 0, 1),
    "tension": Latent("length of the spline's tangents, 0.5 as in Catmull and Rom", 0, 1.5),
    "overshoot_0": Latent(
        "how far strokes start early (0) or end late (1), as a share of their first or last segment", -1, 1
    ),
    "blur": Latent("standard deviation of the pen's soft edge, px of 28", 0.05, 2),
    "contrast": Latent("a gain about middle grey", 1, 10),
    "shape_0": Latent(
        "where a parameter of the digit's form lies, -1 to 1 for its range in the table, in its order", -2, 2
    ),
}
#: latents that rise with one normal number, and so can be drawn from a part of their distribution
RISING = ("slant", "rotation", "aspect", "pen", "tension", "blur", "contrast", "swell")

SLANT = np.array([0.18, 0.23, 0.05, 0.08, 0.32, 0.26, 0.12, -0.02, 0.14, 0.18])  # mean shear, for 0–9
SLANT_SD = 0.20
WIDTH = np.array([0.20, 0.20, 0.27, 0.32, 0.31, 0.34, 0.12, 0.31, 0.20, 0.17])  # mean log factor on the width
ROTATION = np.array([0.10, 0.10, 0.10, 0.15, 0.10, 0.10, 0.10, 0.10, 0.15, 0.10])  # rad
PEN = 2.15 * np.array([1.12, 1.06, 1.03, 1, 0.94, 0.90, 0.94, 1.06, 0.88, 0.86])  # median width in px of 28
PEN_LOG_SD = np.array([0.24, 0.30, 0.24, 0.24, 0.24, 0.24, 0.24, 0.24, 0.24, 0.24])

BOX, SIDE, ZOOM = 20, 28, 4  # MNIST's ink box and image in px; drawn four times as large
SUBPIXEL = 4  # binary places of a pixel that cv2 keeps of a coordinate
CHUNK = 2048  # images whose geometry is in memory at once


def draw(
    labels: np.ndarray,
    rng: np.random.Generator,
    *,
    split: str = "train",
    given: Mapping[str, float | np.ndarray] | None = None,
    between: Mapping[str, tuple] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw one handwriting digit a label, in MNIST's format.

    labels: ints [N] in 0..9. rng: the only source of chance; `N` rows of fixed length are taken from it.
    split: whose handwriting: `train` has writers 0 to 999, `test` others, 1000 to 1999, and `validation` again others, 2000
        to 2999, the same for every rng.
    given: {latent: number or [N]} sets latents of `LATENTS` outright.
    between: {latent: (low, high)}, numbers or [N] in 0..1, draws one of `RISING` from that part of its distribution only:
        (0.5, 1) is the upper half.
    Returns uint8 images [N, 28, 28], white on black, the longer side of the ink 20 px and its centre of mass within
    half a pixel of (14, 14), or as near as the box fits; and the style that shaped each, every entry [N]: `LATENTS`, float32;
    `variant` (int8), which of the digit's `FORMS`, in their order; and `writer` (int16). `shape_i` is 0 where a form has
    fewer parameters. Only the jitter's own draws, two a control point, are left out of the style.
    Raises InputError for a latent or split that is none, for numbers outside a latent's range, and where they leave no ink.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not np.isin(labels, range(10)).all():
        raise InputError("labels must be a vector of integers from 0 to 9")
    given, between = checked(given or {}, between or {}, len(labels))
    width = sum(LAYOUT.values())
    images = np.empty((len(labels), SIDE, SIDE), np.uint8)
    styles = []
    for start in range(0, max(len(labels), 1), CHUNK):
        i = slice(start, start + CHUNK)
        normal, writer = _written(labels[i], rng.standard_normal((len(labels[i]), width)), split)
        style, noise = _style(
            labels[i],
            normal,
            {name: values[i] for name, values in given.items()},
            {name: (low[i], high[i]) for name, (low, high) in between.items()},
        )
        styles.append(style | {"writer": writer})
        _place(_inks(style, *_paths(labels[i], style, noise)), images[i])
    return images, {name: np.concatenate([style[name] for style in styles]) for name in styles[0]}


def checked(given: Mapping, between: Mapping, n: int) -> tuple[dict, dict]:
    """`draw`'s given and between, each number as [n]. Raises InputError for what `draw` would refuse."""
    known = {f"{stem}_{i}" for stem in ("overshoot", "warp_rate", "warp_phase", "shape") for i in range(LAYOUT[stem])}
    known = [*(name for name in LATENTS if not name.endswith("_0")), *sorted(known)]
    out = {}
    for name, values in given.items():
        if name not in known:
            raise unknown("latent of the handwriting", name, known)
        latent = LATENTS[name] if name in LATENTS else LATENTS[f"{name.rsplit('_', 1)[0]}_0"]
        out[name] = _numbers(name, values, n)
        wrong = out[name][~((out[name] >= latent.low) & (out[name] <= latent.high))]
        if len(wrong):
            raise InputError(f"{name}={wrong[0]:g}: {latent.meaning}; it must lie in [{latent.low}, {latent.high}]")
    parts = {}
    for name, part in between.items():
        if name not in RISING:
            raise unknown("latent that can be drawn from a part of its distribution", name, RISING)
        ends = [_numbers(f"a part of {name}", end, n) for end in part] if isinstance(part, tuple | list) else []
        if len(ends) != 2 or not ((ends[0] >= 0) & (ends[0] <= ends[1]) & (ends[1] <= 1)).all():
            raise InputError(f"a part of the distribution of {name} must be (low, high) with 0 <= low <= high <= 1")
        parts[name] = tuple(ends)
    return out, parts


def _numbers(name: str, values: float | np.ndarray, n: int) -> np.ndarray:
    try:
        return np.broadcast_to(np.asarray(values, dtype=float), n)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, or a vector of {n} numbers: one a label") from None


@lru_cache
def _habits(split: str) -> np.ndarray:
    """Standard normal rows [WRITERS, 10, width]: what each writer of a split tends to, digit by digit."""
    chance, width = generator(0, "writers", split), sum(LAYOUT.values())
    habits = np.repeat(chance.standard_normal((WRITERS, 1, width)), 10, axis=1)
    apart, start = chance.standard_normal((WRITERS, 10, width)), 0
    for name, columns in LAYOUT.items():
        if name in EACH_DIGIT:
            habits[..., start : start + columns] = apart[..., start : start + columns]
        start += columns
    return habits


def _written(labels: np.ndarray, own: np.ndarray, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Normal rows [n, width] between a writer's habit and the moment's own, each column standard normal; writers [n]."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    writer = np.minimum((WRITERS * ndtr(own[:, 0])).astype(int), WRITERS - 1)
    share = np.repeat([HABIT.get(name, 0.0) for name in LAYOUT], list(LAYOUT.values()))
    rows = np.sqrt(share) * _habits(split)[writer, labels] + np.sqrt(1 - share) * own
    return rows, (writer + WRITERS * SPLITS.index(split)).astype(np.int16)


def _style(
    labels: np.ndarray, normal: np.ndarray, given: Mapping[str, np.ndarray], between: Mapping[str, tuple]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    columns = np.split(normal, np.cumsum([*LAYOUT.values()])[:-1], axis=1)
    z = {name: c[:, 0] if c.shape[1] == 1 else c for name, c in zip(LAYOUT, columns, strict=True)}
    u = {name: ndtr(c) for name, c in z.items()}
    for name, (low, high) in between.items():
        u[name] = low + (high - low) * u[name]
        z[name] = ndtri(np.clip(u[name], 1e-9, 1 - 1e-9))
    reach = np.where(u["reach"] < 0.25, 1.4, 1.0)
    reach = given.get("reach", reach)
    variant = np.zeros(len(labels), np.int8)
    shape = (2 * u["shape"] - 1) * reach[:, None]
    for digit, forms in enumerate(FORMS):
        mine = labels == digit
        variant[mine] = np.searchsorted(np.cumsum([f.share for f in forms])[:-1], u["variant"][mine])
        used = np.array([len(f.ranges) for f in forms])[variant[mine]]
        shape[mine] *= np.arange(SHAPE) < used[:, None]
    style = {
        "reach": reach,
        "slant": SLANT[labels] + SLANT_SD * z["slant"],
        "rotation": ROTATION[labels] * z["rotation"],
        "aspect": np.exp(WIDTH[labels] + 0.165 * reach * z["aspect"]),
        "pen": np.clip(PEN[labels] * np.exp(PEN_LOG_SD[labels] * z["pen"]), 1.1, 6),
        "pressure": 0.17 * abs(z["pressure"]),
        "swell": u["swell"],
        "nib": 0.16 * abs(z["nib"]),
        "jitter": 0.012 + 0.020 * abs(z["jitter"]),
        "warp": 0.032 * reach * abs(z["warp"]),
        "tension": 0.38 + 0.20 * u["tension"],
        "blur": (1 + 1.2 * u["blur"]) / ZOOM,
        "contrast": 1.8 + 1.8 * u["contrast"],
    }
    several = {
        "overshoot": 0.15 * z["overshoot"],
        "warp_rate": 2 + 3.5 * u["warp_rate"],
        "warp_phase": u["warp_phase"],
        "shape": shape,
    }
    style |= {f"{name}_{i}": column for name, columns in several.items() for i, column in enumerate(columns.T)}
    # Rounded before use: the geometry follows from the style as it is handed out.
    style = {name: np.asarray(given.get(name, latent), np.float32) for name, latent in style.items()}
    return style | {"variant": variant}, z["noise"].reshape(-1, POINTS, 2)


def _paths(labels: np.ndarray, style: dict[str, np.ndarray], noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pen positions [n, PATH, 2] around the origin, in px of 28, and whether the pen is down from each to the next."""
    path, down = np.zeros((len(labels), PATH, 2)), np.zeros((len(labels), PATH), bool)
    for digit, forms in enumerate(FORMS):
        for variant, (*_, strokes, ranges) in enumerate(forms):
            rows = np.flatnonzero((labels == digit) & (style["variant"] == variant))
            jitter, tension, *overshoot = (
                style[name][rows] for name in ("jitter", "tension", "overshoot_0", "overshoot_1")
            )
            parameters = {
                name: (low + high) / 2 + (high - low) / 2 * style[f"shape_{i}"][rows]
                for i, (name, (low, high)) in enumerate(ranges.items())
            }
            knot = at = 0
            for stroke in strokes(**parameters):
                points = jitter[:, None, None] * noise[rows, knot : knot + len(stroke)]
                for j, (x, y, *_) in enumerate(stroke):
                    points[:, j, 0] += x
                    points[:, j, 1] += y
                points[:, 0] += overshoot[0][:, None] * (points[:, 0] - points[:, 1])
                points[:, -1] += overshoot[1][:, None] * (points[:, -1] - points[:, -2])
                curve = _spline(points, [len(p) == 3 for p in stroke], tension)
                knot, stop = knot + len(stroke), at + curve.shape[1]
                path[rows, at:stop], down[rows, at : stop - 1] = curve, True
                at = stop
            path[rows, at:] = path[rows, at - 1 : at]  # the pen rests where it was lifted, so the extent stays true
    return _bend(path, style), down


def _spline(points: np.ndarray, corner: list[bool], tension: np.ndarray) -> np.ndarray:
    """A Hermite spline [n, STEPS (P - 1) + 1, 2] through points [n, P, 2], tangents as long as their chords allow."""
    chord = np.diff(points, axis=1)
    length = np.linalg.norm(chord, axis=2, keepdims=True) + 1e-6
    ahead = chord / length
    # Through a knot the nearer neighbour rules the direction: uneven knots would overshoot otherwise.
    through = ahead[:, :-1] * length[:, 1:] + ahead[:, 1:] * length[:, :-1]
    through *= 2 * tension[:, None, None] / (np.linalg.norm(through, axis=2, keepdims=True) + 1e-6)
    sharp = np.array(corner[1:-1], bool)[:, None]
    leave = np.concatenate([ahead[:, :1], np.where(sharp, ahead[:, 1:], through)], axis=1) * length
    arrive = np.concatenate([np.where(sharp, ahead[:, :-1], through), ahead[:, -1:]], axis=1) * length
    # Steps come first while it is computed: numpy is slow along short last axes.
    t = np.linspace(0, 1, STEPS, endpoint=False)[:, None, None, None]
    curve = points[:, :-1] + chord * t**2 * (3 - 2 * t) + leave * t * (1 - t) ** 2 - arrive * t**2 * (1 - t)
    curve = np.moveaxis(curve, 0, 2).reshape(len(points), STEPS * chord.shape[1], 2)
    return np.concatenate([curve, points[:, -1:]], axis=1)


def _bend(path: np.ndarray, style: dict[str, np.ndarray]) -> np.ndarray:
    s = {name: latent[:, None] for name, latent in style.items()}

    def wave(i, v):
        return s["warp"] * np.sin(s[f"warp_rate_{i}"] * v + 2 * np.pi * s[f"warp_phase_{i}"])

    x, y = path[..., 0] - 0.25, path[..., 1] - 0.5  # about the middle of a digit
    x, y = (x + wave(0, y) + wave(1, x)) * s["aspect"], y + wave(2, x) + wave(3, y)
    x = x - s["slant"] * y
    cos, sin = np.cos(s["rotation"]), np.sin(s["rotation"])
    x, y = cos * x - sin * y, sin * x + cos * y
    ends = [(v.min(axis=1, keepdims=True), v.max(axis=1, keepdims=True)) for v in (x, y)]
    size = np.maximum(np.maximum(*(high - low for low, high in ends)), 1e-3)
    x, y = ((v - (low + high) / 2) * (BOX - s["pen"]) / size for v, (low, high) in zip((x, y), ends, strict=True))
    return np.stack([x, y], axis=2)


def _inks(style: dict[str, np.ndarray], path: np.ndarray, down: np.ndarray) -> Iterator[np.ndarray]:
    """Each image's ink, uint8 and large, cropped to itself."""
    dx, dy = np.moveaxis(np.diff(path, axis=1), 2, 0)
    length = np.sqrt(dx**2 + dy**2) + 1e-6
    across = 2 * dx * dy / length**2  # 1 where the pen moves along the falling diagonal
    swell = np.sin(2 * np.cumsum(length, axis=1) / BOX + 2 * np.pi * style["swell"][:, None])
    width = style["pen"][:, None] * (1 + style["nib"][:, None] * across + style["pressure"][:, None] * swell)
    width = np.where(down[:, :-1], np.maximum(np.rint(ZOOM * width), 2).astype(int), 0)
    corner = np.rint((path + SIDE / 2) * (ZOOM << SUBPIXEL)).astype(np.int32)
    turns = np.pad(np.diff(width, axis=1) != 0, ((0, 0), (1, 1)), constant_values=True)
    curve = np.clip(127.5 + style["contrast"][:, None] * (np.arange(256) - 127.5), 0, 255).astype(np.uint8)
    canvas = np.zeros((ZOOM * SIDE, ZOOM * SIDE), np.uint8)
    blurs = (ZOOM * style["blur"]).tolist()
    for i, (blur, weights, widths) in enumerate(zip(blurs, _weights(blurs), width.tolist(), strict=True)):
        lines: dict[int, list] = {}  # by width: one call each, as calls cost more than ink
        for start, stop in pairwise(np.flatnonzero(turns[i]).tolist()):
            if widths[start]:
                lines.setdefault(widths[start], []).append(corner[i, start : stop + 1])
        canvas[:] = 0
        for wide, line in lines.items():
            cv2.polylines(canvas, line, False, 255, wide, cv2.LINE_8, SUBPIXEL)
        ink = _cropped(cv2.LUT(_blurred(_cropped(canvas, 2 * math.ceil(blur)), weights), curve[i]), 0)
        if not ink.size:
            pen, soft, gain = (f"{name}={style[name][i]:.3g}" for name in ("pen", "blur", "contrast"))
            raise InputError(
                f"nothing is left of a digit with {pen}, {soft}, {gain}: a wider pen or less of the others"
            )
        yield ink


def _blurred(ink: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What cv2.GaussianBlur makes of bytes, in a quarter of the time: its sums are whole 65,536ths, exact in float32."""
    return cv2.sepFilter2D(ink, cv2.CV_32F, weights, weights, delta=0.5).astype(np.uint8)


def _weights(blurs: list[float]) -> list[np.ndarray]:
    """The weights, float32 [odd], with which cv2.GaussianBlur blurs bytes by each standard deviation.

    They are whole 256ths: from either end, what rounding leaves is handed on to the next weight, and the rest to the middle.
    """
    deviation = np.array(blurs)[:, None]
    farthest = (np.rint(6 * deviation + 1).astype(int) | 1) // 2
    distance = np.arange(farthest.max(initial=0), 0, -1)
    side = np.where(distance <= farthest, np.exp(-0.5 / deviation**2 * distance**2), 0)
    side *= 256 / (1 + 2 * side.sum(axis=1, keepdims=True))
    left = np.zeros(len(blurs))
    for weight in side.T:
        left += weight
        weight[:] = np.rint(left)
        left -= weight
    middle = 256 - 2 * side.sum(axis=1, keepdims=True)
    weights = np.concatenate([side, middle, side[:, ::-1]], axis=1).astype(np.float32) / 256
    start = (weights > 0).argmax(axis=1).tolist()
    return [row[i : len(row) - i] for row, i in zip(weights, start, strict=True)]


def _cropped(ink: np.ndarray, margin: int) -> np.ndarray:
    left, top, wide, high = cv2.boundingRect(ink)
    return ink[max(top - margin, 0) : top + high + margin, max(left - margin, 0) : left + wide + margin]


def _place(inks: Iterator[np.ndarray], images: np.ndarray) -> None:
    """Fit each ink into MNIST's box and set its centre of mass, to whole pixels, on the middle of its image."""
    fitted, sides = np.zeros_like(images), np.empty((len(images), 2), int)
    for ink, corner, side in zip(inks, fitted, sides, strict=True):
        scale = BOX / max(ink.shape)
        high, wide = side[:] = [max(1, round(length * scale)) for length in ink.shape]
        corner[:high, :wide] = cv2.resize(ink, (wide, high), interpolation=cv2.INTER_AREA)
    mass = np.stack([fitted.sum(axis=2) @ np.arange(SIDE), fitted.sum(axis=1) @ np.arange(SIDE)], axis=1)
    centre = mass / fitted.sum(axis=(1, 2))[:, None]
    start = np.clip(np.rint(SIDE / 2 - centre), 0, SIDE - sides).astype(int)
    images[:] = 0
    for ink, image, (high, wide), (top, left) in zip(fitted, images, sides.tolist(), start.tolist(), strict=True):
        image[top : top + high, left : left + wide] = ink[:high, :wide]
