"""The fast batched operations against plain ones: scikit-image's, or a few explicit lines for a single image."""

import hashlib
import inspect
import os
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from skimage import draw, measure, transform
from skimage import morphology as plain

from data_gen import morphology
from data_gen.digits import idx
from data_gen.errors import InputError

VARIANTS = np.array(
    list(product(range(3), range(2), range(2), range(2)))
).T  # all 24: thickness, swelling, fracture, size


def mnist(count):
    root = Path(os.environ.get("SYNTHGAP_MNIST", Path(__file__).parents[2] / "shared/data/mnist"))
    if not root.is_dir():
        pytest.skip("no MNIST: set SYNTHGAP_MNIST to the folder of its IDX files")
    return idx.read(root, "test")[0][:count]


def shapes():
    """A bar 4 px wide and 20 long, a ring of width 3 and a cross of width 2: digits whose answers are known."""
    y, x = np.mgrid[:28, :28] - 13.5
    bar = (abs(y) < 10) & (abs(x) < 2)
    ring = abs(np.hypot(y, x) - 8) < 1.5
    cross = (np.minimum(abs(y), abs(x)) < 1) & (np.maximum(abs(y), abs(x)) < 10)
    return np.stack([bar, ring, cross]).astype(np.uint8) * 255


def drawn(bones):
    frame = np.zeros((len(bones.count), 112, 112), bool)
    frame[bones.image, bones.y, bones.x] = True
    return frame


def differing(ink, reference):
    """[N] differing pixels of each image, as a share of its ink."""
    return np.count_nonzero(ink != reference, (1, 2)) / np.count_nonzero(reference, (1, 2))


class Rows:
    """A generator that hands out chosen numbers."""

    def __init__(self, u):
        self.u = u

    def random(self, shape):
        assert self.u.shape == shape
        return self.u


# ---- up and down


def test_upscale_binarises_what_scikit_image_enlarges():
    for digits in (shapes(), mnist(200)):
        grey = np.stack([transform.pyramid_expand(digit / 255, upscale=4, order=3) for digit in digits])
        reference = grey >= (grey.min((1, 2)) + grey.max((1, 2)))[:, None, None] / 2
        off = differing(morphology.upscale(digits), reference)
        # scikit-image cuts off what cubic interpolation overshoots before it blurs, which thins a few digits' edges
        assert off.mean() < 0.005 and off.max() < 0.05


def test_downscale_is_scikit_images_to_a_grey_level():
    for digits in (shapes(), mnist(100)):
        ink = morphology.upscale(digits)
        n = len(ink)
        corner = np.array([[3, 4], [4, 3], [4, 4]])[np.arange(n) % 3]
        large = np.stack([transform.pyramid_reduce(image, downscale=4, order=3) for image in ink])
        small = np.zeros_like(large)
        for image, whole, (y, x) in zip(small, large, corner, strict=True):
            image[y : y + 21, x : x + 21] = transform.rescale(whole, 0.75, anti_aliasing=False)
        for size, reference in enumerate((large, small)):
            made = morphology.downscale(ink, np.full(n, size), corner)
            assert np.abs(made - 255 * reference).max() < 1
            assert not made[reference == 0].any()


def test_downscale_as_published_is_the_published_code_s():
    """scikit-image's reduction, cut off to whole grey levels; a small digit is shrunk from those and cut off again."""
    for digits in (shapes(), mnist(100)):
        ink = morphology.thicken(morphology.upscale(digits), np.full(len(digits), 3))  # wide strokes have flat insides
        corner = np.array([[3, 4], [4, 3], [4, 4]])[np.arange(len(ink)) % 3]
        large = [(255 * transform.pyramid_reduce(image, downscale=4, order=3)).astype(np.uint8) for image in ink]
        made = morphology.downscale_as_published(ink, np.zeros(len(ink), int), corner)
        off = np.abs(made.astype(int) - large)
        flat = np.minimum(made, large) >= 254  # where all is ink, 254 or 255 is up to the last bit of a sum
        assert off.max() <= 1 and off[flat].mean() < 0.2 and off[~flat].mean() < 1e-4
        assert not np.array_equal(made, morphology.downscale(ink, np.zeros(len(ink), int), corner))
        small = morphology.downscale_as_published(ink, np.ones(len(ink), int), corner)
        for image, whole, (y, x) in zip(small, made, corner, strict=True):
            shrunk = transform.rescale(whole.astype(np.float32) / 255, 0.75, anti_aliasing=False)
            np.testing.assert_array_equal(image[y : y + 21, x : x + 21], (255 * shrunk).astype(np.uint8))
            assert image.astype(int).sum() == image[y : y + 21, x : x + 21].astype(int).sum()


@pytest.mark.parametrize("size", [0, 1])
def test_a_single_pixel_of_ink_is_still_seen_at_28_px(size):
    for y in range(112):
        ink = np.eye(112, dtype=bool)[:, None, :] & (np.arange(112) == y)[None, :, None]  # one image a column
        made = morphology.downscale(ink, np.full(112, size), np.full((112, 2), 4))
        assert made.max((1, 2)).min() > 0  # weights are never negative, so more ink is seen as well


def test_matrices_are_whole_numbers_small_enough_for_exact_sums():
    grow, unit = morphology._grow()
    assert (grow == np.rint(grow)).all() and (grow.sum(1) == unit).all()
    assert 255 * np.abs(grow).sum(1).max() ** 2 < 2**24
    shrink, unit = morphology._shrink()
    assert (shrink == np.rint(shrink)).all() and (shrink >= 0).all() and unit**2 < 2**24


# ---- skeleton


def test_mean_thickness_of_known_shapes():
    bar, ring, cross = morphology.mean_thickness(morphology.skeleton(morphology.upscale(shapes())))
    assert bar == pytest.approx(4, rel=0.15)  # less than 4: the axis branches into the corners
    assert ring == pytest.approx(3, rel=0.05)
    assert cross == pytest.approx(2, rel=0.15)


def test_mean_thickness_is_the_medial_axis():
    digits = mnist(1000)
    ink = np.concatenate([morphology.upscale(block) for block in np.split(digits, 10)])
    # All digits under one another, paper between them, are one image to scikit-image: a fifth of the time of 1,000.
    axis, distance = plain.medial_axis(
        np.pad(ink, ((0, 0), (1, 1), (1, 1))).reshape(-1, 114), rng=0, return_distance=True
    )
    axis, distance = axis.reshape(len(ink), -1), distance.reshape(len(ink), -1)
    expected = 2 * (axis * distance).sum(1) / axis.sum(1) / 4
    made = morphology.mean_thickness(morphology.skeleton(ink))
    error = np.abs(made / expected - 1)
    assert error.mean() < 0.005 and error.max() < 0.1


@settings(deadline=None, max_examples=50)
@given(arrays.arrays(bool, (3, 9, 11)))
def test_skeleton_keeps_the_parts_and_holes_of_its_ink(blocks):
    ink = blocks.repeat(3, 1).repeat(3, 2)
    bones = morphology.skeleton(ink)
    made = np.zeros_like(ink)
    made[bones.image, bones.y, bones.x] = True
    assert not (made & ~ink).any()
    for thin, image in zip(made, ink, strict=True):
        assert measure.euler_number(thin, connectivity=2) == measure.euler_number(image, connectivity=2)
        assert measure.label(thin, connectivity=2).max() == measure.label(image, connectivity=2).max()


def peeled(image):
    """The skeleton of one image, pixel after pixel."""
    frame = np.pad(image, 1).astype(np.uint8)
    distance = np.rint(64 * cv2.distanceTransform(frame, cv2.DIST_L2, cv2.DIST_MASK_5))
    crowd = ndimage.convolve(frame, np.ones((3, 3), np.uint8), mode="constant")
    turns = sorted((distance[y, x] - crowd[y, x], y % 2, x % 2, y, x) for y, x in np.argwhere(frame))
    for *_, y, x in turns:
        near = frame[y - 1 : y + 2, x - 1 : x + 2].copy()
        near[1, 1] = 0
        plug = near[0, 1] & near[1, 0] & near[1, 2] & near[2, 1]
        frame[y, x] = near.sum() < 2 or measure.label(near, connectivity=2).max() > 1 or plug
    return frame[1:-1, 1:-1].astype(bool)


def test_skeleton_is_peeled_pixel_after_pixel():
    blank = np.zeros((1, 112, 112), bool)
    ink = np.concatenate([morphology.upscale(shapes()), blank, morphology.upscale(mnist(6)), blank])
    ink[0] = np.roll(ink[0], 37, axis=1)  # up to the frame
    bones = morphology.skeleton(ink)
    np.testing.assert_array_equal(drawn(bones), [peeled(image) for image in ink])
    np.testing.assert_array_equal(np.stack([bones.image, bones.y, bones.x], 1), np.argwhere(drawn(bones)))
    distance = [cv2.distanceTransform(np.pad(image, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] for image in ink]
    np.testing.assert_array_equal(bones.d, np.stack(distance)[drawn(bones)])


def test_skeleton_of_a_digit_does_not_depend_on_its_batch():
    ink = morphology.upscale(shapes())
    together = drawn(morphology.skeleton(ink))
    for image, expected in zip(ink, together, strict=True):
        assert (drawn(morphology.skeleton(image[None]))[0] == expected).all()


def test_a_disk_moves_the_distance_on_the_skeleton_by_its_radius():
    ink = morphology.upscale(shapes())
    bones = morphology.skeleton(ink)
    by = np.array([3, 2, -2])
    measured = morphology.mean_thickness(morphology.skeleton(morphology.thicken(ink, by)))
    assert morphology.mean_thickness(bones.grown(by)) == pytest.approx(measured, rel=0.15)


def test_points_are_spread_evenly_over_the_skeleton():
    bones = morphology.skeleton(morphology.upscale(shapes()))
    u = (np.arange(bones.count[1]) + 0.5) / bones.count[1]
    chosen = morphology.points(bones, np.stack([u, u, u]))
    assert (np.unique(chosen[1], axis=0) == np.unique(np.argwhere(drawn(bones)[1]), axis=0)).all()
    assert all(frame[y, x].all() for frame, y, x in zip(drawn(bones), chosen[..., 0], chosen[..., 1], strict=True))


# ---- thicken and thin


def test_thickening_and_thinning_are_scikit_images_to_the_pixel():
    for digits in (shapes(), mnist(100)):
        ink = morphology.upscale(digits)
        radius = morphology.disk_radius(morphology.skeleton(ink))
        for sign, change in ((1, plain.dilation), (-1, plain.erosion)):
            made = morphology.thicken(ink, sign * radius)
            for image, result, r in zip(ink, made, radius, strict=True):
                assert (np.pad(result, 1) == change(np.pad(image, 1), plain.disk(r)))[1:-1, 1:-1].all()


@pytest.mark.parametrize("amount", [0.7, 1.5, 10])
def test_thinning_leaves_ink_however_strong(amount):
    ink = morphology.upscale(shapes())
    radius = morphology.disk_radius(morphology.skeleton(ink), -amount)
    assert (radius < 0).all() and morphology.thicken(ink, radius).any((1, 2)).all()


# ---- swell


def swelled(image, centre, radius, strength):
    def source(xy):
        arm = xy - centre[::-1]
        return centre[::-1] + arm * np.minimum(np.hypot(*arm.T) / radius, 1)[:, None] ** (strength - 1)

    return transform.warp(image, source)


@pytest.mark.parametrize("strength", [2.0, 3.0, 4.5])
def test_swelling_is_scikit_images_warp(strength):
    for digits in (shapes(), mnist(100)):
        ink = morphology.upscale(digits)
        bones = morphology.skeleton(ink)
        centre = morphology.points(bones, np.random.default_rng(0).random((len(ink), 1)))[:, 0]
        radius = 14 * np.sqrt(morphology.mean_thickness(bones))
        reference = [swelled(image, c, r, strength) for image, c, r in zip(ink, centre, radius, strict=True)]
        assert differing(morphology.swell(ink, centre, radius, strength), np.stack(reference)).max() < 0.001


def test_swelling_reaches_over_the_frame():
    ink = np.ones((2, 112, 112), bool)
    ink[:, 40:] = False
    centre = np.array([[0, 0], [39, 111]])
    made = morphology.swell(ink, centre, np.array([30.0, 200.0]))
    assert (made[0] == ink[0]).all()  # nothing but ink around the corner
    assert made[1, 60, 111] and not ink[1, 60, 111]


@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(1, 50), st.floats(1.5, 5))
def test_swollen_is_the_inverse_of_what_swell_reads(y, x, radius, strength):
    centre, place = np.array([[50.0, 60.0]]), np.array([[[50.0 + y, 60.0 + x]]])
    arm = morphology.swollen(place, centre, np.array([radius]), strength) - centre
    back = centre + arm * min(np.hypot(*arm[0, 0]) / radius, 1) ** (strength - 1)
    assert back == pytest.approx(place, abs=1e-4)


# ---- fracture


def fractured(image, axis, places):
    """The published fracture, centred: its direction from the skeleton's moments, its length from the exact distance."""
    distance = ndimage.distance_transform_edt(np.pad(image, 40))
    axis, image = np.pad(axis, 40), np.pad(image, 40)
    for place in places + 40:
        window = np.argwhere(axis[tuple(slice(c - 8, c + 9) for c in place)])
        (u02, u11), (_, u20) = np.cov(window.T, bias=True)
        across = np.arctan2(2 * u11, u20 - u02) / 2 + np.pi / 2
        arm = (distance[tuple(place)] + 2) * np.array([np.sin(across), np.cos(across)])
        # the published code cuts the decimals off, a shift of half a pixel
        for y, x in zip(*draw.line(*np.rint(place + arm).astype(int), *np.rint(place - arm).astype(int)), strict=True):
            image[y - 3 : y + 4, x - 3 : x + 4] &= ~plain.disk(3, dtype=bool)
    return image[40:-40, 40:-40]


def plain_cuts(axis, distance, u, prune):
    """The cuts of one image: the skeleton without its tips, then without the forks of what is left."""
    axis, clear = np.pad(axis, 40), np.pad(axis, 40)
    for degrees in ([1], range(3, 9)):
        around = ndimage.convolve(clear.astype(int), np.ones((3, 3), int)) - 1
        for y, x in np.argwhere(clear & np.isin(around, degrees)):
            clear[y - prune : y + prune + 1, x - prune : x + prune + 1] &= ~plain.disk(prune, dtype=bool)
    places = np.argwhere(clear if clear.any() else axis)
    for place in places[(u * len(places)).astype(int)]:
        window = np.argwhere(axis[tuple(slice(c - 8, c + 9) for c in place)])
        (u02, u11), (_, u20) = np.cov(window.T, bias=True)
        across = np.arctan2(2 * u11, u20 - u02) / 2 + np.pi / 2
        arm = distance[tuple(place - 40)] * np.array([np.sin(across), np.cos(across)])
        yield [place - 40 - arm, place - 40 + arm]


def test_cuts_are_those_of_each_image_alone():
    for digits in (shapes(), mnist(100)):
        bones = morphology.skeleton(morphology.upscale(digits))
        distance, u = np.zeros((len(digits), 112, 112)), np.random.default_rng(0).random((len(digits), 3))
        distance[bones.image, bones.y, bones.x] = bones.d
        for prune in (2.0, 3.0, 0.25):
            made = np.sort(morphology.cuts(bones, u, prune), axis=2)  # which end is the first is up to rounding
            for one, axis, depth, chance in zip(made, drawn(bones), distance, u, strict=True):
                expected = np.sort(list(plain_cuts(axis, depth, chance, int(4 * prune))), axis=1)
                np.testing.assert_allclose(one, expected, atol=1e-6)


def test_fractures_are_the_published_ones_centred():
    for digits in (shapes(), mnist(200)):
        ink = morphology.upscale(digits)
        bones = morphology.skeleton(ink)
        ends = morphology.cuts(bones, np.random.default_rng(0).random((len(ink), 3)))
        places = np.rint(ends.mean(2)).astype(int)
        reference = np.stack([fractured(*each) for each in zip(ink, drawn(bones), places, strict=True)])
        assert differing(morphology.erase(ink, ends), reference).max() < 0.02


def test_published_fractures_are_the_published_code_s_to_the_pixel():
    """It truncates the ends of a cut to whole px, and then draws 3 px above and left of them."""
    ink = morphology.upscale(mnist(200))
    ends = morphology.cuts(morphology.skeleton(ink), np.random.default_rng(0).random((len(ink), 3)))
    expected = np.pad(ink, ((0, 0), (3, 3), (3, 3)))
    for image, pairs in zip(expected, ends, strict=True):
        for first, last in pairs:
            along = 2 * (last - first) / max(np.linalg.norm(last - first), 1e-6)
            for y, x in zip(*draw.line(*(last + along).astype(int), *(first - along).astype(int)), strict=True):
                image[y - 3 : y + 4, x - 3 : x + 4] &= ~plain.disk(3, dtype=bool)
    expected = expected[:, 3:-3, 3:-3]
    assert expected.any((1, 2)).all()  # else ours would leave the last ink
    np.testing.assert_array_equal(morphology.erase(ink, ends - 4 * morphology.OFFSET), expected)


@pytest.mark.parametrize("offset", [0.75, 0.25])
def test_an_offset_moves_the_same_fractures_up_and_left(offset):
    digits, none, one = shapes(), np.zeros(3, int), np.ones(3, int)
    ink = morphology.upscale(digits)
    u = np.random.default_rng(1).random((3, 6))
    ends = morphology.cuts(morphology.skeleton(ink), u[:, 3:]) - 4 * offset
    expected = morphology.downscale(morphology.erase(ink, ends), none, np.zeros((3, 2), int))
    made = morphology.perturb(digits, none, none, one, none, Rows(u), offset=offset)
    assert (made == expected).all()
    assert (made != morphology.perturb(digits, none, none, one, none, Rows(u))).any((1, 2)).all()


def test_a_cut_parts_a_bar_at_its_point_and_at_right_angles():
    ink = morphology.upscale(shapes()[:1])
    bones = morphology.skeleton(ink)
    for u in np.linspace(0.25, 0.75, 9):  # nearer the ends, the axis bends into the corners
        ends = morphology.cuts(bones, np.array([[u]]))
        (y0, x0), (y1, x1) = ends[0, 0]
        assert abs(y1 - y0) < 0.1 * abs(x1 - x0) and min(x0, x1) < 49 and max(x0, x1) > 62
        made = morphology.erase(ink, ends)
        assert measure.label(made[0]).max() == 2
        gap = np.argwhere(ink[0] & ~made[0])
        assert gap.mean(0) == pytest.approx([(y0 + y1) / 2, 55.5], abs=0.6)  # the published code is 3 px off
        assert np.ptp(gap[:, 0]) + 1 == pytest.approx(4 * 1.5, abs=1)


def test_cuts_keep_away_from_tips_and_forks():
    bones = morphology.skeleton(morphology.upscale(shapes()[2:]))  # a cross: its fork in the middle, four tips
    middle = morphology.cuts(bones, np.linspace(0, 0.999, 50)[None])[0].mean(1)
    from_fork = np.abs(middle - 55.5).max(1)
    assert from_fork.min() > 7 and from_fork.max() < 40 - 7


def test_a_stroke_of_only_tips_is_cut_all_the_same_but_never_lost():
    dot = np.zeros((1, 112, 112), bool)
    dot[0, 50:60, 50:60] = True
    ends = morphology.cuts(morphology.skeleton(dot), np.array([[0.0, 0.5, 0.99]]))
    assert (morphology.erase(dot, ends, width=5) == dot).all()  # all cuts together would leave nothing
    assert 0 < morphology.erase(dot, ends[:, :1], width=0.5).sum() < dot.sum()


def test_a_cut_crosses_a_swelling_from_edge_to_edge():
    ink = morphology.upscale(shapes()[:1])
    centre, radius = np.array([[55, 55]]), np.array([28.0])
    swollen = morphology.swell(ink, centre, radius)
    ends = morphology.cuts(morphology.skeleton(ink), np.linspace(0.3, 0.7, 9)[None])
    for cut in np.split(morphology.swollen(ends, centre, radius), 9, axis=1):
        assert measure.label(morphology.erase(swollen, cut)[0]).max() == 2


# ---- the chain


@pytest.mark.parametrize("digits", [shapes, lambda: mnist(20)], ids=["shapes", "mnist"])
def test_every_factor_shows(digits):
    digits = digits()
    n = len(digits)
    none, one = np.zeros(n, int), np.ones(n, int)

    def made(**factors):
        factors = {"thickness": none, "swelling": none, "fracture": none, "size": none} | factors
        return morphology.perturb(digits, rng=np.random.default_rng(0), **factors).astype(float)

    plain_ = made()
    ink = plain_.sum((1, 2))
    assert (made(thickness=one).sum((1, 2)) > 1.2 * ink).all()
    assert (made(thickness=2 * one).sum((1, 2)) < 0.8 * ink).all()
    assert (made(swelling=one).sum((1, 2)) > 1.02 * ink).all()
    assert (made(fracture=one).sum((1, 2)) < 0.98 * ink).all()
    small = made(size=one)
    assert small.sum((1, 2)) == pytest.approx(0.75**2 * ink, rel=0.1)
    assert (
        not small[:, :3].any() and not small[:, 25:].any() and not small[:, :, :3].any() and not small[:, :, 25:].any()
    )


def test_an_image_depends_on_its_digit_its_factors_and_its_row_alone():
    digits = np.concatenate([np.tile(shapes(), (50, 1, 1)), shapes().repeat(50, 0)])  # apart, and many in a row
    factors = VARIANTS[:, np.arange(300) % 24]
    u = np.random.default_rng(1).random((300, 6))
    together = morphology.perturb(digits, *factors, Rows(u))  # more than one block
    for i in np.random.default_rng(2).choice(300, 40, replace=False):
        i = slice(i, i + 1)
        assert (morphology.perturb(digits[i], *factors[:, i], Rows(u[i])) == together[i]).all()
    backwards = morphology.perturb(digits[::-1], *factors[:, ::-1], Rows(u[::-1]))
    assert (backwards[::-1] == together).all()


@pytest.mark.parametrize(
    ("strengths", "checksum"),
    [
        (morphology.PUBLISHED, "ae3f26951ac39420ad0778333adf46e03e08dda84861bdb44917dfa065f89ec2"),
        (morphology.STRONG, "24c81fd70a555ab1e4acfcbfbe23d9eb0bce424f4aaea564ae098caca6704a01"),
    ],
    ids=["published", "strong"],
)
def test_the_bytes_never_change(strengths, checksum):
    digits, factors = shapes().repeat(24, 0), np.tile(VARIANTS, 3)
    made = morphology.perturb(digits, *factors, np.random.default_rng(2404), **strengths)
    assert hashlib.sha256(made.tobytes()).hexdigest() == checksum


def test_the_published_strengths_are_the_defaults():
    keywords = inspect.signature(morphology.perturb).parameters
    assert {name: keywords[name].default for name in morphology.PUBLISHED} == morphology.PUBLISHED
    assert morphology.STRONG.keys() == morphology.PUBLISHED.keys()


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_the_size_of_a_block_changes_nothing(block, monkeypatch):
    digits = np.concatenate([np.tile(shapes(), (40, 1, 1)), shapes().repeat(8, 0)])
    factors = VARIANTS[:, np.arange(len(digits)) % 24]
    expected = morphology.perturb(digits, *factors, np.random.default_rng(3))
    monkeypatch.setattr(morphology, "BLOCK", block)
    assert (morphology.perturb(digits, *factors, np.random.default_rng(3)) == expected).all()


def test_a_seed_repeats_and_a_longer_batch_begins_alike():
    digits = shapes().repeat(24, 0)
    factors = np.tile(VARIANTS, 3)
    first, again, other = (morphology.perturb(digits, *factors, np.random.default_rng(s)) for s in (5, 5, 6))
    assert (first == again).all() and (first != other).any()
    begun = morphology.perturb(digits[:10], *factors[:, :10], np.random.default_rng(5))
    assert (begun == first[:10]).all()


@settings(deadline=None, max_examples=40)
@given(
    arrays.arrays(np.uint8, (28, 28), elements=st.sampled_from([0, 0, 0, 0, 90, 255]), fill=st.just(0)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.7, 2.0]),
    st.integers(0, 5),
)
def test_ink_stays_ink_and_paper_stays_paper(digit, seed, amount, fractures):
    digits = np.stack([digit] * 24 + [np.full_like(digit, 200)])
    factors = np.append(VARIANTS, VARIANTS[:, -1:], axis=1)
    made = morphology.perturb(
        digits, *factors, np.random.default_rng(seed), amount=amount, fractures=fractures, width=3.0, radius=10.0
    )
    assert made[:24].any((1, 2)).all() == (np.ptp(digit) > 0)
    assert not made[24].any()  # no contrast


def test_nothing_in_nothing_out():
    none = np.zeros(0, int)
    assert (
        morphology.perturb(np.zeros((0, 28, 28), np.uint8), none, none, none, none, np.random.default_rng(0)).size == 0
    )


@pytest.mark.parametrize(
    ("digits", "factor", "message"),
    [
        (np.zeros((2, 28, 28)), [0, 0], "digits are float64"),
        (np.zeros((2, 32, 32), np.uint8), [0, 0], "should be uint8"),
        (np.zeros((2, 28, 28), np.uint8), [0, 3], r"each one of \[0, 1, 2\]"),
        (np.zeros((2, 28, 28), np.uint8), [0], "thickness should be 2 values"),
    ],
)
def test_mistakes_are_told(digits, factor, message):
    with pytest.raises(InputError, match=message):
        morphology.perturb(digits, factor, [0, 0], [0, 0], [0, 0], np.random.default_rng(0))
