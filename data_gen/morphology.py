"""Morpho-MNIST's operations on digits: thicken, thin, swell, fracture, shrink; batched and repeatable.

Source: Castro, Tan, Kainz, Konukoglu, Glocker, "Morpho-MNIST: Quantitative Assessment and Diagnostics for
Representation Learning" (JMLR 2019). A digit is enlarged fourfold and binarised ("ink" on "paper"), changed there, and
brought back to 28x28. `perturb` is the whole chain; each operation is also a function of its own. Pixels ("px") are
those of the 112-grid unless said otherwise; places are (row, column).

What differs from the published code, and why:
* The skeleton is taken once a digit, not after every operation: a disk of radius r moves the distance on it by r, and
  a swelling moves its points by a known map.
* A fracture is centred on its point of the stroke (MAD's code draws it 3 px above and left of it), crosses a swelling
  from edge to edge, and is left out where it would erase the last ink.
* Beyond the frame is paper, so a stroke that touches the frame ends there.
* Blur and resampling are matrices of whole numbers, small enough that every float32 sum is exact: their result depends
  neither on the batch nor on the machine's linear algebra. So what cubic interpolation overshoots is not cut off before
  the blur, which changes 0.3 % of a digit's ink, and 5 % of it at worst.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage

from data_gen.errors import InputError

SCALE = 4
SIDE = 28
#: `perturb`'s keywords as MAD was published
PUBLISHED = dict(amount=0.7, thinning=0.7, strength=3.0, radius=7.0, fractures=3, width=1.5, prune=2.0)
#: The same operations, stronger, so that swelling and fracture are told in 96 to 98 % of the images. Thickness stops at 92
#: to 93 %, as it is relative to the writer's own, which varies by a quarter; and the digit suffers (figures/fidelity).
STRONG = dict(amount=1.4, thinning=0.65, strength=5.0, radius=8.0, fractures=3, width=4.0, prune=2.0)

#: px of the 28-grid by which the published cuts lie too high and too far left: it draws them 3 px of the 112-grid beside
#: their ends, which it has truncated to whole px (half a px more, a hair less where they are whole: as `rint` of ours).
OFFSET = (3.5 - 2**-20) / SCALE

BLOCK = 128  # digits worked on at once: enough to hide numpy's overhead, few enough for the cache


class Skeleton(NamedTuple):
    """The medial axes of N images: their P points, listed image by image."""

    count: np.ndarray  # [N] points of each image; 0 where there is no ink
    y: np.ndarray  # [P] row, px
    x: np.ndarray  # [P] column, px
    d: np.ndarray  # [P] distance to the nearest paper, px: half the stroke's width there

    @property
    def image(self) -> np.ndarray:
        """[P] the image each point belongs to."""
        return np.repeat(np.arange(len(self.count)), self.count)

    def only(self, points: np.ndarray) -> "Skeleton":
        """The same images with only those points that the mask [P] names."""
        kept = np.flatnonzero(points)
        count = np.bincount(self.image[kept], minlength=len(self.count))
        return Skeleton(count, self.y[kept], self.x[kept], self.d[kept])

    def of(self, images: np.ndarray) -> "Skeleton":
        """The skeletons of the images that the indices [M] name, as often as they name them."""
        count, start = self.count[images], np.cumsum(self.count) - self.count
        point = np.repeat(start[images] - np.cumsum(count) + count, count) + np.arange(count.sum())
        return Skeleton(count, self.y[point], self.x[point], self.d[point])

    def grown(self, by: np.ndarray) -> "Skeleton":
        """The skeletons after dilation by a disk of radius `by` [N]; negative: erosion, whose victims are dropped."""
        grown = self._replace(d=self.d + by[self.image])
        return grown.only(grown.d > 0)


def perturb(
    digits: np.ndarray,
    thickness: np.ndarray,
    swelling: np.ndarray,
    fracture: np.ndarray,
    size: np.ndarray,
    rng: np.random.Generator,
    *,
    amount: float = 0.7,
    thinning: float = 0.7,
    strength: float = 3.0,
    radius: float = 7.0,
    fractures: int = 3,
    width: float = 1.5,
    prune: float = 2.0,
    offset: float = 0.0,
    truncated: bool = False,
) -> np.ndarray:
    """Digits changed as the factors say, uint8 [N,28,28]. The keywords' defaults are MAD's published strengths.

    digits: uint8 [N,28,28], bright ink on dark paper. One without contrast comes back blank; any other keeps ink.
    thickness: [N] 0 as written, 1 thickened by a disk of `amount` of the mean half thickness, 2 thinned by `thinning`.
    swelling: [N] 0 or 1, a bulge (see `swell`) at a random point of the stroke. Its radius is `radius` times half the
        square root of the mean thickness, all in px of the 28-grid; `strength` > 1.
    fracture: [N] 0 or 1, `fractures` cuts across the stroke, `width` px of the 28-grid wide, at random points at least
        `prune` px of the 28-grid from its tips and forks. They lie `offset` px of the 28-grid above and as far left of
        their points: `OFFSET` in the published code, which so misses thin strokes.
    size: [N] 0 large, 1 small: three quarters as large, its corner at row and column 3 or 4 at random.
    truncated: grey levels are cut off to whole numbers, as in the published code (`downscale_as_published`), not rounded.
    rng: gives each digit a row of 3 + `fractures` uniform numbers, needed or not. So image i depends on digit i, its
        factors and row i alone, never on the digits that go with it.
    Raises InputError for digits of another shape or type and for factors of another length or value.
    """
    n = len(checked(digits))
    factors = {"thickness": thickness, "swelling": swelling, "fracture": fracture, "size": size}
    for name, values in factors.items():
        levels = [0, 1, 2] if name == "thickness" else [0, 1]
        if np.shape(values) != (n,) or not np.isin(values, levels).all():
            raise InputError(f"{name} should be {n} values, one a digit, each one of {levels}")
    thickness, swelling, fracture, size = (np.asarray(values, int) for values in factors.values())
    u = rng.random((n, 3 + fractures))
    out = np.empty_like(digits)
    for start in range(0, n, BLOCK):
        i = slice(start, start + BLOCK)
        new = np.append(True, (digits[i][1:] != digits[i][:-1]).any((1, 2)))
        digit = np.cumsum(new) - 1
        ink = upscale(digits[i][new])
        changed = np.bincount(digit, thickness[i] + swelling[i] + fracture[i]) > 0
        bones = skeleton(ink & changed[:, None, None])  # a digit that stays as written needs none
        if not new.all():  # variants of one digit, one after the other, share what is costly
            ink, bones = ink[digit], bones.of(digit)

        r = disk_radius(bones, np.array([0, amount, -thinning])[thickness[i]])
        ink = thicken(ink, r)
        bones = bones.grown(r)

        centre = points(bones, u[i, :1])[:, 0]
        reach = SCALE * radius * np.sqrt(mean_thickness(bones)) / 2 * (swelling[i] == 1)
        ink = swell(ink, centre, reach, strength)

        cut = np.flatnonzero(fracture[i])
        ends = swollen(cuts(bones.of(cut), u[i][cut, 3:], prune), centre[cut], reach[cut], strength)
        ink[cut] = erase(ink[cut], ends - SCALE * offset, width)

        shrink = downscale_as_published if truncated else downscale
        out[i] = shrink(ink, size[i], np.where(u[i, 1:3] < 0.5, 3, 4))
    return out


def checked(digits: np.ndarray) -> np.ndarray:
    """The digits, if they are uint8 [N,28,28]; else an InputError that says what they are."""
    if digits.shape[1:] != (SIDE, SIDE) or digits.dtype != np.uint8:
        raise InputError(f"digits are {digits.dtype} {list(digits.shape)}, should be uint8 [N, {SIDE}, {SIDE}]")
    return digits


# ---- from 28 to 112 and back: both ways are linear and separable, so each is one matrix a side


def enlarge(digits: np.ndarray) -> np.ndarray:
    """Digits, uint8 [N,28,28] -> grey, float32 [N,112,112]: cubic, slightly blurred; whole multiples of 1 / 192²."""
    grow = _grow()[0]
    return grow @ (digits.reshape(-1, SIDE).astype(np.float32) @ grow.T).reshape(len(digits), SIDE, SIDE * SCALE)


def upscale(digits: np.ndarray) -> np.ndarray:
    """Digits, uint8 [N,28,28] -> ink, bool [N,112,112]: cubic, slightly blurred, cut midway between dark and bright."""
    grey = enlarge(digits)
    unit = _grow()[1]
    # Cubic interpolation overshoots: the digit's own range counts. `>` keeps a digit without contrast blank.
    dark = np.maximum(grey.min((1, 2)), np.float32(unit**2) * digits.min((1, 2)))
    bright = np.minimum(grey.max((1, 2)), np.float32(unit**2) * digits.max((1, 2)))
    return grey > ((dark + bright) / 2)[:, None, None]


def downscale(ink: np.ndarray, size: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Ink, bool [N,112,112] -> uint8 [N,28,28]: blurred and resampled.

    size: [N] 0 large, 1 small: 21x21 px at corner [N,2], (row, column) 3 or 4 of the 28-grid; ignored if large.
    """
    shrink, unit = _shrink()
    rows, columns = np.where(size[:, None] == 1, corner - 2, 0).T
    grey = shrink[rows] @ ink.astype(np.float32) @ shrink[columns].transpose(0, 2, 1)
    return np.clip(np.rint(grey * (255 / unit**2)), 0, 255).astype(np.uint8)


def downscale_as_published(ink: np.ndarray, size: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """`downscale`, but grey levels are truncated, and those of a small digit twice: before it is shrunk, and after.

    Equal to the published code's but for rounding in its sums: where they come a hair short of full ink, it has 254 for 255.
    """
    large, unit, small = _shrink_as_published()
    grey = np.clip(large @ ink.astype(np.float64) @ large.T, 0, unit**2)  # whole numbers below 2**53, so exact
    out = np.floor(grey * 255 / unit**2)
    is_small = np.flatnonzero(size)
    shrunk = np.floor(small @ out[is_small] @ small.T / 6**2)
    out[is_small] = 0
    for image, part, (y, x) in zip(is_small, shrunk, corner[is_small], strict=True):
        out[image, y : y + len(part), x : x + len(part)] = part
    return out.astype(np.uint8)


_BLUR = 2 * SCALE / 6  # standard deviation, px


@cache
def _grow() -> tuple[np.ndarray, int]:
    cubic = ndimage.zoom(np.eye(SIDE), (SCALE, 1), order=3, mode="mirror", grid_mode=True)
    return _whole(ndimage.gaussian_filter1d(cubic, _BLUR, axis=0), 192)  # 255 * (192 * 1.28)**2 < 2**24


@cache
def _shrink() -> tuple[np.ndarray, int]:
    large = _reduction()
    small = _three_quarters() @ large
    return _whole(np.stack([large, np.pad(small, ((3, 4), (0, 0))), np.pad(small, ((4, 3), (0, 0)))]), 2048)


@cache
def _shrink_as_published() -> tuple[np.ndarray, int, np.ndarray]:
    """To a large digit, as near to the weights themselves as exact sums in float64 allow; and from there to a small one."""
    large, unit = _whole(_reduction(), 2**20)
    return large.astype(np.float64), unit, np.rint(6 * _three_quarters())


def _reduction() -> np.ndarray:
    blur = ndimage.gaussian_filter1d(np.eye(SIDE * SCALE), _BLUR, axis=0)
    return ndimage.zoom(blur, (1 / SCALE, 1), order=3, mode="mirror", grid_mode=True)


def _three_quarters() -> np.ndarray:
    """Linear, [21, 28]; every weight is a whole number of sixths."""
    return ndimage.zoom(np.eye(SIDE), (0.75, 1), order=1, mode="mirror", grid_mode=True)


def _whole(weights: np.ndarray, unit: int) -> tuple[np.ndarray, int]:
    """Weights as whole multiples of 1 / unit; what rounding takes from a row's sum goes to its largest weight."""
    rounded = np.rint(unit * weights)
    lost = np.rint(unit * weights.sum(-1)) - rounded.sum(-1)
    largest = weights.argmax(-1)[..., None]
    np.put_along_axis(rounded, largest, np.take_along_axis(rounded, largest, -1) + lost[..., None], -1)
    return rounded.astype(np.float32), unit


# ---- the skeleton and what it says


def skeleton(ink: np.ndarray) -> Skeleton:
    """The medial axes of ink, bool [N,H,W], with the distance to the paper on them.

    Ink is peeled from the outside in: each pixel is seen once and goes unless that would part something, open a hole or
    shorten a tip. The order is scikit-image's `medial_axis`: by distance, then the most crowded first. What that leaves
    to chance, the parity of row and column settles here: pixels of one parity never touch, so those of the whole batch
    are judged at once. Distances are chamfer ones (5x5), within 2 % of Euclid's and 0.1 % on average over strokes, for
    the exact transform takes as long as all the rest.
    """
    tall, high, up, left = _tiles(ink)
    w, flat = tall.shape[1], tall.reshape(-1)
    distance = cv2.distanceTransform(tall, cv2.DIST_L2, cv2.DIST_MASK_5).reshape(-1)
    crowd = cv2.boxFilter(tall, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    # only ink beside paper differs in crowd
    late = np.tile(np.array([[0, 1], [2, 3]], np.uint8), (len(tall) // 2, w // 2)) + 4 * (9 - crowd)
    at = np.flatnonzero(flat.view(bool))
    turn = 4 * np.rint(64 * distance.take(at)).astype(np.uint16) + late.take(at)
    order = at[np.argsort(turn, kind="stable")]  # a radix sort, as turns have 16 bits
    sizes = np.bincount(turn)
    around = np.array([-w - 1, -w, -w + 1, -1, 1, w - 1, w, w + 1])[:, None]
    stays, start = _stays(), 0
    for stop in np.cumsum(sizes[sizes > 0]).tolist():
        now = order[start:stop]
        flat[now] = stays.take(_bits(flat.take(around + now)))
        start = stop

    at = at[flat.take(at).view(bool)]
    row, column = np.divmod(at, w)
    image = np.repeat(np.arange(len(ink)), high).take(row)
    count = np.bincount(image, minlength=len(ink))
    return Skeleton(count, row + up.take(image), column + left.take(image), distance.take(at))


def _tiles(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images under one another, each cut to its ink in a rim of paper, uint8 [rows, columns]; and three [N] about them:
    how many rows each takes, and what to add to a row and to a column here to have the image's own.

    What is added is always odd, and a tile's rows and columns are even in number, so that parity means the same in
    every batch.
    """
    box = np.array([cv2.boundingRect(image) for image in ink.view(np.uint8)])
    start, stop = box[:, :2] // 2 * 2, box[:, :2] + box[:, 2:]
    wide, high = ((stop - start + 1) // 2 * 2 + 2).T
    top = np.cumsum(high) - high
    tall = np.zeros((high.sum(), wide.max()), np.uint8)
    for image, row, (left, up), (right, down) in zip(ink, top.tolist(), start.tolist(), stop.tolist(), strict=True):
        tall[row + 1 : row + 1 + down - up, 1 : 1 + right - left] = image[up:down, left:right]
    return tall, high, start[:, 1] - top - 1, start[:, 0] - 1


@cache
def _stays() -> np.ndarray:
    """[256] whether a pixel stays, by its eight neighbours: a tip, a link between parts, or what plugs a hole."""
    stays = np.zeros(256, np.uint8)
    for near in np.ndindex(*[2] * 8):
        nw, n, ne, w, e, sw, s, se = near
        parts = ndimage.label([[nw, n, ne], [w, 0, e], [sw, s, se]], np.ones((3, 3)))[1]
        stays[_bits(np.array(near, np.uint8)[:, None])] = sum(near) < 2 or parts > 1 or n & w & e & s
    return stays


_PLACES = np.arange(8, dtype=np.uint8)[:, None]


def _bits(near: np.ndarray) -> np.ndarray:
    """Eight 0s or 1s, uint8 [8,M], as the bits of one number [M]."""
    return np.bitwise_or.reduce(near << _PLACES)


def mean_thickness(bones: Skeleton) -> np.ndarray:
    """[N] the stroke's mean width in px of the 28-grid, twice the mean distance on the skeleton; 0 without ink."""
    total = np.bincount(bones.image, bones.d, minlength=len(bones.count))
    return 2 * total / np.maximum(bones.count, 1) / SCALE


def disk_radius(bones: Skeleton, amount: float | np.ndarray = 0.7) -> np.ndarray:
    """[N] whole px: the radius of the disk that thickens by `amount` of the mean thickness; negative where that thins.

    Thinning stays under the half width of the stroke's widest place, so that ink is left there for any amount.
    """
    widest = np.maximum.reduceat(np.append(bones.d, 0), np.cumsum(bones.count) - bones.count) * (bones.count > 0)
    wanted = np.trunc(amount * SCALE * mean_thickness(bones) / 2)
    return np.maximum(wanted, np.minimum(1 - np.ceil(0.98 * widest), 0)).astype(int)


def points(bones: Skeleton, u: np.ndarray) -> np.ndarray:
    """[N,K,2] points of each skeleton, uniform numbers u [N,K] in [0,1) choosing; anywhere if there is no ink."""
    chosen = _chosen(bones, u)
    return np.stack([np.append(bones.y, 0)[chosen], np.append(bones.x, 0)[chosen]], axis=-1)


def _chosen(bones: Skeleton, u: np.ndarray) -> np.ndarray:
    """Where the points that u [N,K] chooses are in the list, [N,K]."""
    return (np.cumsum(bones.count) - bones.count)[:, None] + (u * bones.count[:, None]).astype(int)


# ---- thicken and thin, swell, fracture


def thicken(ink: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Ink, bool [N,H,W], dilated by a disk of each image's whole radius [N], or eroded by it where that is negative."""
    out = ink.copy()
    paper = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    for i in np.flatnonzero(radius):
        change = cv2.dilate if radius[i] > 0 else cv2.erode
        change(ink[i].view(np.uint8), _disk(abs(int(radius[i]))), out[i].view(np.uint8), **paper)
    return out


def swell(ink: np.ndarray, centre: np.ndarray, radius: np.ndarray, strength: float = 3.0) -> np.ndarray:
    """Ink, bool [N,H,W], with a bulge of radius [N] px around a pixel, centre [N,2]; none where the radius is 0.

    Inside the radius R, what is seen at distance p from the centre is what was at distance p (p / R)^(strength - 1).
    """
    out = ink.copy()
    h, w = ink.shape[1:]
    for i in np.flatnonzero(radius):
        (cy, cx), r = centre[i].tolist(), int(radius[i])
        (top, bottom), (left, right) = ((max(c - r, 0), min(c + r + 1, side)) for c, side in ((cy, h), (cx, w)))
        y, x = np.arange(top - cy, bottom - cy, 1.0)[:, None], np.arange(left - cx, right - cx, 1.0)
        nearer = np.minimum((y * y + x * x) / np.float32(radius[i] ** 2), 1) ** ((float(strength) - 1) / 2)
        source = (np.rint(nearer * y) + cy) * w + (np.rint(nearer * x) + cx)
        out[i, top:bottom, left:right] = ink[i].take(source.astype(int))
    return out


def swollen(places: np.ndarray, centre: np.ndarray, radius: np.ndarray, strength: float = 3.0) -> np.ndarray:
    """Where `swell` moves what was at the places [N,...,2]: the inverse of the map it reads by."""
    each = (slice(None), *[None] * (places.ndim - 2))
    centre, radius = centre[each], radius[each][..., None]
    arm = places - centre
    length = np.maximum(np.linalg.norm(arm, axis=-1, keepdims=True), 1e-6)
    return centre + arm * np.maximum(radius / length, 1) ** (1 - 1 / strength)


def cuts(bones: Skeleton, u: np.ndarray, prune: float = 2.0) -> np.ndarray:
    """Cuts across strokes, float [N,K,2,2]: two ends, each (row, column), one on either edge of the stroke.

    A cut goes through a point of the skeleton, chosen by u [N,K] in [0,1), at right angles to the skeleton around it,
    as far as the paper is away. Points less than `prune` px of the 28-grid from a tip or a fork serve only where there
    are no others.
    """
    n = len(bones.count)
    tip, window = _disk(int(prune * SCALE)), np.ones((4 * SCALE + 1, 4 * SCALE + 1))
    rim = max(len(tip), len(window)) // 2
    axis = np.zeros((n, SIDE * SCALE + 2 * rim, SIDE * SCALE + 2 * rim), np.uint8)
    here = _flat(axis, bones.image, bones.y + rim, bones.x + rim)
    axis.reshape(-1)[here] = 1
    clear = axis.copy()
    for least, most in ((1, 1), (3, 8)):  # tips, then forks of what is left, as published
        degree = clear.take(_under(axis, here, np.ones((3, 3)))).sum(0, np.uint8) - 1
        ends = clear.take(here).view(bool) & (least <= degree) & (degree <= most)
        clear.reshape(-1)[_under(clear, here[ends], tip)] = 0
    clear = clear.take(here).view(bool)
    none_clear = np.bincount(bones.image, clear, n) == 0
    bones = bones.only(clear | none_clear[bones.image])
    centre, half = points(bones, u), np.append(bones.d, 0)[_chosen(bones, u)] * (bones.count > 0)[:, None]

    # Direction is half the angle of the window's complex variance: squaring makes opposite directions one.
    middle = _flat(axis, np.arange(n)[:, None], centre[..., 0] + rim, centre[..., 1] + rim)
    z = np.argwhere(window) @ [1j, 1]
    powers = np.stack([z**0, z, z**2])
    near = axis.take(_under(axis, middle.reshape(-1), window)).astype(float)
    count, total, squares = (powers.real @ near + 1j * (powers.imag @ near)).reshape(3, *middle.shape)
    along = np.exp(0.5j * np.angle(squares - total**2 / np.maximum(count.real, 1)))
    across = half.astype(np.float32)[..., None] * np.stack([along.real, -along.imag], axis=-1)
    return np.stack([centre - across, centre + across], axis=-2)


def erase(ink: np.ndarray, ends: np.ndarray, width: float = 1.5) -> np.ndarray:
    """Ink, bool [N,H,W], without lines between pairs of ends, float [N,K,2,2], each half a px of the 28-grid longer.

    The round brush is about `width` px of the 28-grid across. An image that would lose all its ink stays as it is.
    """
    radius = max(0, int(np.ceil((width * SCALE - 1) / 2)))
    along = ends[:, :, 1] - ends[:, :, 0]
    along *= SCALE / 2 / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    first, last = np.rint(ends[:, :, 0] - along), np.rint(ends[:, :, 1] + along)
    steps = np.abs(last - first).max(-1)[..., None]
    step = np.arange(steps.max(initial=0) + 1)
    part = step / np.maximum(steps, 1)
    line = np.rint(first[:, :, None] + part[..., None] * (last - first)[:, :, None]).astype(int)
    rim = 2 * radius  # a brush farther out than its radius does not reach the frame
    reaches = (step <= steps) & ((line >= -radius) & (line < radius + np.array(ink.shape[1:]))).all(-1)
    image = np.broadcast_to(np.arange(len(ink))[:, None, None], reaches.shape)
    y, x = np.moveaxis(line[reaches] + rim, -1, 0)
    out = np.pad(ink, ((0, 0), (rim, rim), (rim, rim)))
    out.reshape(-1)[_under(out, _flat(out, image[reaches], y, x), _disk(radius))] = False
    out = out[:, rim : rim + ink.shape[1], rim : rim + ink.shape[2]]
    blank = ~out.any((1, 2))
    out[blank] = ink[blank]
    return out


@cache
def _disk(radius: int) -> np.ndarray:
    span = np.arange(-radius, radius + 1)
    return (span[:, None] ** 2 + span**2 <= radius**2).astype(np.uint8)


def _flat(frames: np.ndarray, image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Flat indices of places in frames [N,H,W]."""
    return (image * frames.shape[1] + y) * frames.shape[2] + x


def _under(frames: np.ndarray, place: np.ndarray, brush: np.ndarray) -> np.ndarray:
    """Flat indices [pixels of the brush, P] of what a brush covers, held at flat places [P] with so much rim about them."""
    dy, dx = np.argwhere(brush).T - len(brush) // 2
    return np.add.outer(dy * frames.shape[2] + dx, place)
