"""Datasets on disk: `images.npy` (uint8 [N, H, W, 3]), `factors.parquet`, `manifest.json`; whole or not there at all.
A world that is also observed otherwise has a file more for each such modality, e.g. `audio.npy` ([N, …], see `inputs.stored`).

A dataset is written beside its place and renamed, under a lock, so that two processes that ask for it both get it; its
folder is named by the hash of its recipe, so that it is reused exactly when it is the same. It is drawn block by block,
here or by several processes, and written as it is drawn: the memory used does not grow with the number of images.
"""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from data_gen import files, inputs, processes
from data_gen.errors import DrawingFailedError, InputError
from data_gen.files import checksum
from data_gen.seeds import generator
from data_gen.worlds import World

VERSION = 2  # of the pixels: raise it when the same recipe gives other bytes
FILES = ("images.npy", "factors.parquet")
BLOCK = 500  # images drawn from one stream: the bytes do not depend on who draws which block, nor on how many are asked
ROWS = 64 * BLOCK  # of the factor table written at once
SLOW_TO_LOAD = ("scipy.signal", "torch")  # seconds each: if drawing needs them, once for all processes that draw


@dataclass(frozen=True)
class Dataset:
    """images uint8 [N, H, W, 3]; table: the factors' value names, then the style latents; manifest: where it is from.

    others: what other modalities observe, by name, [N, …]: uint8, tokens int64, vectors float32.
    """

    folder: Path
    images: np.ndarray
    table: pd.DataFrame
    manifest: dict
    others: dict[str, np.ndarray] = field(default_factory=dict)


def recipe(world: World, images: int, split: str, seed: int) -> dict:
    """All that decides a dataset's bytes."""
    hidden = {"hidden": world.hidden} if world.hidden else {}
    space = world.space.identity()
    return dict(world.identity, **hidden, version=VERSION, space=space, images=images, split=split, seed=seed)


def place(root: str | Path, recipe: dict) -> Path:
    """The folder of a recipe's dataset under `root`, whether or not it is there yet."""
    return Path(root) / f"{recipe.get('world', 'world')}-{recipe['split']}-{digest(recipe)}"


def digest(recipe: dict) -> str:
    """A short name for anything that JSON can hold."""
    return sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def make(
    root: str | Path,
    world: World,
    images: int,
    split: str,
    seed: int,
    *,
    wait: bool = True,
    report: Callable[[int], None] = lambda done: None,
    workers: int = 0,
    again: Callable[[], World] | None = None,
) -> Path:
    """The folder of the dataset, generated if it is not there yet. `report(images done)` is called after each block.

    workers: processes that draw, one core each; 0: this one does. They need `again`, a picklable function that gives the
    same world in each of them (a renderer need not be picklable). The bytes are the same for any number of workers.
    Raises filelock.Timeout if another process is generating it and `wait` is false, and DrawingFailedError if a process
    dies or memory is short. Nothing half-made is left.
    """
    wanted = recipe(world, images, split, seed)
    folder = place(root, wanted)
    if folder.exists():
        return folder  # whole, and perhaps on a disk that may only be read
    before = set(sys.modules)
    trial(world)
    modules = [name for name in SLOW_TO_LOAD if name in sys.modules.keys() - before]
    with files.locked(f"{folder}.lock", wait):
        if not folder.exists():
            files.sweep_up(folder.parent, folder.name)
            codes = world.space.sample(-(-images // BLOCK) * BLOCK, generator(seed, "factors", split))
            tasks = ((codes[i : i + BLOCK], split, seed, i // BLOCK) for i in range(0, images, BLOCK))
            drawn = _in_processes(again, tasks, workers, modules) if workers else _here(world, tasks)
            with files.whole_folder(folder) as beside, closing(drawn):
                try:
                    _write(beside, world, codes[:images], drawn, report)
                except MemoryError as error:
                    raise DrawingFailedError(f"{folder} is not made: memory is short{_fewer(workers)}") from error
                except BrokenProcessPool as error:
                    raise DrawingFailedError(
                        f"{folder} is not made: a process that drew for it died, as it does where memory is short or it is "
                        f"killed{_fewer(workers)}"
                    ) from error
                written = sorted(path.name for path in beside.iterdir())
                sums = {name: checksum(beside / name) for name in dict.fromkeys((*FILES, *written))}
                (beside / "manifest.json").write_text(json.dumps({"recipe": wanted, "checksums": sums}, indent=1))
    return folder


def _fewer(workers: int) -> str:
    return "; fewer workers need less, e.g. workers=1" if workers > 1 else ""


Drawn = Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]  # blocks, in their order


def _here(world: World, tasks: Iterator[tuple]) -> Drawn:
    return (_block(world, *task) for task in tasks)


def _block(world: World, codes: np.ndarray, split: str, seed: int, block: int):
    return draw(world, codes, generator(seed, "render", split, block))


_world: Callable[[], World]  # of a process that draws for another


def _begin(again: Callable[[], World]) -> None:
    global _world
    processes.begin()
    cv2.setNumThreads(1)
    threadpool_limits(1)
    _world = cache(again)  # called with the first block: what it raises is then that block's, and reaches the parent


def _block_for_parent(task: tuple):
    return _block(_world(), *task)


def _in_processes(again: Callable[[], World], tasks: Iterator[tuple], workers: int, modules: list[str]) -> Drawn:
    pool = ProcessPoolExecutor(workers, processes.context("data_gen.store", *modules), _begin, (again,))
    try:
        with processes.left_to_the_parent():  # the first task starts them all
            waiting = deque(pool.submit(_block_for_parent, task) for task in islice(tasks, 4 * workers))
        while waiting:  # few blocks ahead of the writer, so that memory stays flat
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_block_for_parent, task) for task in islice(tasks, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _write(folder: Path, world: World, codes: np.ndarray, drawn: Drawn, report: Callable[[int], None]) -> None:
    """Blocks as they come. The last is drawn whole and cut, so that a small dataset is the beginning of a larger one."""
    n, done, shapes, rows, writer = len(codes), 0, {}, [], None
    with ExitStack() as stack:
        opened = {}  # not memory maps: on a full disk, one is a bus error
        for observed, style in drawn:
            given = {modality: list(values.shape[1:]) for modality, values in observed.items()}
            if shapes and given != shapes:
                raise InputError(f"render gave {_told(shapes)}, then {_told(given)}")
            take = min(len(observed["image"]), n - done)
            for modality, values in observed.items():
                if not shapes:
                    opened[modality] = stack.enter_context((folder / _file(modality)).open("wb"))
                    descr = np.lib.format.dtype_to_descr(values.dtype)
                    header = {"descr": descr, "fortran_order": False, "shape": (n, *values.shape[1:])}
                    np.lib.format.write_array_header_1_0(opened[modality], header)
                opened[modality].write(values[:take].tobytes())
            shapes = given
            named = world.space.table(codes[done : done + take])
            latents = pd.DataFrame({name: latent[:take] for name, latent in style.items()}, named.index)
            rows.append(pd.concat([named, latents], axis=1))
            done += take
            if done == n or sum(map(len, rows)) >= ROWS:
                table = pa.Table.from_pandas(pd.concat(rows, ignore_index=True), preserve_index=False)
                writer = writer or stack.enter_context(pq.ParquetWriter(folder / "factors.parquet", table.schema))
                writer.write_table(table)
                rows = []
            report(done)


def _file(modality: str) -> str:
    return "images.npy" if modality == "image" else f"{modality}.npy"


def _told(shapes: dict[str, list[int]]) -> str:
    return ", ".join(f"{modality}s of {shape}" for modality, shape in shapes.items())


def draw(
    world: World, codes: np.ndarray, generator: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What is observed of codes [n, F], by modality: images uint8 [n, H, W, 3], others [n, …] as `inputs.stored` has them; and
    style latents {name: [n]}. Raises InputError if render gives others.
    """
    drawn = world.render(_shown(world, codes), generator)
    observed, style = drawn if isinstance(drawn, tuple) else (drawn, {})
    observed = observed if isinstance(observed, dict) else {"image": observed}
    observed = {modality: np.asarray(values) for modality, values in observed.items()}
    if set(observed) != set(world.modalities):
        raise InputError(f"render must give {' and '.join(world.modalities)}, got {' and '.join(observed)}")
    for modality, values in observed.items():
        image = modality == "image"
        fits = values.dtype == np.uint8 and values.ndim == 4 and values.shape[3] == 3 if image else values.ndim > 1
        if not fits or len(values) != len(codes):
            wanted = f"uint8 images [{len(codes)}, H, W, 3]" if image else f"{modality} [{len(codes)}, …]"
            raise InputError(f"render must give {wanted}, got {values.dtype} {list(values.shape)}")
        if modality in world.kinds or values.dtype != np.uint8:  # of bytes, encoders alone need to know what they are
            kind = world.kinds.get(modality) or inputs.told(modality, values)
            observed[modality] = inputs.stored(modality, values, kind, len(world.space.words))
    for name, latent in style.items():
        if name in world.space.names:
            raise InputError(f"render's style latent {name!r} is named like a factor; give it another name")
        if np.shape(latent) != (len(codes),):
            raise InputError(f"render's style latent {name!r} must be [{len(codes)}], got {list(np.shape(latent))}")
    return observed, style


def _shown(world: World, codes: np.ndarray) -> np.ndarray:
    return np.where(world.space.mask(world.hidden), 0, codes)


def listen(world: World, codes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The waves float [n, samples] of a world that gives them: those of `draw`'s audio from a generator of the same seed."""
    return world.listen(_shown(world, codes), generator)


def trial(world: World) -> int:
    """Draw two samples, so that a render's mistake shows before any work → bytes of what is observed of one."""
    return sum(values[0].nbytes for values in _two(world).values())


def kinds(world: World) -> dict[str, str]:
    """What the array of each modality is: as the world declares it, or else as `inputs.told` says of two samples. Raises
    InputError where that is unclear."""
    known = {"image": "pixels", **world.kinds}
    unsaid = [modality for modality in world.modalities if modality not in known]
    observed = _two(world) if unsaid else {}
    known |= {modality: inputs.told(modality, observed[modality]) for modality in unsaid}
    return {modality: known[modality] for modality in world.modalities}


def _two(world: World) -> dict[str, np.ndarray]:
    g = generator(0, "trial")
    return draw(world, world.space.sample(2, g), g)[0]


def load(folder: str | Path, mapped: bool = False) -> Dataset:
    """A dataset whose checksums agree with its manifest. Raises InputError if it is damaged, or not ours to read.

    mapped: leave the images on disk and read them as they are asked for.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        for name in {*FILES, *manifest["checksums"]}:
            if checksum(folder / name) != manifest["checksums"][name]:
                raise ValueError(f"{name} does not match its checksum")
        arrays = {
            name.removesuffix(".npy"): np.load(folder / name, mmap_mode="r" if mapped else None)
            for name in manifest["checksums"]
            if name.endswith(".npy")
        }
        table = files.read_parquet(folder / "factors.parquet")
        return Dataset(folder, arrays.pop("images"), table, manifest, arrays)
    except PermissionError as error:
        raise files.not_yours(error) from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError) as error:
        raise InputError(
            f"the dataset in {folder} is damaged ({error}); delete that folder and it is made again"
        ) from error
