"""A world that is seen and touched: pictures show shape and colour, and four sensors feel shape and weight."""

import numpy as np

from data_gen import Factor, FactorSpace, World

space = FactorSpace(
    [
        Factor("shape", ["square", "disc"]),
        Factor("colour", ["red", "green", "blue"]),
        Factor("weight", ["light", "heavy"]),
    ]
)


def render(codes, generator):
    """codes [n, 3] → what is observed of each modality: pixels uint8 [n, 12, 12, 3], and a vector [n, 4]."""
    shape, colour, weight = codes.T
    y, x = np.mgrid[:12, :12][:, None] - 6 + generator.normal(0, 0.5, (2, len(codes), 1, 1))
    inside = np.where(shape[:, None, None], x**2 + y**2, np.maximum(x**2, y**2)) < 16
    images = 255 * inside[..., None] * np.eye(3)[colour][:, None, None]
    touch = np.column_stack([np.eye(2)[shape], weight, 1 - weight]) + generator.normal(0, 0.3, (len(codes), 4))
    return {"image": images.astype(np.uint8), "touch": touch}


world = World(
    space,
    render,
    shows={"image": ("shape", "colour"), "touch": ("shape", "weight")},
    kinds={"image": "pixels", "touch": "vector"},
)
