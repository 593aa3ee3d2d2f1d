"""Data of one's own: a folder or a table of images is a world; what is read is what is there; every mistake is one line."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from data_gen import InputError, captions, store
from data_gen.information import information
from data_gen.seeds import generator
from data_gen.worlds import own_data
from synthgap import cli, runs, studies

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
SMALL = ("mad.images=512", "mad.test_images=200", "training.epochs=1", "training.batch=256")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """90 pictures of 36 × 36: shapes in three colours and two sizes, no two alike, each with two captions; as a CSV."""
    folder, rows = tmp_path_factory.mktemp("drawn"), []
    for i in range(90):
        shape, colour, size = ("square", "disc")[i % 2], [*COLOURS][i // 2 % 3], i // 6 % 3
        picture, radius = Image.new("RGB", (36, 36)), 4 + 4 * size
        middle = 16 + i % 5
        box = [middle - radius, 18 - radius, middle + radius, 18 + radius]
        drawing = ImageDraw.Draw(picture)
        (drawing.rectangle if shape == "square" else drawing.ellipse)(box, fill=COLOURS[colour])
        picture.putpixel((i % 36, i // 36), (255, 255, 255))
        picture.save(folder / f"{i:02d}.png")
        for caption in (f"a {colour} {shape}", f"{shape}, {colour}"):
            rows.append({"filepath": f"{i:02d}.png", "title": caption, "shape": shape, "colour": colour, "size": size})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return folder


@pytest.fixture
def own(drawn, tmp_path, monkeypatch):
    """A copy of the same, to be spoilt, under the working directory."""
    shutil.copytree(drawn, tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pictures"


def test_columns_with_few_values_are_factors_and_their_frequencies_those_of_the_split(drawn):
    train, test = (own_data.world(str(drawn), split) for split in ("train", "test"))
    assert train.space.names == ("shape", "colour", "size") and train.space.names == test.space.names
    assert train.space["size"].values == ("0", "1", "2") and train.space.words == test.space.words
    table = pd.read_csv(drawn / "metadata.csv").drop_duplicates("filepath")
    data = {split: own_data._read(*own_data._tables(str(drawn)), 28, False, ())[split] for split in ("train", "test")}
    assert len(data["train"].images) == 72 and len(data["test"].images) == 18
    for split, world in (("train", train), ("test", test)):
        shares = np.bincount(data[split].codes[:, 1], minlength=3) / len(data[split].codes)
        assert world.space["colour"].probabilities == pytest.approx(shares)
    both = sorted(image.tobytes() for part in data.values() for image in part.images)
    files = [Image.open(drawn / name).resize((28, 28), Image.Resampling.BILINEAR) for name in table.filepath]
    assert both == sorted(np.asarray(picture).tobytes() for picture in files), "every image is in one split, once"


def test_samples_are_images_of_what_they_are_said_to_show(drawn):
    world = own_data.world(str(drawn), "train")
    codes = world.space.sample(200, generator(0))
    observed, _ = store.draw(world, codes, generator(1))
    brightest = observed["image"][:, 6:].reshape(200, -1, 3).max(1).argmax(1)
    assert [world.space["colour"].values[c] for c in codes[:, 1]] == [[*COLOURS][c] for c in brightest]


def test_bits_are_estimated_from_the_frequencies_of_the_rows(drawn):
    world = own_data.world(str(drawn), "train", factors=("shape", "colour"))
    bits = information(world.space, captions.fixed(world.space, ["shape"]))
    p = world.space.distribution.sum(1)
    assert bits.shared == pytest.approx(-(p * np.log2(p)).sum())


def test_size_and_gray(drawn):
    world = own_data.world(str(drawn), "train", size=16, gray=True)
    observed, _ = store.draw(world, world.space.sample(20, generator(0)), generator(1))
    assert observed["image"].shape == (20, 16, 16, 3) and (np.ptp(observed["image"], axis=3) == 0).all()


def test_a_table_in_parquet_or_with_tabs_and_a_column_of_splits(own):
    table = pd.read_csv(own / "metadata.csv").assign(split=["train"] * 120 + ["test"] * 60)
    (own / "metadata.csv").unlink()
    table.to_csv(own / "all.tsv", sep="\t", index=False)
    table["image"] = [{"bytes": (own / name).read_bytes(), "path": name} for name in table.filepath]
    table.drop(columns="filepath").to_parquet(own.parent / "all.parquet")
    for path in (own / "all.tsv", own.parent / "all.parquet"):
        test = own_data._read(*own_data._tables(str(path)), 36, False, ())["test"]
        assert len(test.images) == 30
        assert (test.images[0] == np.asarray(Image.open(own / "60.png"))).all()


def test_what_the_data_are_decides_a_runs_identity_and_not_where_they_lie(own, tmp_path):
    def run_id(*overrides):
        study = studies.Study("own", "?", "", {"seed": [0]}, [{}], {"quick": {}}, (), {})
        return runs.plan(study, [*SMALL, "captions.attributes=1", *overrides]).tasks[0].run_id

    here = run_id("world=pictures")
    shutil.copytree(own, tmp_path / "moved")
    assert run_id("world=moved") == run_id("world=moved/metadata.csv") == here
    assert len({here, run_id("world=moved", "data.size=20"), run_id("world=moved", "data.factors=[shape,colour]")}) == 3
    Image.new("RGB", (36, 36), "white").save(tmp_path / "moved" / "03.png")
    own_data._read.cache_clear()  # a file's time may be the same
    assert run_id("world=moved") != here


def test_an_export_is_read_back_as_a_world(mnist, tmp_path, monkeypatch):
    """What `synthgap make mad --export folder` writes of MNIST, in both formats: its factors and its images."""
    monkeypatch.chdir(tmp_path)
    asked = ["digits=idx", f"digits.root={mnist}", "mad.images=300", "mad.test_images=200", "out=made", "workers=1"]
    for export in ("folder", "parquet"):
        assert cli.main(["make", "mad", *asked, "--export", export, "--to", export]) == 0
    (place,) = tmp_path.glob("made/mad-test-*/")
    original = store.load(place)
    folder = own_data._read(*own_data._tables("folder"), 28, False, ())["test"]
    names = list(folder.space.names)
    assert names == ["digit", "thickness", "swelling", "fracture", "size", "colour"]
    distinct = original.table.loc[:, names].astype(str)
    assert folder.space.table(folder.codes).astype(str).equals(distinct)
    assert np.array_equal(folder.images, original.images)


def spoilt(folder, how):
    """The folder with one mistake in it."""
    path = folder / "metadata.csv"
    table = pd.read_csv(path)
    match how:
        case "gone":
            (folder / "07.png").unlink()
        case "broken":
            (folder / "07.png").write_bytes(b"no image")
        case "no images":
            table = table.rename(columns={"filepath": "files"})
        case "no captions":
            table = table.rename(columns={"title": "words"})
        case "one value":
            table["shape"] = "disc"
        case "few":
            table = table[:20]
        case "in both":
            table["split"] = ["train"] * 120 + ["test"] * 60
            shutil.copy(folder / "00.png", folder / "80.png")
        case "one split":
            table["split"] = "train"
        case "no factor":
            table = table[["filepath", "title"]]
        case "contradiction":
            table.loc[15, "colour"] = "pink"
        case "empty":
            table.loc[4, "filepath"] = None
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("gone", "row 15: filepath pictures/07.png cannot be read (No such file or directory)"),
        ("broken", "row 15: 07.png is no image that can be read (UnidentifiedImageError)"),
        ("no images", "has no column of images (image, filepath, file_name, path); it has files, title, shape"),
        ("no captions", "has no column of captions (caption, captions, title, text); it has filepath, words, shape"),
        ("one value", "shape has one value only, 'disc'"),
        ("few", "8 images are of the train split; 10 or more are needed"),
        ("in both", "1 test images are training images too, the first is image 81, the same as image 1"),
        ("one split", "its column split has train; it needs train and test"),
        ("no factor", "has no column with 2 to 50 distinct texts or whole numbers"),
        ("contradiction", "row 16: colour of 07.png is 'pink', but"),
        ("empty", "row 5: filepath is empty"),
    ],
)
def test_a_mistake_in_the_data_is_told_in_one_line(own, how, told, capsys):
    spoilt(own, how)
    named = ["data.factors=[shape,colour]"] if how == "one value" else []
    assert cli.main(["make", "pictures", *named, *SMALL[:2]]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and told in error, error


def test_a_column_that_is_not_there_and_a_folder_without_a_table(own, tmp_path):
    with pytest.raises(InputError, match=r"unknown column in data.factors of .* 'color'; did you mean 'colour'"):
        own_data.world(str(own), "train", factors=("color",))
    with pytest.raises(InputError, match="holds no table"):
        own_data.world(str(tmp_path), "train")
    assert cli.main(["make", "mad", "data.size=20", *SMALL[:2]]) == 2
