"""MAD's pixels: what each factor does to them, from generated strokes and from files."""

import numpy as np
import pytest

from data_gen import MAD, InputError, mad
from data_gen.mad import HUES
from data_gen.seeds import generator


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


def test_an_unknown_source_is_told():
    with pytest.raises(InputError, match="did you mean 'strokes'"):
        mad.world("stroke")
