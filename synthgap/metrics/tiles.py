"""Dot products of all rows of two matrices, in tiles that stay in a core's cache, so that memory is flat and passes are quick.

Equal rows have equal products, in whichever tile they stand: libraries sum narrow edges in another order, so matrices are
`padded`, and no tile is narrow.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

ROWS, COLUMNS = 512, 1024  # of a tile: 2 MB of float32
FEW = 128  # rows whose products with all others are held at once, where these are needed together
STEP = 16  # rows that matrices are padded to a multiple of


def padded(x: Tensor) -> Tensor:
    """x [N, D] with rows of 0 below, as `products` needs it; a copy of x only if there are any."""
    return pad(x, (0, 0, 0, -len(x) % STEP)) if len(x) % STEP else x


def blocks(size: int, rows: int | None = None) -> Iterator[slice]:
    """The rows of tiles, or so many at once."""
    rows = rows or ROWS
    return (slice(start, min(start + rows, size)) for start in range(0, size, rows))


def columns(size: int, first: int = 0, last: int | None = None) -> Iterator[slice]:
    """The columns of tiles: of those that hold any column from `first` up to `last` (all)."""
    end = size if last is None else last
    return (slice(start, min(start + COLUMNS, size)) for start in range(first // COLUMNS * COLUMNS, end, COLUMNS))


def room(x: Tensor) -> Tensor:
    """Where the products of a tile go."""
    return x.new_empty(ROWS * COLUMNS)


def products(x: Tensor, y: Tensor, block: slice, within: slice, room: Tensor) -> Tensor:
    """x[block] · y[within]ᵀ in `room`, until that is used again. x, y: padded."""
    high, wide = block.stop - block.start, within.stop - within.start
    rows, others = (
        z[part.start : part.stop + -(part.stop - part.start) % STEP] for z, part in ((x, block), (y, within))
    )
    return torch.mm(rows, others.T, out=room[: len(rows) * len(others)].view(len(rows), -1))[:high, :wide]
