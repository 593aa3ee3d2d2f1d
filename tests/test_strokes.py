"""Handwriting digits from strokes: format, independence of rows, and latents that mean what they say."""

import gzip
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from data_gen import InputError
from data_gen.digits import strokes

MNIST = Path(os.environ.get("SYNTHGAP_MNIST") or Path(__file__).parents[2] / "shared/data/mnist")


def drawn(labels, seed=0):
    return strokes.draw(np.asarray(labels), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def many():
    labels = np.repeat(np.arange(10), 500)
    return labels, *drawn(labels)


def moments(images):
    """Centres of mass [N], [N] and shear [N] (positive leans right), by the image's second moments."""
    ink = images / images.sum((1, 2), keepdims=True)
    y, x = np.mgrid[:28, :28]
    cy, cx = (ink * y).sum((1, 2)), (ink * x).sum((1, 2))
    dy, dx = y - cy[:, None, None], x - cx[:, None, None]
    return cy, cx, -(ink * dy * dx).sum((1, 2)) / (ink * dy * dy).sum((1, 2))


def side(images, axis):
    """Height (axis 1) or width (axis 2) of the ink, in px."""
    inked = (images > 0).any(3 - axis)
    return 28 - inked.argmax(1) - inked[:, ::-1].argmax(1)


def test_the_same_generator_state_draws_the_same_bytes():
    labels = np.arange(10)
    images, style = drawn(labels, seed=5)
    again, same = drawn(labels, seed=5)
    other, _ = drawn(labels, seed=6)
    assert images.shape == (10, 28, 28) and images.dtype == np.uint8
    assert (images == again).all() and (images != other).any((1, 2)).all()
    assert all((style[name] == same[name]).all() for name in style)


def test_style_is_a_column_a_latent():
    _, style = drawn([3, 1, 4])
    assert style.pop("variant").dtype == np.int8 and style.pop("writer").dtype == np.int16
    assert all(latent.shape == (3,) and latent.dtype == np.float32 for latent in style.values())
    assert {name.removesuffix("_0") for name in strokes.LATENTS} == {
        name.rstrip("0123456789").rstrip("_") for name in style
    }
    for name, latent in strokes.LATENTS.items():
        assert ((style[name] >= latent.low) & (style[name] <= latent.high)).all(), name


def test_an_image_depends_on_its_own_row_only():
    labels = np.arange(40) % 10
    images, style = drawn(labels)
    changed = labels.copy()
    changed[::2] = 9 - changed[::2]
    others, other_style = drawn(changed)
    assert (images[1::2] == others[1::2]).all() and (images[::2] != others[::2]).any((1, 2)).all()
    assert all((style[name][1::2] == other_style[name][1::2]).all() for name in style)


def test_a_shorter_call_draws_the_first_images_of_a_longer_one(monkeypatch):
    labels = np.arange(30) % 10
    images, _ = drawn(labels)
    assert (drawn(labels[:7])[0] == images[:7]).all()
    monkeypatch.setattr(strokes, "CHUNK", 8)
    assert (drawn(labels)[0] == images).all()


def test_no_labels_no_images():
    images, style = drawn(np.zeros(0, int))
    assert images.shape == (0, 28, 28) and style["slant"].shape == (0,)


@pytest.mark.parametrize("labels", [[10], [-1], [0.5], [[1, 2]], [True]])
def test_labels_are_a_vector_of_digits(labels):
    with pytest.raises(ValueError, match="from 0 to 9"):
        drawn(labels)


@pytest.mark.parametrize("digit", range(10))
def test_forms_share_a_digit(digit):
    forms = strokes.FORMS[digit]
    assert len(forms) >= 2 and len({form.name for form in forms}) == len(forms)
    assert sum(form.share for form in forms) == pytest.approx(1)
    assert all(low < high for form in forms for low, high in form.ranges.values())


def test_every_form_appears_with_its_share(many):
    labels, _, style = many
    for digit, forms in enumerate(strokes.FORMS):
        variants = style["variant"][labels == digit]
        share = np.array([form.share for form in forms])
        found = np.bincount(variants, minlength=len(forms)) / len(variants)
        assert (found > 0).all() and (abs(found - share) < 4 * np.sqrt(share * (1 - share) / len(variants))).all()


def test_a_form_has_as_many_shape_latents_as_parameters(many):
    labels, _, style = many
    shape = np.stack([style[f"shape_{i}"] for i in range(strokes.SHAPE)], 1)
    parameters = [len(strokes.FORMS[d][v].ranges) for d, v in zip(labels, style["variant"], strict=True)]
    assert ((shape != 0).sum(1) == parameters).all()
    assert abs(shape).max() <= 1.4 and abs(shape[style["reach"] == 1]).max() <= 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 2**32))
def test_ink_fills_a_box_of_20_px_around_its_centre_of_mass(labels, seed):
    images, _ = drawn(labels, seed)
    cy, cx, _ = moments(images)
    assert (np.maximum(side(images, 1), side(images, 2)) == 20).all()
    for centre, edges in ((cy, images[:, [0, -1], :]), (cx, images[:, :, [0, -1]])):  # only the border stops a box
        assert ((abs(centre - 14) <= 0.501) | edges.any((1, 2))).all()


def test_slant_leans_a_one_to_the_right(many):
    labels, images, style = many
    plain = (labels == 1) & (style["variant"] == 0)
    lean = moments(images[plain])[2]
    latent = np.tan(np.arctan(style["slant"][plain]) + style["rotation"][plain])  # clockwise turns lean right as well
    assert np.corrcoef(lean, latent)[0, 1] > 0.9
    assert np.polyfit(latent, lean, 1)[0] == pytest.approx(1, abs=0.2)


def test_pen_is_the_width_of_a_line_in_px(many):
    labels, images, style = many
    plain = (labels == 1) & (style["variant"] == 0)
    length = np.hypot(side(images[plain], 1), side(images[plain], 2) - style["pen"][plain])
    width = (images[plain] / 255).sum((1, 2)) / length
    assert np.corrcoef(width, style["pen"][plain])[0, 1] > 0.9
    assert np.median(width / style["pen"][plain]) == pytest.approx(1, abs=0.1)


def test_pen_inks_every_digit(many):
    labels, images, style = many
    ink = images.sum((1, 2)) / 255
    assert all(np.corrcoef(ink[labels == d], style["pen"][labels == d])[0, 1] > 0.7 for d in range(10))


def test_aspect_widens_a_zero(many):
    labels, images, style = many
    zero = labels == 0
    width = side(images[zero], 2) / side(images[zero], 1)
    assert np.corrcoef(np.log(width), np.log(style["aspect"][zero]))[0, 1] > 0.5


# ---- writers


def test_the_splits_share_no_writer(many):
    labels, _, style = many
    writers = [set(style["writer"].tolist())]
    for split in ("test", "validation"):
        _, other = strokes.draw(labels, np.random.default_rng(0), split=split)
        writers.append(set(other["writer"].tolist()))
    for i, mine in enumerate(writers):
        assert i * strokes.WRITERS <= min(mine) and max(mine) < (i + 1) * strokes.WRITERS
        assert len(mine) > 0.9 * strokes.WRITERS


def test_writers_are_the_same_people_for_every_seed():
    """The mean slant of a writer's digits, from two seeds: habits agree, the moment's chance does not."""
    labels = np.zeros(10_000, int)
    (_, a), (_, b) = (strokes.draw(labels, np.random.default_rng(seed)) for seed in (1, 2))
    means = [
        np.bincount(s["writer"], s["slant"], 1000) / np.maximum(np.bincount(s["writer"], minlength=1000), 1)
        for s in (a, b)
    ]
    assert np.corrcoef(*means)[0, 1] > 0.9


@pytest.fixture(scope="module")
def crowd():
    labels = np.arange(20_000) % 10
    return labels, drawn(labels)[1]


@pytest.mark.parametrize("name", ["slant", "pen", "contrast", "tension"])
def test_a_writer_s_digits_are_alike_and_all_digits_have_the_habit(crowd, name):
    labels, style = crowd
    latent = style[name].copy()
    for digit in range(10):  # each digit has its own mean; what is left is the writer's and the moment's
        latent[labels == digit] -= latent[labels == digit].mean()
    by_writer = np.bincount(style["writer"], latent) / np.maximum(np.bincount(style["writer"]), 1)
    share = by_writer.var() / latent.var()
    assert share == pytest.approx(strokes.HABIT[name], abs=0.15)


def test_a_writer_keeps_to_a_form_of_a_digit_but_not_of_all():
    labels = np.repeat([4, 9], 10_000)
    _, style = drawn(labels)
    four, nine = (style["variant"][labels == d] for d in (4, 9))
    writer = style["writer"][:10_000]
    common = np.array([np.bincount(four[writer == w]).max() / (writer == w).sum() for w in range(200)])
    assert common.mean() > np.bincount(four).max() / len(four) + 0.2
    assert abs(np.corrcoef(four, nine)[0, 1]) < 0.05


def test_writers_leave_the_distribution_of_all_images_as_it_is(many):
    """Habit and moment add up to a standard normal: a slant over all writers is spread as the table says."""
    labels, _, style = many
    z = (style["slant"] - strokes.SLANT[labels]) / strokes.SLANT_SD
    assert abs(z.mean()) < 0.06 and z.std() == pytest.approx(1, abs=0.05)


# ---- style that is chosen


def test_a_given_latent_is_what_is_drawn():
    labels = np.ones(300, int)
    lean = []
    for slant in (-0.4, 0.0, 0.4):
        images, style = strokes.draw(
            labels, np.random.default_rng(0), given={"slant": slant, "rotation": 0, "warp": 0, "shape_0": 0}
        )
        assert (style["slant"] == np.float32(slant)).all()
        plain = style["variant"] == 0
        lean.append(np.median(moments(images[plain])[2]))
    assert lean == pytest.approx([-0.4, 0.0, 0.4], abs=0.06)


def test_a_latent_given_leaves_the_others_as_they_were():
    labels = np.arange(50) % 10
    _, free = drawn(labels)
    _, bound = strokes.draw(labels, np.random.default_rng(0), given={"pen": np.linspace(1.5, 4, 50)})
    assert all((free[name] == bound[name]).all() for name in free if name != "pen")


def test_a_latent_is_drawn_from_a_part_of_its_distribution(many):
    labels, _, whole = many
    halves = np.arange(len(labels)) % 2
    _, style = strokes.draw(labels, np.random.default_rng(3), between={"slant": (halves / 2, halves / 2 + 0.5)})
    z = (style["slant"] - strokes.SLANT[labels]) / strokes.SLANT_SD
    assert z[halves == 0].max() <= 1e-6 and z[halves == 1].min() >= -1e-6
    assert np.sort(style["slant"])[::500] == pytest.approx(
        np.sort(whole["slant"])[::500], abs=0.12
    )  # as before, in all


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"given": {"slnt": 0.1}}, "did you mean 'slant'"),
        ({"given": {"variant": 0}}, "unknown latent"),
        ({"given": {"pen": 60}}, r"pen=60: the stroke's width, px of 28; it must lie in \[1.1, 6\]"),
        ({"given": {"slant": float("nan")}}, "it must lie in"),
        ({"given": {"shape_99": 0}}, "unknown latent"),
        ({"between": {"warp": (0, 1)}}, "drawn from a part"),
        ({"given": {"pen": np.linspace(2, 60, 10)}}, "pen=8.44444: the stroke's width"),
        ({"given": {"slant": "steep"}}, "slant must be a number, or a vector of 10 numbers"),
        ({"given": {"slant": np.zeros(3)}}, "slant must be a number, or a vector of 10 numbers"),
        ({"between": {"slant": (0.5, 0.4)}}, "low <= high"),
        ({"between": {"slant": 0.5}}, "low <= high"),
        ({"between": {"slant": (0, "half")}}, "a part of slant must be a number"),
        (
            {"given": {"pen": 1.1, "blur": 2, "contrast": 10}},
            "nothing is left of a digit with pen=1.1, blur=2, contrast=10",
        ),
        ({"split": "valid"}, "did you mean 'validation'"),
    ],
)
def test_what_can_t_be_chosen_is_told(asked, said):
    with pytest.raises(InputError, match=said) as error:
        strokes.draw(np.arange(10), np.random.default_rng(0), **asked)
    assert "\n" not in str(error.value)


def test_a_spline_passes_its_points_and_draws_a_circle_round():
    turn = np.linspace(0, 2 * np.pi, 9)
    points = np.stack([np.cos(turn), np.sin(turn)], 1)[None]
    curve = strokes._spline(points, [False] * 9, np.array([0.5]))
    assert curve[:, :: strokes.STEPS] == pytest.approx(points)
    inner = curve[0, strokes.STEPS : -strokes.STEPS]  # the ends have no neighbour to round them
    assert np.linalg.norm(inner, axis=1) == pytest.approx(1, abs=0.01)


def test_ink_is_blurred_as_opencv_blurs_bytes():
    rng = np.random.default_rng(0)
    low, high = (strokes.ZOOM * end for end in (strokes.LATENTS["blur"].low, strokes.LATENTS["blur"].high))
    blurs = [low, high, *rng.uniform(low, high, 100), *rng.uniform(1, 2.2, 200)]
    for blur, weights in zip(blurs, strokes._weights(blurs), strict=True):
        lines, grey = rng.random((2, *rng.integers(2, 60, 2)))
        for ink in (255 * (lines < 0.5), 255 * grey):
            ink = ink.astype(np.uint8)
            np.testing.assert_array_equal(strokes._blurred(ink, weights), cv2.GaussianBlur(ink, (0, 0), blur))


def test_each_ink_is_placed_as_alone():
    """Against explicit lines for a single image."""
    rng = np.random.default_rng(0)
    inks = [
        rng.integers(1, 256, shape, np.uint8) * (rng.random(shape) < 0.3) for shape in rng.integers(5, 90, (300, 2))
    ]
    for ink in inks:
        ink[rng.integers(len(ink)) :, :] //= 4  # masses beside the middle
    made = np.full((len(inks), 28, 28), 7, np.uint8)
    strokes._place(iter(inks), made)
    for ink, image in zip(inks, made, strict=True):
        high, wide = (max(1, round(side * 20 / max(ink.shape))) for side in ink.shape)
        small = cv2.resize(ink, (wide, high), interpolation=cv2.INTER_AREA)
        mass = cv2.moments(small)
        left = min(max(round(14 - mass["m10"] / mass["m00"]), 0), 28 - wide)
        top = min(max(round(14 - mass["m01"] / mass["m00"]), 0), 28 - high)
        np.testing.assert_array_equal(image, np.pad(small, ((top, 28 - high - top), (left, 28 - wide - left))))


def test_strokes_are_readable(many):
    labels, images, _ = many
    flat = images.reshape(len(images), -1).astype(np.float32)
    fresh, _ = drawn(np.arange(500) % 10, seed=1)
    reader = KNeighborsClassifier(1).fit(flat, labels)
    assert reader.score(fresh.reshape(500, -1), np.arange(500) % 10) > 0.75


def test_strokes_teach_to_read_handwriting(many):
    files = [MNIST / f"t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no MNIST in {MNIST} (set SYNTHGAP_MNIST to a folder with its IDX files)")
    pixels, answers = (np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8) for file in files)
    real, answers = pixels[16:].reshape(-1, 784)[:1000], answers[8:][:1000]
    labels, images, _ = many
    reader = KNeighborsClassifier(1).fit(images.reshape(len(images), -1).astype(np.float32), labels)
    assert reader.score(real, answers) > 0.75
