"""Worlds that are observed otherwise than by images alone: a file more for each modality, as checked as images are."""

import numpy as np
import pytest

from data_gen import Factor, FactorSpace, InputError, World, store

SPACE = FactorSpace(
    [Factor("shape", ["square", "disc"]), Factor("colour", ["red", "blue"]), Factor("tone", ["c", "g"])]
)
SHOWS = {"image": ("shape", "colour"), "audio": ("shape", "tone")}


def render(codes, generator):
    pixels = np.broadcast_to(100 * codes[:, None, :2].sum(axis=-1)[..., None, None], (len(codes), 4, 5, 3))
    noise = generator.integers(0, 50, (len(codes), 7))
    return {"image": pixels.astype(np.uint8), "audio": (100 * codes[:, 2:] + noise).astype(np.uint8)}


def made(tmp_path, render=render, shows=SHOWS, n=700, **options):
    return store.load(store.make(tmp_path, World(SPACE, render, shows=shows, **options), n, "train", 0))


def test_each_modality_has_its_file(tmp_path):
    dataset = made(tmp_path / "large")
    assert {path.name for path in dataset.folder.iterdir()} == {
        *("images.npy", "audio.npy", "factors.parquet", "manifest.json")
    }
    codes = SPACE.codes(dataset.table)
    assert dataset.images.shape == (700, 4, 5, 3) and dataset.others["audio"].shape == (700, 7)
    np.testing.assert_array_equal(dataset.others["audio"].max(axis=1) >= 100, codes[:, 2] == 1)
    np.testing.assert_array_equal(dataset.images[:, 0, 0, 0], 100 * codes[:, :2].sum(axis=1))
    small = made(tmp_path / "small", n=30)
    np.testing.assert_array_equal(small.others["audio"], dataset.others["audio"][:30])
    mapped = store.load(dataset.folder, mapped=True)
    assert isinstance(mapped.others["audio"], np.memmap)


def test_a_world_of_images_alone_has_no_other(tmp_path):
    dataset = made(tmp_path, lambda codes, g: render(codes, g)["image"], shows={})
    assert dataset.others == {} and list(dataset.manifest["checksums"]) == list(store.FILES)


def test_what_each_modality_shows():
    world = World(SPACE, render, shows=SHOWS, hidden=("colour",))
    assert world.modalities == ("image", "audio")
    assert world.visible.tolist() == [True, False, False]
    assert world.shown_by("audio").tolist() == [True, False, True]
    assert World(SPACE, render).modalities == ("image",) and World(SPACE, render).visible.all()


def test_a_hidden_factor_is_rendered_as_its_first_value_and_others_as_they_are(tmp_path):
    dataset = made(tmp_path, hidden=("tone",))
    assert dataset.others["audio"].max() < 100
    assert dataset.images.max() == 200
    assert set(dataset.table.tone) == {"c", "g"}


def test_damage_to_any_modality_is_told(tmp_path):
    folder = made(tmp_path).folder
    content = bytearray((folder / "audio.npy").read_bytes())
    content[-1] ^= 1
    (folder / "audio.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"audio.npy does not match its checksum"):
        store.load(folder)


def without_audio(codes, generator):
    return render(codes, generator)["image"]


def of_fractions(codes, generator):
    observed = render(codes, generator)
    return observed | {"audio": observed["audio"][..., None] / 255}


def of_another_length(codes, generator):
    observed = render(codes, generator)
    return observed | {"audio": observed["audio"][:1]}


def of_changing_length(codes, generator):
    observed = render(codes, generator)
    return observed | {"audio": observed["audio"][:, : 7 - int(generator.integers(0, 2) if len(codes) > 2 else 0)]}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (without_audio, "render must give image and audio, got image"),
        (of_fractions, r"render gives audio as float64 \[2, 7, 1\], which could be several things; say which"),
        (of_another_length, r"render must give audio \[2, …\], got uint8 \[1, 7\]"),
        (of_changing_length, r"render gave images of \[4, 5, 3\], audios of \[[67]\], then"),
    ],
)
def test_a_wrong_modality_is_told_and_nothing_is_left(tmp_path, wrong, told):
    with pytest.raises(InputError, match=told):
        made(tmp_path, wrong, n=5000)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_images_are_never_missing():
    with pytest.raises(InputError, match="must name what `image` does too"):
        World(SPACE, render, shows={"audio": ("tone",)})
