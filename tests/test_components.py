"""Principal components of images: those of scikit-learn, in a direction and to the byte the same every time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from data_gen import InputError, components
from data_gen.digits import idx, strokes
from data_gen.seeds import generator


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return strokes.draw(np.arange(600) % 10, generator(0, "digits"), split="train")[0]


@pytest.mark.parametrize("k", [1, 5, 40])
def test_components_are_those_of_scikit_learn(digits, k):
    flat = digits.reshape(len(digits), -1).astype(float)
    oracle = PCA(k, svd_solver="full").fit(flat)
    fitted = components.fit(digits, k)
    np.testing.assert_allclose(fitted.mean, oracle.mean_)
    np.testing.assert_allclose(fitted.variances * 600 / 599, oracle.explained_variance_)
    np.testing.assert_allclose(np.abs((fitted.axes * oracle.components_).sum(axis=1)), 1)
    again = np.clip(np.rint(oracle.inverse_transform(oracle.transform(flat[:50]))), 0, 255)
    np.testing.assert_array_equal(components.reduced(digits[:50], fitted).reshape(50, -1), again)


def test_neither_order_nor_batch_nor_test_images_change_a_byte(digits, monkeypatch):
    train, test = digits[:400], digits[400:]
    fitted = components.fit(train, 7)
    shuffled = components.fit(train[generator(0).permutation(400)], 7)
    for a, b in zip(fitted, shuffled, strict=True):
        np.testing.assert_array_equal(a, b)
    whole = components.reduced(test, fitted)
    monkeypatch.setattr(components, "_ROWS", 33)
    np.testing.assert_array_equal(components.reduced(test, fitted), whole)
    np.testing.assert_array_equal(components.fit(train, 7).axes, fitted.axes)
    assert whole.shape == test.shape and whole.dtype == np.uint8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(1, 9))
def test_a_sign_is_settled_and_all_components_are_the_image(seed, n, side):
    images = generator(seed).integers(0, 256, (n, side, 4), dtype=np.uint8)
    pixels, k = 4 * side, min(n, 4 * side)
    fitted = components.fit(images, k)
    np.testing.assert_allclose(fitted.axes @ fitted.axes.T, np.eye(k), atol=1e-9)
    assert fitted.axes.shape == (k, pixels) and (np.diff(fitted.variances) <= 1e-9).all()
    largest = np.abs(fitted.axes).argmax(axis=1)
    assert (fitted.axes[np.arange(k), largest] > 0).all()
    np.testing.assert_array_equal(components.reduced(images, fitted), images)


def test_images_of_any_shape_keep_it(digits):
    colour = np.stack([digits] * 3, axis=-1)[:100, ::4, ::4]
    assert components.reduced(colour, components.fit(colour, 3)).shape == (100, 7, 7, 3)
    flat = np.full((5, 2, 2), 9, dtype=np.uint8)  # nothing varies: the mean is all there is
    np.testing.assert_array_equal(components.reduced(flat, components.fit(flat, 1)), flat)


@pytest.mark.parametrize("k", [0, -1, 785, 2.5])
def test_a_number_of_components_that_cannot_be_is_told(k):
    images = np.zeros((1000, 28, 28), dtype=np.uint8)
    with pytest.raises(InputError, match=rf"image.components={k}: it must be a whole number from 1 to 784"):
        components.fit(images, k)
    with pytest.raises(InputError, match="from 1 to 20, for 20 images of 784 pixels"):
        components.fit(images[:20], 21)


def test_other_images_are_told(digits):
    with pytest.raises(InputError, match="components of 784 pixels cannot reduce images of 196"):
        components.reduced(digits[:, ::2, ::2], components.fit(digits, 3))
    with pytest.raises(InputError, match="images must be uint8"):
        components.fit(digits.astype(float), 3)


def test_components_set_how_hard_real_digits_are(mnist):
    images, labels = idx.read(mnist, "train")
    train, test = slice(0, 6000), slice(6000, 7000)
    accuracy = []
    for k in (3, 5, 10):
        left = components.reduced(images[:7000], components.fit(images[train], k)).reshape(7000, -1)
        accuracy.append(KNeighborsClassifier(15).fit(left[train], labels[train]).score(left[test], labels[test]))
    assert accuracy == pytest.approx([0.50, 0.74, 0.91], abs=0.06)
