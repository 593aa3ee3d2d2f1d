"""Datasets for other tools: what is read back is what was made, and nothing is written over or left half-written."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data_gen import Factor, FactorSpace, InputError, World, export, store

SPACE = FactorSpace([Factor("shade", ["dark", "light"]), Factor("side", ["left", "right"])])
N = 1300  # more than a row group


def render(codes, generator):
    images = generator.integers(0, 256, (len(codes), 6, 5, 3)).astype(np.uint8)
    return images, {"noise": generator.random(len(codes))}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    made = store.make(tmp_path_factory.mktemp("made"), World(SPACE, render, {"world": "toy"}), N, "train", 0)
    return store.load(made, mapped=True)


@pytest.fixture(scope="module")
def told(dataset):
    return [f"{shade}, {side}" for shade, side in zip(dataset.table.shade, dataset.table.side, strict=True)]


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_folder_holds_every_image_with_its_caption_and_factors(dataset, told, tmp_path):
    folder = export.folder(dataset, told, tmp_path / "train")
    table = pd.read_csv(folder / "metadata.csv")
    assert list(table) == ["file_name", "caption", "shade", "side", "noise"]
    assert table.caption.tolist() == told and table.shade.tolist() == dataset.table.shade.tolist()
    assert {path.name for path in folder.iterdir()} == {"metadata.csv", *table.file_name}
    for i in (0, 999, 1000, N - 1):
        assert (decoded((folder / table.file_name[i]).read_bytes()) == dataset.images[i]).all()


def test_parquet_holds_the_pngs_themselves_and_says_so_to_the_hubs(dataset, told, tmp_path):
    path = export.parquet(dataset, told, tmp_path / "train.parquet")
    file = pq.ParquetFile(path)
    assert file.schema_arrow.names == ["image", "caption", "shade", "side", "noise"]
    assert json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]["image"] == {"_type": "Image"}
    assert file.num_row_groups == 2
    table = file.read().to_pylist()
    assert [row["caption"] for row in table] == told
    for i in (0, 999, 1000, N - 1):
        assert (decoded(table[i]["image"]["bytes"]) == dataset.images[i]).all()
        assert table[i]["side"] == dataset.table.side[i]
        assert table[i]["noise"] == dataset.table.noise[i]


@pytest.mark.parametrize("name", export.FORMATS)
def test_nothing_is_written_over_and_nothing_half_written_is_left(name, dataset, told, tmp_path):
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export.FORMATS[name](dataset, told, there)
    with pytest.raises(InputError, match="3 captions for 1300 images"):
        export.FORMATS[name](dataset, told[:3], tmp_path / "new")

    def interrupt(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.FORMATS[name](dataset, told, tmp_path / "new", report=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["there", ".new.lock"] and there.read_text() == "mine"


@pytest.mark.parametrize("name", export.FORMATS)
def test_what_killed_exports_left_is_cleared_away_and_links_are_not_followed(name, dataset, told, tmp_path):
    to = tmp_path / ("train.parquet" if name == "parquet" else "train")
    left = tmp_path / (".train.0123abcd.partial" + to.suffix)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "0000000.png").write_text("mine")
    (tmp_path / f"{to.name}.partial").symlink_to(tmp_path / "precious", target_is_directory=True)
    left.write_text("half")
    export.FORMATS[name](dataset, told, to)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["precious", f"{to.name}.partial", to.name, f".{to.name}.lock"]
    )
    assert (tmp_path / "precious" / "0000000.png").read_text() == "mine"


def three(codes, generator):
    images, style = render(codes, generator)
    audio, depth = (generator.integers(0, 256, (len(codes), *shape)).astype(np.uint8) for shape in ((7, 4), (3, 2, 3)))
    return {"image": images, "audio": audio, "depth": depth}, style


@pytest.mark.parametrize("name", export.FORMATS)
def test_other_modalities_are_pictures_too(name, tmp_path):
    """Two a sample beside the image; the hubs know the columns as images by their names, or by what Parquet says."""
    world = World(SPACE, three, {"world": "toy"}, shows=dict.fromkeys(("image", "audio", "depth"), SPACE.names))
    dataset = store.load(store.make(tmp_path, world, N, "train", 0), mapped=True)
    others = ["audio", "depth"]
    to = export.FORMATS[name](dataset, ["a caption"] * N, tmp_path / "exported")
    if name == "folder":
        table = pd.read_csv(to / "metadata.csv")
        assert list(table)[:4] == ["file_name", "audio_file_name", "depth_file_name", "caption"]
        rows = [{m: (to / row[f"{m}_file_name"]).read_bytes() for m in others} for _, row in table.iterrows()]
    else:
        table = pq.read_table(to)
        assert table.column_names[:4] == ["image", "audio", "depth", "caption"]
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features == {m: {"_type": "Image"} for m in ("image", *others)}
        rows = [{m: row[m]["bytes"] for m in others} for row in table.to_pylist()]
    for i in (0, 999, 1000, N - 1):
        gray = cv2.imdecode(np.frombuffer(rows[i]["audio"], np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(gray, dataset.others["audio"][i])
        np.testing.assert_array_equal(decoded(rows[i]["depth"]), dataset.others["depth"][i])


@pytest.mark.parametrize("name", export.FORMATS)
def test_what_is_no_picture_is_told(name, dataset, told, tmp_path):
    sensed = replace(dataset, others={"touch": np.zeros((N, 9), np.uint8)})
    with pytest.raises(InputError, match=r"touch of shape \[9\] is no picture"):
        export.FORMATS[name](sensed, told, tmp_path / "new")
    assert not list(tmp_path.iterdir())


SMALL = ("mad.images=400", "mad.test_images=200")


@pytest.mark.parametrize("name", export.FORMATS)
def test_the_command_exports_captions_as_a_run_would_read_them(name, synthgap, tmp_path):
    done = synthgap("make", "mad", *SMALL, "captions.attributes=1", "--export", name, "out=made")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all((tmp_path / line).exists() for line in lines)
    if name == "folder":
        with (tmp_path / lines[1] / "metadata.csv").open() as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pq.read_table(tmp_path / lines[1]).to_pylist()
    assert len(rows) == 400
    for row in rows[:50]:
        words = row["caption"].split("-")
        assert len(words) == 2 and row["digit"] in words
        assert set(words) <= {row[name] for name in ("digit", "thickness", "swelling", "fracture", "size", "colour")}
    again = synthgap("make", "mad", *SMALL, "captions.attributes=1", "--export", name, "out=made")
    assert again.returncode == 2 and "is there already" in again.stderr and again.stderr.count("\n") == 1


def test_a_sheet_shows_the_first_samples_without_making_a_dataset(synthgap, tmp_path):
    done = synthgap("make", "mad", "captions.attributes=2", "--sheet", "out=made", "space.hidden=[colour]")
    assert done.returncode == 0, done.stderr
    sheet = tmp_path / done.stdout.strip()
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [f"{sheet.stem}.lock", sheet.name]
    assert cv2.imread(str(sheet)).std() > 20


def test_a_sheet_and_an_export_are_both_made_where_both_are_asked_for(synthgap, tmp_path):
    done = synthgap("make", "mad", *SMALL, "--sheet", "--export", "parquet", "out=made", "workers=1")
    assert done.returncode == 0, done.stderr
    sheet, *rest = (tmp_path / line for line in done.stdout.splitlines())
    assert sheet.suffix == ".png" and sheet.exists()
    assert [path.suffix for path in rest] == ["", ".parquet"] * 2 and all(path.exists() for path in rest)


@pytest.mark.parametrize(("options", "said"), [(["--shet"], "--shet"), (["--to", "here"], "add --export folder")])
def test_an_option_that_means_nothing_is_told(options, said, tmp_path):
    command = [sys.executable, "-m", "synthgap", "make", "mad", *options]
    failed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode == 2 and said in failed.stderr and not list(tmp_path.iterdir())
