"""Images at fewer principal components: how hard a digit is to see, as AV-MNIST's image side sets it.

The components are those of the training images alone, and the mean is put back, so that what is left is still a digit.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from data_gen.errors import InputError

_ROWS = 4096  # taken as float64 at once


class Components(NamedTuple):
    """mean float64 [pixels]; axes float64 [k, pixels], orthonormal, of falling variance; variances float64 [k]."""

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray


def fit(images: np.ndarray, k: int) -> Components:
    """The first k principal components of images uint8 [N, …]. Raises InputError unless 1 ≤ k ≤ pixels, and k ≤ N.

    Sums are of whole numbers, so that neither the images' order nor blocks change them. An axis' largest entry (the first
    of equals) is positive.
    """
    flat = _flat(images)
    n, pixels = flat.shape
    check(k, n, pixels)
    total, squares = np.zeros(pixels), np.zeros((pixels, pixels))
    for start in range(0, n, _ROWS):
        block = flat[start : start + _ROWS].astype(np.float64)
        total += block.sum(axis=0)
        squares += block.T @ block
    mean = total / n
    variances, axes = eigh(squares / n - np.outer(mean, mean), subset_by_index=(pixels - int(k), pixels - 1))
    axes = axes.T[::-1]
    largest = np.take_along_axis(axes, np.abs(axes).round(9).argmax(axis=1)[:, None], axis=1)
    return Components(mean, axes * np.sign(largest), np.maximum(variances[::-1], 0))


def check(k: int, n: int, pixels: int) -> None:
    """Whether n images can have k components. Raises InputError."""
    if not (k == int(k) and 1 <= k <= min(n, pixels)):
        raise InputError(
            f"image.components={k}: it must be a whole number from 1 to {min(n, pixels)}, "
            f"for {n:,} images of {pixels} pixels"
        )


def reduced(images: np.ndarray, components: Components) -> np.ndarray:
    """Images uint8 [n, …] as the mean and their part along the components alone, uint8; of the same shape."""
    flat = _flat(images)
    if flat.shape[1] != len(components.mean):
        raise InputError(f"components of {len(components.mean)} pixels cannot reduce images of {flat.shape[1]}")
    out = np.empty_like(flat)
    for start in range(0, len(flat), _ROWS):
        score = (flat[start : start + _ROWS] - components.mean) @ components.axes.T
        out[start : start + _ROWS] = np.clip(np.rint(score @ components.axes + components.mean), 0, 255)
    return out.reshape(np.shape(images))


def _flat(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim < 2:
        raise InputError(f"images must be uint8 [N, …], got {images.dtype} {list(images.shape)}")
    return images.reshape(len(images), -1)
