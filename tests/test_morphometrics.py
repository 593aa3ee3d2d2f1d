"""Morphometrics against the published formulas, written out for one image at a time with scikit-image, and shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage import transform
from skimage.morphology import medial_axis

from data_gen import morphology
from data_gen.digits import idx
from data_gen.errors import InputError
from data_gen.morphometrics import measure

NAMES = ["area", "length", "thickness", "slant", "width", "height"]


def parallelogram(top, bottom, left, right, lean=0.0):
    """Ink between two rows and two columns, px of the 28-grid, leaning `lean` px to the right a px up; with soft edges."""
    y, x = (np.mgrid[: 28 * 16, : 28 * 16] + 0.5) / 16
    x = x + lean * (y - 14)
    ink = (y > top) & (y < bottom) & (x > left) & (x < right)
    return np.rint(255 * ink.reshape(28, 16, 28, 16).mean((1, 3))).astype(np.uint8)[None]


def ring(radius, width):
    y, x = (np.mgrid[: 28 * 16, : 28 * 16] + 0.5) / 16 - 14
    ink = abs(np.hypot(y, x) - radius) < width / 2
    return np.rint(255 * ink.reshape(28, 16, 28, 16).mean((1, 3))).astype(np.uint8)[None]


def by_the_book(image):
    """Castro et al.'s formulas, each written out."""
    grey = (255 * transform.pyramid_expand(image / 255, upscale=4, order=3)).astype(np.uint8).astype(float)
    ink = grey >= grey.min() + (grey.max() - grey.min()) / 2
    axis, distance = medial_axis(np.pad(ink, 1), return_distance=True, rng=0)
    length = 0
    for y, x in np.argwhere(axis):
        length += axis[y, x + 1] + axis[y + 1, x] + np.sqrt(2) * (axis[y + 1, x - 1] + axis[y + 1, x + 1])

    y, x = np.mgrid[:112, :112]
    mean_y, mean_x = (y * grey).sum() / grey.sum(), (x * grey).sum() / grey.sum()
    shear = ((y - mean_y) * (x - mean_x) * grey).sum() / ((y - mean_y) ** 2 * grey).sum()
    edges = np.arange(112)
    left_of = [grey[x + 0.5 < edge + shear * (y - mean_y)].sum() / grey.sum() for edge in edges]
    above = [grey[y < edge].sum() / grey.sum() for edge in edges]
    left, right = np.interp([0.01, 0.99], left_of, edges)
    top, bottom = np.interp([0.01, 0.99], above, edges)
    thickness = 2 * distance[axis].mean() / 4
    return ink.sum() / 16, length / 4, thickness, np.arctan(-shear), (right - left) / 4, (bottom - top) / 4


def test_digits_measure_what_the_published_formulas_say(mnist):
    digits = idx.read(mnist, "test")[0][:100]
    made = measure(digits)
    expected = dict(zip(NAMES, np.array([by_the_book(digit) for digit in digits]).T, strict=True))
    assert list(made) == NAMES
    # Relative errors: on average over the digits, and of the worst one. A skeleton's spurs into corners are a matter of
    # chance: the published length of one digit changes by 1 % on average and by 10 % at worst with medial_axis' seed.
    bounds = {"area": (0.005, 0.05), "length": (0.03, 0.25), "thickness": (0.01, 0.08)}
    bounds |= {"width": (0.015, 0.1), "height": (0.01, 0.02)}
    for name, (mean, worst) in bounds.items():
        error = np.abs(made[name] / expected[name] - 1)
        assert error.mean() < mean and error.max() < worst, name
    assert np.abs(made["slant"] - expected["slant"]).max() < 0.01  # radians


def test_a_bar_measures_its_sides():
    made = measure(parallelogram(4, 24, 11, 17))
    assert made["area"] == pytest.approx(6 * 20, rel=0.02)
    assert made["height"] == pytest.approx(20, rel=0.02)
    assert made["width"] == pytest.approx(6, rel=0.1)  # its soft edges are a large part of it
    assert made["thickness"] == pytest.approx(6, rel=0.1)
    assert made["slant"] == pytest.approx(0, abs=1e-6)


def test_a_ring_measures_its_round():
    made = measure(ring(radius=8, width=3))
    assert made["area"] == pytest.approx(2 * np.pi * 8 * 3, rel=0.02)
    assert made["length"] == pytest.approx(2 * np.pi * 8 * 8 / np.pi * (np.sqrt(2) - 1), rel=0.02)  # steps of 1 and √2
    assert made["thickness"] == pytest.approx(3, rel=0.03)
    assert made["width"] == pytest.approx(19, rel=0.03) and made["height"] == pytest.approx(19, rel=0.03)


@settings(deadline=None, max_examples=30)
@given(st.floats(-0.6, 0.6), st.integers(7, 10))
def test_a_sheared_bar_leans_by_its_shear_and_is_as_wide_and_high_as_before(lean, top):
    upright, made = measure(parallelogram(top, 28 - top, 11, 17)), measure(parallelogram(top, 28 - top, 11, 17, lean))
    assert made["slant"] == pytest.approx(np.arctan(lean), abs=0.02)  # positive: to the right
    assert made["width"] == pytest.approx(upright["width"], rel=0.1)
    assert made["height"] == pytest.approx(upright["height"], rel=0.02)


def test_a_length_is_the_steps_along_the_skeleton():
    digits = np.concatenate([parallelogram(4, 24, 12, 16, 0.4), ring(8, 3)])
    bones = morphology.skeleton(morphology.upscale(digits))
    for i, made in enumerate(measure(digits)["length"]):
        on = bones.image == i
        places = np.stack([bones.y[on], bones.x[on]], axis=1)
        apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
        assert made == pytest.approx(apart[(apart > 0) & (apart < 1.5)].sum() / 2 / 4)


def test_it_matters_not_where_in_the_frame_a_digit_lies():
    corner = np.zeros((1, 28, 28), np.uint8)
    corner[0, 6:14, 6:12] = 255
    for y, x in ((0, 0), (8, 3), (-3, 12)):
        moved = measure(np.roll(corner, (y, x), (1, 2)))
        assert all(moved[name] == pytest.approx(value, rel=0.01, abs=1e-3) for name, value in measure(corner).items())


def test_what_a_digit_measures_does_not_depend_on_its_batch():
    rng = np.random.default_rng(0)
    digits = np.concatenate([ring(rng.uniform(4, 10), rng.uniform(1.5, 4)) for _ in range(140)])  # more than one block
    digits[::7] = 0
    together = measure(digits)
    for i in (0, 1, 126, 127, 128, 139):
        alone = measure(digits[i : i + 1])
        assert all(np.array_equal(alone[name], together[name][i : i + 1], equal_nan=True) for name in NAMES)


def test_paper_measures_nothing_and_has_no_slant():
    for blank in (np.zeros((3, 28, 28), np.uint8), np.full((3, 28, 28), 200, np.uint8)):
        made = measure(blank)
        assert np.isnan(made.pop("slant")).all() and not any(values.any() for values in made.values())
    assert all(values.shape == (0,) for values in measure(np.zeros((0, 28, 28), np.uint8)).values())


@settings(deadline=None, max_examples=40)
@given(arrays.arrays(np.uint8, (2, 28, 28), fill=st.just(0)))
def test_whatever_has_contrast_has_finite_measures(digits):
    made = measure(digits)
    inked = np.ptp(digits, (1, 2)) > 0
    for name, values in made.items():
        assert np.isfinite(values[inked]).all() and (name == "slant" or (values[inked] >= 0).all())


@pytest.mark.parametrize("images", [np.zeros((2, 28, 28)), np.zeros((2, 32, 32), np.uint8), np.zeros(28, np.uint8)])
def test_mistakes_are_told(images):
    with pytest.raises(InputError, match=r"should be uint8 \[N, 28, 28\]"):
        measure(images)
