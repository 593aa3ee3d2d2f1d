"""What a digit measures: its area, stroke length and width, slant, width and height; Morpho-MNIST's morphometrics.

Source: Castro, Tan, Kainz, Konukoglu, Glocker, "Morpho-MNIST: Quantitative Assessment and Diagnostics for
Representation Learning" (JMLR 2019). As there, a digit is enlarged fourfold; ink is what lies over its middle grey, and
slant, width and height weigh every pixel by its grey. Two things differ: the skeleton's distances are those of
`morphology.skeleton`, and a digit leaning out of the frame is measured there as well.
"""

import numpy as np

from data_gen.morphology import BLOCK, SCALE, SIDE, Skeleton, checked, enlarge, mean_thickness, skeleton, upscale

NAMES = ("area", "length", "thickness", "slant", "width", "height")
DROPPED = 0.02  # share of the mass left out along each axis, half of it at either end


def measure(images: np.ndarray) -> dict[str, np.ndarray]:
    """The morphometrics of images, uint8 [N,28,28] with bright ink on dark paper: float64 [N] each, px of the 28-grid.

    area: of the ink, px².
    length: of the stroke: along the skeleton, a step to the side counting 1 and a diagonal one √2.
    thickness: the stroke's mean width, twice the skeleton's mean distance to the paper.
    slant: radians between -π/2 and π/2; 0 upright, positive leaning to the right: the shear that would set it upright.
    width, height: of the parallelogram with that slant which leaves out 2 % of the mass along each axis.

    An image without contrast has no ink: it measures 0 throughout, and its slant is NaN. What an image measures never
    depends on the images it comes with. Raises InputError for images of another shape or type.
    """
    images = checked(images)
    made = {name: np.zeros(len(images)) for name in NAMES}
    for start in range(0, len(images), BLOCK):
        block = slice(start, start + BLOCK)
        for name, values in _measure(images[block]).items():
            made[name][block] = values
    return made


def _measure(images: np.ndarray) -> dict[str, np.ndarray]:
    ink = upscale(images)
    bones = skeleton(ink)
    inked = bones.count > 0
    frame = np.zeros((3, len(images)))
    frame[0, ~inked] = np.nan
    frame[:, inked] = _frame(images[inked])
    return dict(zip(NAMES, (ink.sum((1, 2)) / SCALE**2, _length(bones), mean_thickness(bones), *frame), strict=True))


def _length(bones: Skeleton) -> np.ndarray:
    """[N] the steps between neighbours on each skeleton, every one counted at its upper or left end."""
    n = len(bones.count)
    drawn = np.zeros((n, SCALE * SIDE + 1, SCALE * SIDE + 2), bool)  # paper below, to the left and to the right
    image, y, x = bones.image, bones.y, bones.x + 1
    drawn[image, y, x] = True
    straight = drawn[image, y, x + 1].astype(float) + drawn[image, y + 1, x]
    diagonal = drawn[image, y + 1, x - 1].astype(float) + drawn[image, y + 1, x + 1]
    return np.bincount(image, straight + np.sqrt(2) * diagonal, minlength=n) / SCALE


def _frame(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[N] each: slant, width and height of images that have ink. Grey is whole numbers, so every sum of it is exact."""
    grey = np.maximum(enlarge(images), 0).astype(float)
    n, side, _ = grey.shape
    place = np.arange(side, dtype=float)
    rows, columns = grey.sum(2), grey.sum(1)
    mass = rows.sum(1)
    y, x = rows @ place / mass, columns @ place / mass
    shear = (grey @ place @ place / mass - y * x) / (rows @ place**2 / mass - y**2)

    # Setting a digit upright moves each of its rows by a whole number of px; a quarter of a px of the 28-grid is fine.
    right = np.floor(0.5 - shear[:, None] * (place - y[:, None])).astype(int) + side
    column = np.arange(n)[:, None, None] * 3 * side + np.clip(right, 0, 2 * side)[..., None] + np.arange(side)
    upright = np.bincount(column.reshape(-1), grey.reshape(-1), n * 3 * side).reshape(n, 3 * side)
    return np.arctan(-shear), _extent(upright), _extent(rows)


def _extent(mass: np.ndarray) -> np.ndarray:
    """[N] the part of an axis, px of the 28-grid, that holds all mass [N,K] but what is dropped at either end."""
    below = np.pad(mass.cumsum(1), ((0, 0), (1, 0)))
    each = np.arange(len(mass))
    ends = []
    for share in (DROPPED / 2, 1 - DROPPED / 2):
        wanted = share * below[:, -1]
        after = (below <= wanted[:, None]).sum(1)
        ends.append(after - (below[each, after] - wanted) / mass[each, after - 1])
    return (ends[1] - ends[0]) / SCALE
