"""Explicit random generators: one stream a purpose, so that adding a draw to one never shifts another."""

from zlib import crc32

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """The generator of (seed, purpose): the same stream in every process, independent of what is drawn elsewhere.

    `generator(0, "captions", "test")` and `generator(0, "factors", "test")` are independent. Integers in the purpose
    number blocks, so that blocks can be drawn in any order by any number of workers.
    """
    words = [part if isinstance(part, int) else crc32(part.encode()) for part in purpose]
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence([seed, *words])))
