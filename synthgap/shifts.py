"""What a model is tested on that it was not trained on: other images of the same things, or another world.

Those of the form `images` take uint8 [N, H, W, 3], a generator and their options → the same in uint8. Those of the form
`world` take the config and their options → the config of the world that the test shows.
"""

import cv2
import numpy as np

from synthgap.catalogue import REQUIRED, Method, Option

SHIFT = [
    Method(
        name="noise",
        form="images",
        options={"sd": Option(40.0, "of Gaussian noise on the test images, in steps of 255", above=0)},
    ),
    Method(
        name="blur",
        form="images",
        options={"sigma": Option(1.0, "of the Gaussian that test images are blurred with, in pixels", above=0)},
    ),
    Method(
        name="pen",
        form="world",
        options={
            "width": Option(
                5.0,
                "of the pen that writes all test images, in pixels of 28 (1.1 to 6; most writers' own: about 2)",
                low=1.1,
                high=6,
            ),
        },
    ),
    Method(
        name="idx",
        form="world",
        options={
            "root": Option(REQUIRED, "folder of the IDX files whose digits the test images show", type=str, place=True),
        },
    ),
    Method(name="unseen", form="world"),
]


def noise(images: np.ndarray, chance: np.random.Generator, *, sd: float) -> np.ndarray:
    """Images in Gaussian noise."""
    drawn = sd * chance.standard_normal(images.shape, dtype=np.float32)
    return np.clip(np.rint(images + drawn), 0, 255).astype(np.uint8)


def blur(images: np.ndarray, chance: np.random.Generator, *, sigma: float) -> np.ndarray:
    """Images out of focus."""
    return np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in images])


def pen(config: dict, *, width: float) -> dict:
    """All test images are written with one pen."""
    return config | {"digits": config["digits"] | {"style": config["digits"]["style"] | {"pen": width}}}


def idx(config: dict, *, root: str) -> dict:
    """The test shows the digits of files."""
    return config | {"digits": {"name": "idx", "root": root}}


def unseen(config: dict) -> dict:
    """The test shows the combinations of factors that training held out."""
    return config | {"space": config["space"] | {"test": "unseen"}}
