"""Samples of what a run's model is shown, for its page: pictures with captions and factors, and what they tell in bits."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from data_gen import captions, sheet
from synthgap.observations import first, policy_of, world_of

NUMBER = 8


@dataclass(frozen=True)
class Samples:
    """told: the bits. rows: of each sample, its pictures {modality: PNG as a data URI}, its caption and its factors, those
    that are not shown in brackets."""

    told: str
    rows: list[tuple[dict[str, str], str, list[str]]]


def samples(config: Mapping) -> Samples:
    """The first training samples of a config, drawn anew. Raises InputError where its world's files are not there."""
    world = world_of(config)
    policy, space = policy_of(config, world.space), world.space
    drawn, codes, tokens = first(config)
    pictures = {modality: values[:NUMBER] for modality, values in drawn.items() if values.ndim > 2}
    shown = [
        {modality: png(values[i]) for modality, values in pictures.items()} for i in range(min(NUMBER, len(codes)))
    ]
    texts = captions.texts(space, tokens[: len(shown)], policy)
    rows = space.table(codes[: len(shown)]).to_dict("records")
    values = [[f"({v})" if name in world.hidden else str(v) for name, v in row.items()] for row in rows]
    return Samples(sheet.told(world, policy), list(zip(shown, texts, values, strict=True)))


def png(image: np.ndarray) -> str:
    """An image uint8 [H, W, 3], or a spectrogram [H, W], whose low bands are then below."""
    Image.fromarray(image if image.ndim == 3 else image[::-1]).save(png := BytesIO(), "PNG")
    return f"data:image/png;base64,{b64encode(png.getvalue()).decode()}"
