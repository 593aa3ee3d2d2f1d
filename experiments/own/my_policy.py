"""Captions that name the object, or all there is."""

import numpy as np

from data_gen.captions import Policy
from synthgap.catalogue import Method, Option

CAPTIONS = Method(needs=("object",), options={"full": Option(0.5, "chance that a caption names all", low=0, high=1)})


def my_policy(space, *, object, full, shuffled):
    sets = np.stack([space.mask([object]), np.ones(len(space), dtype=bool)])
    return Policy(sets, np.array([1 - full, full]), shuffled)
