"""Worlds that are observed otherwise than by images alone: a file more for each modality, as checked as images are."""

import numpy as np
import pytest

from data_gen import Factor, FactorSpace, InputError, World, store
from data_gen.worlds import avmnist

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


# ---- kinds


def felt(values, **kinds):
    """A world of images and of touch, which is the same array for all samples, repeated."""

    def render_both(codes, generator):
        return {"image": render(codes, generator)["image"], "touch": np.repeat(np.asarray(values)[None], len(codes), 0)}

    return World(SPACE, render_both, shows={"image": ("shape", "colour"), "touch": ("tone",)}, kinds=kinds)


BYTES = np.zeros((4, 5), np.uint8)


def test_what_a_world_leaves_unsaid_is_told_from_the_arrays():
    for values, kind in ((BYTES, "spectrogram"), (np.zeros((4, 5, 3), np.uint8), "pixels"), ([0.5, 2.0], "vector")):
        assert store.kinds(felt(values)) == {"image": "pixels", "touch": kind}
    assert store.kinds(felt([3, 1], touch="vector")) == {"image": "pixels", "touch": "vector"}
    for world in (avmnist.world(), World(SPACE, lambda codes, generator: 1 / 0)):
        kinds = store.kinds(world)  # of those that declare it, and of images, nothing is drawn
        assert kinds == dict(zip(world.modalities, ("pixels", "spectrogram"), strict=False))


@pytest.mark.parametrize("values", [[3, 1], BYTES[0], BYTES.astype(float), np.zeros((2, 2, 2))])
def test_what_could_be_several_things_has_to_be_declared(values):
    with pytest.raises(
        InputError, match=r"render gives touch as .*World\(…, kinds=\{'touch': 'vector'\}\), one of pixels"
    ):
        store.kinds(felt(values))


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        ([0.5, 2.0], "vector", np.float32),
        ([3, 1], "vector", np.float32),
        ([True, False], "vector", np.float32),
        ([0, 1, 6], "tokens", np.int64),
        (BYTES, "spectrogram", np.uint8),
        (np.zeros((4, 5, 3), np.uint8), "pixels", np.uint8),
    ],
)
def test_each_kind_is_stored_as_it_is_read(tmp_path, values, kind, stored):
    dataset = store.load(store.make(tmp_path, felt(values, touch=kind), 3, "train", 0))
    assert dataset.others["touch"].dtype == stored
    np.testing.assert_array_equal(dataset.others["touch"], np.repeat(np.asarray(values)[None], 3, 0))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.5, float("nan")], "vector"),
        ([0.5, 1e300], "vector"),
        (["a", "b"], "vector"),
        (BYTES, "vector"),
        ([0, 7], "tokens"),  # the space has six words
        ([-1, 2], "tokens"),
        ([0.5, 1.0], "tokens"),
        (BYTES.astype(float), "spectrogram"),
        (BYTES, "pixels"),
    ],
)
def test_an_array_that_is_not_of_its_kind_is_told(values, kind):
    with pytest.raises(InputError, match=f"render must give touch as {kind}: "):
        store.trial(felt(values, touch=kind))


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ({"tuch": "vector"}, "modality in World.kinds 'tuch'; did you mean 'touch'"),
        ({"touch": "vectr"}, "kind of touch in World.kinds 'vectr'; did you mean 'vector'"),
        ({"image": "vector"}, "image must be pixels, not vector"),
    ],
)
def test_kinds_that_are_none_are_told(kinds, told):
    with pytest.raises(InputError, match=told):
        felt([0.5, 2.0], **kinds)


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


def test_captions_are_no_modality_of_a_world_s_own():
    with pytest.raises(InputError, match="names 'text', as captions are called"):
        World(SPACE, render, shows=SHOWS | {"text": ("tone",)})


def test_images_are_never_missing():
    with pytest.raises(InputError, match="must name what `image` does too"):
        World(SPACE, render, shows={"audio": ("tone",)})
