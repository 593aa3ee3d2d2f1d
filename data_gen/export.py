"""Datasets for other tools: an image folder with `metadata.csv`, or Parquet with the PNGs inside.

Both are the layouts that dataset hubs read without a script. Images and factor table are those of the store; captions
come from whoever asks, one a sample. Memory stays flat, and a file is there whole or not at all.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_gen.errors import InputError
from data_gen.store import Dataset

ROWS = 1000  # images encoded at once, and those of a row group


def folder(
    dataset: Dataset, captions: Sequence[str], to: Path, report: Callable[[int], None] = lambda done: None
) -> Path:
    """`to`/0000000.png, … and `to`/metadata.csv with the columns file_name, caption, the factors and the style latents.

    captions: one a sample. Raises InputError if `to` exists, or if there are not as many captions as images.
    """
    _check(dataset, captions, to)
    names = [f"{i:07d}.png" for i in range(len(captions))]
    partial = Path(f"{to}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for start, images in _blocks(dataset):
            for name, image in zip(names[start:], images, strict=False):
                (partial / name).write_bytes(_png(image))
            report(start + len(images))
        table = dataset.table.reset_index(drop=True)
        pd.concat([pd.DataFrame({"file_name": names, "caption": captions}), table], axis=1).to_csv(
            partial / "metadata.csv", index=False
        )
        os.replace(partial, to)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return to


def parquet(
    dataset: Dataset, captions: Sequence[str], to: Path, report: Callable[[int], None] = lambda done: None
) -> Path:
    """One Parquet file: image (struct of PNG bytes and path, marked as an image for the hubs), caption, factors, latents.

    captions: one a sample. Raises InputError if `to` exists, or if there are not as many captions as images.
    """
    _check(dataset, captions, to)
    partial = Path(f"{to}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    png = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    writer = None
    try:
        for start, images in _blocks(dataset):
            stop = start + len(images)
            encoded = [{"bytes": _png(image), "path": f"{i:07d}.png"} for i, image in enumerate(images, start)]
            rest = dataset.table[start:stop].assign(caption=captions[start:stop])
            # names, not codes: readers of a hub's file should not need our dictionary
            rest = rest.astype({name: str for name in rest if rest[name].dtype == "category"})
            table = pa.Table.from_pandas(rest, preserve_index=False)
            table = table.append_column("image", pa.array(encoded, png))
            table = table.select(
                ["image", "caption", *(n for n in table.column_names if n not in ("image", "caption"))]
            )
            if writer is None:
                hub = {"info": {"features": {"image": {"_type": "Image"}}}}
                schema = table.schema.with_metadata({b"huggingface": json.dumps(hub).encode()})
                writer = pq.ParquetWriter(partial, schema)
            writer.write_table(table.replace_schema_metadata(writer.schema.metadata))
            report(stop)
        writer.close()
        os.replace(partial, to)
    finally:
        if writer is not None:
            writer.close()
        partial.unlink(missing_ok=True)
    return to


FORMATS = {"folder": folder, "parquet": parquet}


def free(to: Path) -> Path:
    """The place, if nothing is there yet. Raises InputError."""
    if to.exists():
        raise InputError(f"{to} is there already; delete it or export to another place")
    return to


def _check(dataset: Dataset, captions: Sequence[str], to: Path) -> None:
    free(to)
    if len(captions) != len(dataset.images):
        raise InputError(f"{len(captions)} captions for {len(dataset.images)} images; need as many")


def _blocks(dataset: Dataset) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(dataset.images), ROWS):
        yield start, np.asarray(dataset.images[start : start + ROWS])


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()  # OpenCV's order is blue, green, red
