"""MAD's pixels: what each factor does to them, from generated strokes and from files."""

import numpy as np
import pytest

from data_gen import MAD, InputError
from data_gen.seeds import generator
from data_gen.worlds import mad
from data_gen.worlds.mad import HUES


def rendered(n: int = 300, **changes) -> tuple[np.ndarray, np.ndarray]:
    """n strokes whose factors are drawn, except those that are set; the same handwriting whatever is set."""
    codes = MAD.sample(n, generator(0, "factors"))
    for name, value in changes.items():
        codes[:, MAD.index(name)] = MAD[name].values.index(value)
    images, _ = mad.world("strokes").render(codes, generator(0, "render"))
    return images, codes


@pytest.mark.parametrize("colour", MAD["colour"].values)
def test_a_colour_scales_a_fixed_hue_and_changes_nothing_else(colour):
    gray, _ = rendered(60, colour="gray")
    images, _ = rendered(60, colour=colour)
    np.testing.assert_array_equal(images, gray * HUES[MAD["colour"].values.index(colour)])
    assert (gray[..., 0] == gray[..., 1]).all()


def ink(images: np.ndarray) -> np.ndarray:
    return (images.max(axis=3) / 255).sum(axis=(1, 2))


def test_thickness_orders_the_ink():
    thin, plain, thick = (
        ink(rendered(thickness=value, swelling="no swelling", fracture="no fracture", size="large")[0])
        for value in ("thinning", "no thickthinning", "thickening")
    )
    assert (thin < thick).all()
    assert (thin <= plain + 1e-6).mean() > 0.98
    assert (plain <= thick + 1e-6).mean() > 0.98
    assert (thin > 1).all()  # nothing vanishes


def test_fracture_takes_ink_away_and_swelling_adds_it():
    for thickness in ("thickening", "no thickthinning"):
        whole = ink(rendered(thickness=thickness, swelling="no swelling", fracture="no fracture", size="large")[0])
        broken = ink(rendered(thickness=thickness, swelling="no swelling", fracture="fracture", size="large")[0])
        swollen = ink(rendered(thickness=thickness, swelling="swelling", fracture="no fracture", size="large")[0])
        assert (broken < whole).mean() > 0.97
        assert (swollen > whole).mean() > 0.9


def test_small_digits_fit_into_21_pixels():
    images, _ = rendered(size="small")
    rows, columns = (images.max(axis=3) > 0).any(axis=2), (images.max(axis=3) > 0).any(axis=1)
    for lit in (rows, columns):
        extent = 28 - lit[:, ::-1].argmax(axis=1) - lit.argmax(axis=1)
        assert extent.max() <= 22
        assert extent.mean() < 17


def test_digits_from_files_keep_their_label_and_say_where_they_are_from(mnist):
    codes = MAD.sample(400, generator(0, "factors"))
    _, style = mad.world("idx", mnist, "test").render(codes, generator(0, "render"))
    from data_gen.digits import idx

    np.testing.assert_array_equal(idx.read(mnist, "test")[1][style["source_index"]], codes[:, 0])


def drawn(codes: np.ndarray, **options) -> np.ndarray:
    return mad.world("strokes", **options).render(codes, generator(0, "render"))[0].astype(int)


def test_published_colours_turn_bright_strokes_white_and_corrected_ones_never():
    codes = MAD.sample(200, generator(0, "factors"))
    gray = drawn(codes * (np.arange(6) != 5), variant="published")
    for variant in mad.VARIANTS:
        for name, (r, g, b) in {"red": (1, 0, 0), "yellow": (1, 1, 0), "magenta": (1, 0, 1)}.items():
            codes[:, 5] = MAD["colour"].values.index(name)
            images, lit = drawn(codes, variant=variant), np.array((r, g, b), bool)
            if variant == "published" and lit.sum() == 2:
                np.testing.assert_array_equal(images[..., ~lit], gray[..., :1])  # the third channel keeps the gray
                assert (images[..., lit] == 255 * (gray[..., :1] > 0)).all()
            else:
                assert not images[..., ~lit].any()


def test_published_cuts_lie_above_and_left_of_their_points():
    codes = MAD.sample(300, generator(0, "factors")) * np.array([1, 0, 0, 0, 0, 0])
    whole, y, x = drawn(codes)[..., 0], *np.mgrid[:28, :28]
    uncut = drawn(codes, variant="published")[..., 0]
    assert ((uncut == whole) | (uncut == whole - 1)).all() and (
        uncut < whole
    ).any()  # gray and large, it truncates once
    codes[:, 3] = 1
    place = []
    for variant in mad.VARIANTS:
        before = uncut if variant == "published" else whole
        lost = (before - drawn(codes, variant=variant)[..., 0]).clip(0)
        place.append(((lost * y).sum() / lost.sum(), (lost * x).sum() / lost.sum()))
    corrected, published = np.array(place)
    assert ((published - corrected) < -0.2).all()  # less than 0.875 px: beside the stroke there is nothing to lose


def test_the_published_variant_lights_fewer_pixels():
    """Its down-scaling truncates. Ours rounded, which lit pixels that the published data leaves dark."""
    codes = MAD.sample(300, generator(0, "factors")) * np.array([1, 1, 1, 0, 1, 0])
    corrected, published = (drawn(codes, variant=variant)[..., 0] for variant in mad.VARIANTS)
    lit = (corrected > 0) & (published == 0)
    assert lit.mean() > 0.005 and not ((published > 0) & (corrected == 0)).any()


def test_the_published_variant_has_another_identity_than_before_its_pixels_were_mended():
    assert mad.world("strokes", variant="published").identity["faults"] == mad.FAULTS
    assert "faults" not in mad.world("strokes").identity  # so that datasets and runs of the corrected one stay


@pytest.mark.parametrize(("factor", "value"), [("thickness", 1), ("swelling", 1), ("fracture", 1)])
def test_the_strong_setting_changes_more_than_the_published_one(factor, value):
    codes = np.zeros((200, 6), int)
    codes[:, 0] = np.arange(200) % 10
    plain = drawn(codes)
    codes[:, MAD.index(factor)] = value
    changed = [abs(drawn(codes, strength=strength) - plain).mean() for strength in mad.STRENGTHS]
    assert changed[1] > 1.2 * changed[0]


def test_every_style_that_can_be_a_factor_is_a_latent_with_halves():
    space = mad.space(list(mad.STYLE))
    assert space.names == (*MAD.names, *mad.STYLE)
    codes = space.sample(500, generator(0, "factors"))
    _, style = mad.world("strokes", style=list(mad.STYLE)).render(codes, generator(0, "render"))
    for i, name in enumerate(mad.STYLE):
        latent, upper = style[f"latent_{name}"], codes[:, 6 + i] == 1
        for digit in range(10):
            mine = codes[:, 0] == digit
            assert latent[mine & ~upper].max() <= latent[mine & upper].min() + 1e-6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variant": "original"}, "allowed: corrected, published"),
        ({"strength": "strng"}, "did you mean 'strong'"),
        ({"style": ["slnt"]}, "did you mean 'slant'"),
        ({"given": {"pen": 99}}, "must lie in"),
    ],
)
def test_what_no_world_has_is_told(options, said):
    with pytest.raises(InputError, match=said):
        mad.world("strokes", **options)


def test_style_is_for_strokes(mnist):
    for options in ({"style": ["slant"]}, {"given": {"slant": 0.1}}):
        with pytest.raises(InputError, match="only where digits=strokes draws it"):
            mad.world("idx", mnist, **options)


def test_an_unknown_source_is_told():
    with pytest.raises(InputError, match="did you mean 'strokes'"):
        mad.world("stroke")
