"""Contact sheets: some samples with their captions and factors, and in bits what the captions tell of them."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_gen.captions import Policy
from data_gen.captions import texts as as_text
from data_gen.information import information
from data_gen.worlds import World

COLUMNS = 6


def draw(world: World, policy: Policy, images: np.ndarray, codes: np.ndarray, tokens: np.ndarray, path: Path) -> Path:
    """Write a PNG of images uint8 [n, H, W, 3] with their captions, tokens [n, L], and their factors, codes [n, F]."""
    space, bits = world.space, information(world.space, policy, world.visible)
    rows = -(-len(images) // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 1.0 + 2.5 * rows), dpi=100)
    FigureCanvasAgg(figure)
    told = f"images {bits.image:.2f} bits, captions tell {bits.shared:.2f} of them and leave out {bits.imbalance:.2f}"
    if bits.text_only:
        told += f"; they say {bits.text_only:.2f} bits that images do not show"
    figure.suptitle(told, fontsize=13, y=1 - 0.25 / (1.0 + 2.5 * rows))
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, image, row, caption in zip(axes, images, codes, as_text(space, tokens), strict=False):
        ax.imshow(image, interpolation="nearest")
        ax.set_title(_wrapped(caption, "-"), fontsize=8)
        values = [factor.values[code] for factor, code in zip(space.factors, row, strict=True)]
        shown = ", ".join(f"({v})" if name in world.hidden else v for name, v in zip(space.names, values, strict=True))
        ax.text(
            0.5, -0.04, _wrapped(shown, ", "), transform=ax.transAxes, ha="center", va="top", fontsize=6, color="0.4"
        )
    figure.tight_layout(rect=(0, 0.01, 1, 1 - 0.5 / (1.0 + 2.5 * rows)), h_pad=1.8)
    figure.savefig(path)
    return path


def _wrapped(text: str, between: str, width: int = 34) -> str:
    lines = [""]
    for part in text.split(between):
        grown = f"{lines[-1]}{between}{part}" if lines[-1] else part
        lines[-1:] = [grown] if len(grown) <= width else [f"{lines[-1]}{between}".rstrip(), part]
    return "\n".join(lines)
