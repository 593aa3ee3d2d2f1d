"""Datasets on disk: `images.npy` (uint8 [N, H, W, 3]), `factors.parquet`, `manifest.json`; whole or not there at all.

A dataset is written beside its place and renamed, under a lock, so that two processes that ask for it both get it; its
folder is named by the hash of its recipe, so that it is reused exactly when it is the same.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from data_gen.errors import InputError
from data_gen.seeds import generator
from data_gen.worlds import World

VERSION = 1  # of the pixels: raise it when the same recipe gives other bytes
FILES = ("images.npy", "factors.parquet")
BLOCK = 500  # images drawn from one stream: the bytes do not depend on who draws which block, nor on how many are asked


@dataclass(frozen=True)
class Dataset:
    """images uint8 [N, H, W, 3]; table: the factors' value names, then the style latents; manifest: where it is from."""

    folder: Path
    images: np.ndarray
    table: pd.DataFrame
    manifest: dict


def recipe(world: World, images: int, split: str, seed: int) -> dict:
    """All that decides a dataset's bytes."""
    space = [[f.name, f.values, f.words, f.probabilities] for f in world.space.factors]
    return dict(world.identity, version=VERSION, space=space, images=images, split=split, seed=seed)


def place(root: str | Path, recipe: dict) -> Path:
    """The folder of a recipe's dataset under `root`, whether or not it is there yet."""
    digest = sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    return Path(root) / f"{recipe.get('world', 'world')}-{recipe['split']}-{digest}"


def make(
    root: str | Path,
    world: World,
    images: int,
    split: str,
    seed: int,
    *,
    wait: bool = True,
    report: Callable[[int], None] = lambda done: None,
) -> Path:
    """The folder of the dataset, generated if it is not there yet. `report(done)` is called after each block.

    Raises filelock.Timeout if another process is generating it and `wait` is false.
    """
    wanted = recipe(world, images, split, seed)
    folder = place(root, wanted)
    if not folder.exists():
        trial(world)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock", timeout=-1 if wait else 0):
        if not folder.exists():
            partial = Path(f"{folder}.partial")
            shutil.rmtree(
                partial, ignore_errors=True
            )  # left by a killed process: we hold the lock, so nobody writes it
            partial.mkdir()
            try:
                _generate(partial, world, wanted, report)
                os.replace(partial, folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder


def _generate(folder: Path, world: World, wanted: dict, report: Callable[[int], None]) -> None:
    n, split, seed = wanted["images"], wanted["split"], wanted["seed"]
    codes = world.space.sample(-(-n // BLOCK) * BLOCK, generator(seed, "factors", split))
    shape, styles = None, []
    with (folder / "images.npy").open("wb") as file:  # no memory map: on a full disk its writer dies of a bus error
        for start in range(0, n, BLOCK):
            # The last block is drawn whole and cut, so that a small dataset is the beginning of a larger one.
            block = codes[start : start + BLOCK]
            pixels, style = draw(world, block, generator(seed, "render", split, start // BLOCK))
            if shape is None:
                shape = pixels.shape[1:]
                header = {"descr": "|u1", "fortran_order": False, "shape": (n, *shape)}
                np.lib.format.write_array_header_1_0(file, header)
            if pixels.shape[1:] != shape:
                raise InputError(f"render gave images of {list(shape)}, then of {list(pixels.shape[1:])}")
            file.write(pixels[: n - start].tobytes())
            styles.append(pd.DataFrame(style, index=range(start, start + len(block))))
            report(min(start + BLOCK, n))
    table = pd.concat([world.space.table(codes), pd.concat(styles)], axis=1)[:n]
    table.to_parquet(folder / "factors.parquet")
    sums = {name: checksum(folder / name) for name in FILES}
    (folder / "manifest.json").write_text(json.dumps({"recipe": wanted, "checksums": sums}, indent=1))


def draw(world: World, codes: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images uint8 [n, H, W, 3] and style latents {name: [n]} of codes [n, F]. Raises InputError if render gives others."""
    drawn = world.render(codes, generator)
    pixels, style = drawn if isinstance(drawn, tuple) else (drawn, {})
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) != len(codes) or pixels.shape[3] != 3:
        raise InputError(
            f"render must give uint8 images [{len(codes)}, H, W, 3], got {pixels.dtype} {list(pixels.shape)}"
        )
    for name, latent in style.items():
        if name in world.space.names:
            raise InputError(f"render's style latent {name!r} is named like a factor; give it another name")
        if np.shape(latent) != (len(codes),):
            raise InputError(f"render's style latent {name!r} must be [{len(codes)}], got {list(np.shape(latent))}")
    return pixels, style


def trial(world: World) -> int:
    """Draw two samples, so that a render's mistake is told before any work → bytes of an image."""
    g = generator(0, "trial")
    return draw(world, world.space.sample(2, g), g)[0][0].nbytes


def load(folder: str | Path) -> Dataset:
    """A dataset whose checksums agree with its manifest. Raises InputError if it is damaged."""
    folder = Path(folder)
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        for name in FILES:
            if checksum(folder / name) != manifest["checksums"][name]:
                raise ValueError(f"{name} does not match its checksum")
        return Dataset(folder, np.load(folder / "images.npy"), pd.read_parquet(folder / "factors.parquet"), manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the dataset in {folder} is damaged ({error}); delete that folder and it is made again"
        ) from error


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
