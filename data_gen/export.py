"""Datasets for other tools: an image folder with `metadata.csv`, or Parquet with the PNGs inside.

Both are the layouts that dataset hubs read without a script. Images and factor table are those of the store; captions
come from whoever asks, one a sample. Other modalities become PNGs as well, row by row as they are: a spectrogram's first
row, its lowest band, is on top. Memory stays flat, and a file is there whole or not at all.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_gen import files
from data_gen.errors import InputError
from data_gen.store import Dataset

ROWS = 1000  # images encoded at once, and those of a row group


def folder(
    dataset: Dataset, captions: Sequence[str], to: Path, report: Callable[[int], None] = lambda done: None
) -> Path:
    """`to`/0000000.png, … and `to`/metadata.csv with the columns file_name, caption, the factors and the style latents.

    Another modality, say audio, is in `to`/audio/0000000.png, …, named in the column audio_file_name.
    captions: one a sample. Raises InputError if `to` exists, if there are not as many captions as images, or for a modality
    that is no picture.
    """
    _check(dataset, captions, to)
    names = [f"{i:07d}.png" for i in range(len(captions))]
    columns = {"file_name": names}
    columns |= {f"{modality}_file_name": [f"{modality}/{name}" for name in names] for modality in dataset.others}
    with _alone(to), files.whole_folder(to) as beside:
        for modality in dataset.others:
            (beside / modality).mkdir()
        for rows, observed in _blocks(dataset):
            for column, pictures in zip(columns.values(), observed.values(), strict=True):
                for name, picture in zip(column[rows], pictures, strict=True):
                    (beside / name).write_bytes(_png(picture))
            report(rows.stop)
        table = dataset.table.reset_index(drop=True)
        pd.concat([pd.DataFrame({**columns, "caption": captions}), table], axis=1).to_csv(
            beside / "metadata.csv", index=False
        )
    return to


def parquet(
    dataset: Dataset, captions: Sequence[str], to: Path, report: Callable[[int], None] = lambda done: None
) -> Path:
    """One Parquet file: image (struct of PNG bytes and path, marked as an image for the hubs), caption, factors, latents.

    Another modality, say audio, is a column of the same kind behind image.
    captions: one a sample. Raises InputError if `to` exists, if there are not as many captions as images, or for a modality
    that is no picture.
    """
    _check(dataset, captions, to)
    png = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    with _alone(to), files.whole(to) as beside, ExitStack() as stack:
        writer = None
        for rows, observed in _blocks(dataset):
            rest = dataset.table[rows].assign(caption=captions[rows])
            # names, not codes: readers of a hub's file should not need our dictionary
            rest = rest.astype({name: str for name in rest if rest[name].dtype == "category"})
            table = pa.Table.from_pandas(rest, preserve_index=False)
            for modality, pictures in observed.items():
                encoded = [{"bytes": _png(p), "path": f"{i:07d}.png"} for i, p in enumerate(pictures, rows.start)]
                table = table.append_column(modality, pa.array(encoded, png))
            first = [*observed, "caption"]
            table = table.select([*first, *(name for name in table.column_names if name not in first)])
            if writer is None:
                hub = {"info": {"features": {modality: {"_type": "Image"} for modality in observed}}}
                schema = table.schema.with_metadata({b"huggingface": json.dumps(hub).encode()})
                writer = stack.enter_context(pq.ParquetWriter(beside, schema))
            writer.write_table(table.replace_schema_metadata(writer.schema.metadata))
            report(rows.stop)
    return to


@contextmanager
def _alone(to: Path) -> Iterator[None]:
    """No other command exports to the place at the same time, and what killed commands left beside it is deleted."""
    with files.locked(to.with_name(f".{to.name}.lock")):
        free(to)
        files.sweep_up(to.parent, to.stem if to.suffix == ".parquet" else to.name)
        yield


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
    for modality, values in dataset.others.items():
        if values.ndim != 3 and values.shape[3:] != (3,):
            shape = list(values.shape[1:])
            raise InputError(f"{modality} of shape {shape} is no picture [H, W] or [H, W, 3], so it cannot be exported")


def _blocks(dataset: Dataset) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Which rows, and what is observed of them, by modality, images first."""
    pictures = {"image": dataset.images, **dataset.others}
    for start in range(0, len(dataset.images), ROWS):
        rows = slice(start, min(start + ROWS, len(dataset.images)))
        yield rows, {modality: np.asarray(values[rows]) for modality, values in pictures.items()}


def _png(picture: np.ndarray) -> bytes:
    ordered = picture[..., ::-1] if picture.ndim == 3 else picture  # OpenCV's order is blue, green, red
    return cv2.imencode(".png", ordered)[1].tobytes()
