"""Contact sheets: some samples with their captions and factors, and in bits what modalities tell of each other."""

import re
import shutil
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_gen import captions, files, speech
from data_gen.captions import Policy
from data_gen.information import information
from data_gen.worlds import World
from data_gen.written import Written

COLUMNS = 6  # pictures side by side


def draw(
    world: World,
    policy: Policy | Written,
    observed: Mapping[str, np.ndarray],
    codes: np.ndarray,
    tokens: np.ndarray,
    path: Path,
) -> Path:
    """Write a PNG of samples side by side with their captions, tokens [n, L], and their factors, codes [n, F].

    observed: what the world's render gave, by modality: images uint8 [n, H, W, 3], others uint8 [n, H, W], whose first
    row is drawn at the foot, as a spectrogram's low bands are; what is no picture is left out.
    """
    observed = {modality: values for modality, values in observed.items() if values.ndim > 2}
    space, across, letters = world.space, max(1, COLUMNS // len(observed)), 34 * len(observed)
    rows = -(-len(codes) // across)
    figure = Figure(figsize=(2.6 * across * len(observed), 1.0 + 2.5 * rows), dpi=100)
    FigureCanvasAgg(figure)
    figure.suptitle(told(world, policy), fontsize=13, y=1 - 0.25 / (1.0 + 2.5 * rows))
    axes = figure.subplots(rows, across, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    for i, (ax, row, caption) in enumerate(zip(axes, codes, captions.texts(space, tokens, policy), strict=False)):
        right = 0.0  # of the pictures so far, in heights of one
        for modality, values in observed.items():
            left, origin = 1.06 * right, "upper" if modality == "image" else "lower"
            right = left + values.shape[2] / values.shape[1]
            extent = (left, right, 0, 1)
            ax.imshow(values[i], "gray", vmin=0, vmax=255, interpolation="nearest", origin=origin, extent=extent)
        ax.set(xlim=(0, right), ylim=(0, 1))
        ax.set_title(_wrapped(caption, " " if isinstance(policy, Written) else "-", letters), fontsize=8)
        values = [factor.values[code] for factor, code in zip(space.factors, row, strict=True)]
        shown = ", ".join(f"({v})" if name in world.hidden else v for name, v in zip(space.names, values, strict=True))
        shown = _wrapped(shown, ", ", letters)
        ax.text(0.5, -0.04, shown, transform=ax.transAxes, ha="center", va="top", fontsize=6, color="0.4")
    figure.tight_layout(rect=(0, 0.01, 1, 1 - 0.5 / (1.0 + 2.5 * rows)), h_pad=1.8)
    with files.whole(path) as beside:
        figure.savefig(beside)
    return path


def told(world: World, policy: Policy | Written) -> str:
    """A line on what images and captions tell of each other, or, where a world is not only seen, every two modalities."""
    if len(world.modalities) > 1:
        pairs = {f"{m} ↔ text": _shared(world, m, policy) for m in world.modalities}
        for m, other in combinations(world.modalities, 2):
            names = [name for name, shows in zip(world.space.names, world.shown_by(other), strict=True) if shows]
            pairs[f"{m} ↔ {other}"] = _shared(world, m, captions.fixed(world.space, names)) if names else 0.0
        return "shared: " + ", ".join(f"{pair} {bits:.2f} bits" for pair, bits in pairs.items())
    bits = information(world.space, policy, world.visible)
    if bits.error is not None:
        told = f"captions tell about {bits.shared:.2f} ± {bits.error:.2f} of them (an estimate)"
        return f"images {bits.image:.2f} bits, {told} and leave out {bits.imbalance:.2f}"
    line = f"images {bits.image:.2f} bits, captions tell {bits.shared:.2f} of them and leave out {bits.imbalance:.2f}"
    return f"{line}; they say {bits.text_only:.2f} bits that images do not show" if bits.text_only else line


def _shared(world: World, modality: str, policy: Policy) -> float:
    shown = world.shown_by(modality)
    return information(world.space, policy, shown).shared if shown.any() else 0.0


def save_sounds(world: World, waves: np.ndarray, codes: np.ndarray, folder: Path) -> Path:
    """Write waves [n, samples] of codes [n, F] as `folder`/00-7-american-woman-….wav: number, and what the audio shows.

    A folder that is there already is replaced.
    """
    heard = np.flatnonzero(world.shown_by("audio"))
    with files.whole_folder(folder) as beside:
        for i, (wave, row) in enumerate(zip(waves, codes, strict=True)):
            words = [re.sub(r"\W+", "_", world.space.factors[f].values[row[f]]) for f in heard]
            speech.save(wave, beside / f"{'-'.join([f'{i:02d}', *words])}.wav")
        shutil.rmtree(folder, ignore_errors=True)
    return folder


def _wrapped(text: str, between: str, width: int) -> str:
    lines = [""]
    for part in text.split(between):
        grown = f"{lines[-1]}{between}{part}" if lines[-1] else part
        lines[-1:] = [grown] if len(grown) <= width else [f"{lines[-1]}{between}".rstrip(), part]
    return "\n".join(lines)
