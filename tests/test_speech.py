"""Spoken digits: voices whose bytes are their own, recordings however they come, noise as loud as it says, log-mel."""

import ctypes
import hashlib
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate, stft
from sklearn.neighbors import KNeighborsClassifier

from data_gen import FactorSpace, InputError
from data_gen.factors import SPOKEN, Factor
from data_gen.seeds import generator
from data_gen.speech import RATE, SAMPLES, clip, recordings, resampled, save, voices
from data_gen.speech.spectrograms import BANDS, FRAMES, noisy, spectrograms
from data_gen.speech.voices import ACCENTS, PACE, PITCH, SPEAKERS

EXTRA = 'install it by pip install "synthgap[speech]"'


def needed(module):
    if find_spec(module) is None:
        pytest.skip(f'no {module} here (pip install "synthgap[speech]")')


@pytest.fixture(scope="module")
def espeak():
    needed("espeakng_loader")


@pytest.fixture(scope="module")
def soundfile():
    needed("soundfile")
    return import_module("soundfile")


@pytest.fixture(scope="module")
def torchaudio():
    needed("torchaudio")  # not imported: that is what the code under test knows how to do


# ---- voices

UTTERANCES = [
    (digit, accent, speaker, pitch, 160)
    for digit, accent, speaker, pitch in product(
        (2, 6, 7), ("american", "scottish"), ("f1", "m4", "grandma", "boris"), (30, 70)
    )
]
IN_ANOTHER_PROCESS = """\
import hashlib, json, sys
from data_gen.speech.voices import say
said = [[list(u), hashlib.sha256(say(*u).tobytes()).hexdigest()] for u in json.loads(sys.argv[1])]
print(json.dumps(said))
"""


def test_an_utterance_is_the_same_in_any_order_and_any_process(espeak):
    def sums(utterances):
        return {u: hashlib.sha256(voices.say(*u).tobytes()).hexdigest() for u in utterances}

    expected = sums(UTTERANCES)
    assert sums(UTTERANCES[::-1]) == expected
    backwards = json.dumps([UTTERANCES[i] for i in generator(0, "order").permutation(len(UTTERANCES))])
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, backwards], capture_output=True, text=True, cwd=ROOT
    )
    assert {tuple(u): digest for u, digest in json.loads(done.stdout)} == expected, done.stderr


def test_the_folder_of_voices_goes_with_its_process(espeak, tmp_path):
    program = "from data_gen.speech.voices import say, _files; say(1, 'american', 'f1'); print(_files()[1])"
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout.startswith(str(tmp_path)), done.stderr
    assert not list(tmp_path.iterdir())


def test_all_voices_differ_and_each_split_has_other_people(espeak):
    people = {split: [s for kind in kinds.values() for s in kind] for split, kinds in SPEAKERS.items()}
    assert {split: len(some) * len(ACCENTS) for split, some in people.items()} == {
        "train": 84,
        "validation": 28,
        "test": 56,
    }
    every = [(accent, speaker) for accent in ACCENTS for some in people.values() for speaker in some]
    assert len({voices.say(7, *voice).tobytes() for voice in every}) == len(every) == 168


def test_the_tables_of_voices_are_those_of_the_factors():
    assert [factor.values for factor in SPOKEN] == [tuple(t) for t in (ACCENTS, SPEAKERS["train"], PITCH, PACE)]
    assert len({tuple(kinds) for kinds in SPEAKERS.values()}) == 1


def test_every_accent_says_every_digit_in_its_own_way(espeak):
    for digit in range(10):
        said = {voices.say(digit, accent, "f2").tobytes() for accent in ACCENTS}
        assert len(said) >= len(ACCENTS) - 1


def f0(wave: np.ndarray) -> float:
    """Fundamental frequency by autocorrelation, in Hz."""
    same = correlate(wave, wave)[len(wave) - 1 :]
    shortest, longest = RATE // 400, RATE // 60
    return RATE / (shortest + same[shortest:longest].argmax())


def test_pitch_pace_and_voice_are_heard(espeak):
    def median(measure, voice, pitch=50, speed=160):
        return np.median([measure(voices.say(d, "american", s, pitch, speed)) for d in (0, 5, 9) for s in voice])

    women, men = SPEAKERS["train"]["woman"], SPEAKERS["train"]["man"]
    assert median(f0, women) > 1.25 * median(f0, men)
    assert median(f0, men, pitch=PITCH["high"][0]) > 1.25 * median(f0, men, pitch=PITCH["low"][-1])
    assert median(len, women, speed=PACE["slow"][-1]) > 1.25 * median(len, women, speed=PACE["fast"][0])
    assert max(len(voices.say(d, a, "f4", 50, PACE["slow"][0])) for d in range(10) for a in ACCENTS) <= SAMPLES


def drawn(n, split="train", seed=0):
    space = FactorSpace((Factor("digit", tuple("0123456789")), *SPOKEN))
    codes = space.sample(n, generator(seed, "codes"))
    return codes, *voices.draw(codes, generator(seed, "draw"), split)


def test_draw_keeps_to_the_codes_and_the_split(espeak):
    for split in SPEAKERS:
        codes, clips, latents = drawn(40, split)
        assert clips.shape == (40, SAMPLES) and clips.dtype == np.float32
        for (_, _, voice, pitch, pace), who, height, speed in zip(codes, *latents.values(), strict=True):
            assert who in SPEAKERS[split][SPOKEN[1].values[voice]]
            assert height in PITCH[SPOKEN[2].values[pitch]]
            assert speed in PACE[SPOKEN[3].values[pace]]
    first = voices.draw(codes[:7], generator(0, "draw"), "test")
    np.testing.assert_array_equal(first[0], clips[:7])


def test_held_out_voices_can_be_understood(espeak, torchaudio):
    codes, clips, _ = drawn(400)
    unheard, test_clips, _ = drawn(100, "test", seed=1)

    def seen(clips):
        return spectrograms(clips).reshape(len(clips), 28, 4, 28, 4).mean(axis=(2, 4)).reshape(len(clips), -1)

    accuracy = KNeighborsClassifier(3).fit(seen(clips), codes[:, 0]).score(seen(test_clips), unheard[:, 0])
    assert accuracy > 0.6, accuracy  # chance: 0.1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ((10, "american", "f1"), "digit=10 of a voice must lie in 0 … 9"),
        ((1, "scotish", "f1"), "did you mean 'scottish'"),
        ((1, "american", "f11"), "unknown speaker 'f11'; did you mean 'f1'"),
        ((1, "american", "f1", 100), "pitch=100"),
        ((1, "american", "f1", 50, 10), "speed=10"),
    ],
)
def test_what_cannot_be_said_is_told(espeak, wrong, told):
    with pytest.raises(InputError, match=re.escape(told)):
        voices.say(*wrong)
    with pytest.raises(InputError, match="did you mean 'train'"):
        voices.draw(np.zeros((1, 5), int), generator(0), "trian")


def test_a_library_that_another_part_holds_open_is_told(espeak):
    import _ctypes

    import espeakng_loader

    other = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        with pytest.raises(InputError, match="held open by another part of this process"):
            voices.say(1, "american", "f1")
    finally:
        _ctypes.dlclose(other._handle)
    assert len(voices.say(1, "american", "f1"))


@pytest.mark.parametrize("module", ["espeakng_loader", "soundfile", "torchaudio"])
def test_without_the_extra_it_says_what_to_install(module, monkeypatch, tmp_path):
    from data_gen.speech import spectrograms as module_of_spectrograms

    monkeypatch.setitem(sys.modules, module, None)
    if module == "torchaudio":
        monkeypatch.setitem(sys.modules, "torchaudio.transforms", None)
    for cached in (voices._files, module_of_spectrograms._mel):
        cached.cache_clear()
    for digit, who, index in product(range(10), ("ann", "bob"), range(2)):
        (tmp_path / f"{digit}_{who}_{index}.wav").write_bytes(b"any")
    use = {
        "espeakng_loader": lambda: voices.say(1, "american", "f1"),
        "soundfile": lambda: recordings.read(tmp_path, "train"),
        "torchaudio": lambda: spectrograms(np.zeros((1, SAMPLES))),
    }[module]
    with pytest.raises(InputError, match=re.escape(EXTRA)) as caught:
        use()
    assert "\n" not in str(caught.value)


# ---- waves


@given(st.integers(1, 3 * SAMPLES), st.integers(0, 2**32))
def test_a_clip_is_the_middle_of_silence_or_the_loudest_part(length, seed):
    swell = np.linspace(0.1, 1, length)[:: 1 if seed % 2 else -1]
    wave = (generator(seed).standard_normal(length) * swell).astype(np.float32)
    got = clip(wave)
    assert len(got) == SAMPLES
    if length <= SAMPLES:
        start = (SAMPLES - length) // 2
        np.testing.assert_array_equal(got[start : start + length], wave)
        assert not got[:start].any() and not got[start + length :].any()
    else:
        windows = np.convolve(np.square(wave, dtype=float), np.ones(SAMPLES), "valid")
        assert np.square(got, dtype=float).sum() == pytest.approx(windows.max())


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_resampling_keeps_what_our_rate_can_hold_and_nothing_else(rate):
    time = np.arange(rate) / rate
    kept = resampled(np.sin(2 * np.pi * 440 * time), rate)
    assert kept.dtype == np.float32 and len(kept) == RATE
    middle = slice(400, -400)
    np.testing.assert_allclose(kept[middle], np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)[middle], atol=0.01)
    if rate > 2 * 5000:
        assert np.abs(resampled(np.sin(2 * np.pi * 5000 * time), rate)[middle]).max() < 0.01


@pytest.mark.parametrize("wave", [np.sin(np.arange(3000)) / 7, 5 * np.cos(np.arange(SAMPLES)), np.zeros(10)])
def test_a_saved_wave_is_read_back_at_full_scale(wave, tmp_path, soundfile):
    read, rate = soundfile.read(save(wave, tmp_path / "wave.wav"))
    assert rate == RATE and soundfile.info(tmp_path / "wave.wav").subtype == "PCM_16"
    np.testing.assert_allclose(read, wave / (np.abs(wave).max() or 1), atol=2**-14)


# ---- recordings


def tone(seconds=0.4, rate=RATE, hz=300.0, channels=1) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave] * channels, axis=1)


@pytest.fixture
def folder(tmp_path, soundfile):
    """Six people say the ten digits twice; each file is a tone of its own length, each person's of a pitch of its own."""
    for who, digit, index in product(range(6), range(10), range(2)):
        seconds = 0.2 + 0.01 * digit + 0.1 * index
        soundfile.write(tmp_path / f"{digit}_{'abcdef'[who]}_{index}.wav", tone(seconds, hz=300 + 20 * (5 - who)), RATE)
    return tmp_path


def test_speakers_are_held_out(folder):
    train, test = recordings.read(folder, "train"), recordings.read(str(folder), "test")
    assert set(train.speakers) == set("abcde") and set(test.speakers) == {"f"}
    assert train.clips.shape == (90, SAMPLES) and train.clips.dtype == np.float32
    assert train.digits.dtype == np.int64 and (np.bincount(train.digits) == 9).all()
    lengths = (test.clips != 0).sum(axis=1)
    expected = [(0.2 + 0.01 * digit + 0.1 * index) * RATE for digit in range(10) for index in range(2)]
    np.testing.assert_allclose(lengths, expected, rtol=0.15)
    chosen = recordings.read(folder, "test", held_out=["b", "a"])
    assert set(chosen.speakers) == {"a", "b"}
    assert set(recordings.read(folder, "train", held_out=["b", "a"]).speakers) == set("cdef")


def test_validation_hears_what_training_does_not(folder):
    read = {split: recordings.read(folder, split) for split in recordings.SPLITS}
    files = [name for part in read.values() for name in part.files]
    assert sorted(files) == sorted(path.name for path in folder.glob("*.wav"))  # each in one split
    assert sorted(read["validation"].files) == [f"{digit}_a_0.wav" for digit in range(10)]  # a tenth of ten, by index
    for part in read.values():
        for name, digit, speaker in zip(part.files, part.digits, part.speakers, strict=True):
            assert name.startswith(f"{digit}_{speaker}_")


def test_other_rates_and_channels_become_ours(folder, soundfile):
    plain = recordings.read(folder, "test")
    soundfile.write(folder / "0_f_0.wav", tone(0.2, 44100, channels=2), 44100, subtype="PCM_24")
    soundfile.write(folder / "0_f_1.WAV", tone(0.3, 16000), 16000, subtype="FLOAT")
    (folder / "0_f_1.wav").unlink()
    again = recordings.read(folder, "test")
    np.testing.assert_allclose(again.clips, plain.clips, atol=0.06)  # the edges ring a little
    assert np.abs(again.clips - plain.clips).mean() < 1e-3


def test_channels_that_cancel_are_heard_by_the_loudest(folder, soundfile):
    """Two microphones in opposite phase are silent in their mean."""
    plain = recordings.read(folder, "test").clips
    for right in (-1, -0.95):
        for seconds, index in ((0.2, 0), (0.3, 1)):
            soundfile.write(folder / f"0_f_{index}.wav", tone(seconds, channels=2) * (1, right), RATE)
        np.testing.assert_allclose(recordings.read(folder, "test").clips, plain, atol=1e-4)
    soundfile.write(folder / "0_f_0.wav", tone(0.2, channels=8) * ([0] * 7 + [1]), RATE)  # one live: nothing cancels
    np.testing.assert_allclose(8 * recordings.read(folder, "test").clips[0], plain[0], atol=1e-3)


def test_folders_a_speaker_are_read_as_audiomnist_leaves_them(folder, tmp_path_factory):
    before, expected = recordings.fingerprint(folder), recordings.read(folder, "train")
    (folder / "notes").mkdir()
    (folder / "data").mkdir()
    for place in (folder / "notes", folder / "data"):
        (place / "any.wav").write_bytes(b"")
    assert recordings.fingerprint(folder) == before  # files that lie there come first, as ever
    elsewhere = tmp_path_factory.mktemp("AudioMNIST")
    for path in folder.glob("*.wav"):
        inside = elsewhere / "data" / path.name.split("_")[1]
        inside.mkdir(parents=True, exist_ok=True)
        (inside / path.name).write_bytes(path.read_bytes())
        (inside / f"._{path.name}").write_bytes(b"\0\5\x16\7")  # macOS' own
    (elsewhere / "data" / "audioMNIST_meta.txt").write_text("{}")
    for root in (elsewhere, elsewhere / "data"):
        assert recordings.fingerprint(root) == before
        np.testing.assert_array_equal(recordings.read(root, "train").clips, expected.clips)
    (elsewhere / "data" / "a" / "3_b_7.wav").write_bytes(b"")
    with pytest.raises(InputError, match=r"3_b_7.wav is by b after its name, and by a after its folder"):
        recordings.fingerprint(elsewhere)


def test_hidden_files_hold_no_sound(folder):
    before = recordings.fingerprint(folder)
    (folder / "._0_a_0.wav").write_bytes(b"\0\5\x16\7")
    assert recordings.fingerprint(folder) == before and len(recordings.read(folder, "test").clips) == 20


def test_a_file_that_is_not_ours_to_read_is_not_called_damaged(folder, soundfile, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    for method in ("read_bytes", "iterdir"):
        with monkeypatch.context() as m:
            m.setattr(type(folder), method, refused)
            with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
                recordings.read(folder, "train")


def test_a_fingerprint_is_of_the_recordings_wherever_they_lie(folder, tmp_path):
    before = recordings.fingerprint(folder)
    inside = tmp_path / "somewhere" / "recordings"
    inside.mkdir(parents=True)
    for path in folder.glob("*.wav"):
        (inside / path.name).write_bytes(path.read_bytes())
    (inside / "readme.txt").write_text("not a recording")
    assert recordings.fingerprint(inside.parent) == before
    (inside / "3_a_0.wav").write_bytes((inside / "4_a_0.wav").read_bytes())
    assert recordings.fingerprint(inside.parent) != before


def rewrite(path, start, new):
    content = path.read_bytes()
    path.write_bytes(content[:start] + new + content[start + len(new) :])


DAMAGES = {
    "empty file": (lambda f, sf: (f / "3_a_1.wav").write_bytes(b""), "3_a_1.wav is no sound WAV file"),
    "no WAV": (lambda f, sf: (f / "3_a_1.wav").write_text("no sound at all"), "3_a_1.wav is no sound WAV file"),
    "a web page": (
        lambda f, sf: (f / "3_a_1.wav").write_text("<!DOCTYPE html>"),
        "3_a_1.wav is a web page, not the file that was to be downloaded; it should be a WAV file",
    ),
    "an archive": (lambda f, sf: (f / "3_a_1.wav").write_bytes(b"PK\3\4"), "3_a_1.wav is a ZIP archive; it should be"),
    "cut": (
        lambda f, sf: (f / "3_a_1.wav").write_bytes((f / "3_a_1.wav").read_bytes()[:1500]),
        "3_a_1.wav is cut off: 1500 bytes, should be 5324",
    ),
    "no samples": (lambda f, sf: sf.write(f / "3_a_1.wav", tone(0), RATE), "3_a_1.wav holds no sound: its 0"),
    "a chunk that is cut": (
        lambda f, sf: rewrite(f / "3_a_1.wav", 40, b"\x00\x00\x01\x00"),
        "3_a_1.wav is cut off: 5324 bytes, should be 65580",
    ),
    "no rate": (lambda f, sf: rewrite(f / "3_a_1.wav", 24, bytes(4)), "3_a_1.wav"),
    "a rate of gigahertz": (
        lambda f, sf: rewrite(f / "3_a_1.wav", 24, b"\xff\xff\xff\x7f\xfe\xff\xff\xff"),
        "3_a_1.wav has 2147483647 samples a second; it should have from 4000 to 384000",
    ),
    "another rate in one place of two": (
        lambda f, sf: rewrite(f / "3_a_1.wav", 24, b"\x41"),
        "3_a_1.wav has a header that contradicts itself: 1 channels of 16 bits, 8001 times a second, are not 2 bytes a frame "
        "and 16000 a second; copy it again",
    ),
    "two channels in one place of two": (
        lambda f, sf: rewrite(f / "3_a_1.wav", 22, b"\2"),
        "a header that contradicts",
    ),
    "fewer samples than there are": (
        lambda f, sf: rewrite(f / "3_a_1.wav", 40, b"\0\1\0\0"),
        "3_a_1.wav is damaged: its parts do not end where its header says, at 5324 bytes",
    ),
    "a constant": (
        lambda f, sf: sf.write(f / "3_a_1.wav", 0 * tone() + 0.5, RATE),
        "3_a_1.wav holds no sound: its 3200",
    ),
    "almost silent": (
        lambda f, sf: sf.write(f / "3_a_1.wav", tone() / 3000, RATE),
        "3_a_1.wav is almost silent: its loudest sample is 1.7e-04 of full scale, should be 3.1e-04 or more",
    ),
    "a sound that only bats hear": (
        lambda f, sf: sf.write(f / "3_a_1.wav", tone(rate=96_000, hz=20_000) * np.hanning(38_400)[:, None], 96_000),
        "3_a_1.wav holds no speech: at 8000 samples a second, next to nothing of its sound is left",
    ),
    "beyond numbers": (
        lambda f, sf: sf.write(f / "3_a_1.wav", 1e300 * tone(), RATE, subtype="DOUBLE"),
        "3_a_1.wav is no sound: a sample of it is 5.0e+299 times full scale",
    ),
    "heard in two splits": (
        lambda f, sf: sf.write(f / "3_f_1.wav", sf.read(f / "3_a_1.wav")[0], RATE, subtype="PCM_32"),
        "3_f_1.wav, in the test split, is the same recording as",
    ),
    "heard in validation too": (
        lambda f, sf: (f / "3_d_1.wav").write_bytes((f / "3_a_0.wav").read_bytes()),
        "3_a_0.wav, in the validation split, is the same recording as",
    ),
    "silence": (lambda f, sf: sf.write(f / "3_a_1.wav", 0 * tone(), RATE), "3_a_1.wav holds no sound"),
    "nan": (
        lambda f, sf: sf.write(f / "3_a_1.wav", np.nan * tone(), RATE, subtype="FLOAT"),
        "3_a_1.wav holds no sound",
    ),
    "dangling link": (lambda f, sf: (f / "0_a_9.wav").symlink_to(f / "nowhere"), "0_a_9.wav cannot be read (No such"),
    "folder": (lambda f, sf: (f / "0_a_9.wav").mkdir(), "0_a_9.wav cannot be read (Is a directory)"),
    "other name": (lambda f, sf: (f / "three.wav").write_bytes(b""), "three.wav should be named {digit}_{speaker}"),
    "lost digit": (lambda f, sf: [p.unlink() for p in f.glob("3_[a-e]_*")], "too few recordings of [3] by a, b"),
    "too few to keep one out": (
        lambda f, sf: [p.unlink() for p in f.glob("3_*") if p.name not in ("3_a_0.wav", "3_f_0.wav")],
        "too few recordings of [3] by a, b, c, d, e: the train split needs all ten digits, and validation one in ten",
    ),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_told_in_one_line(folder, soundfile, damage, told):
    damage(folder, soundfile)
    with pytest.raises(InputError, match=re.escape(told)) as caught:
        recordings.read(folder, "train")
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_recordings_is_told(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no WAV file, nor does a folder in it; recordings are named"):
        recordings.read(tmp_path / "empty", "train")
    with pytest.raises(InputError, match="nowhere is not a folder"):
        recordings.fingerprint(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no speaker for training"):
        recordings.read(folder, "test", held_out=list("abcdef"))
    with pytest.raises(InputError, match="unknown speaker to hold out 'g'"):
        recordings.read(folder, "test", held_out=["g"])
    with pytest.raises(InputError, match="did you mean 'test'"):
        recordings.read(folder, "tests")


def test_real_recordings(fsdd, soundfile, torchaudio):
    train, validation, test = (recordings.read(fsdd, split) for split in recordings.SPLITS)
    assert set(train.speakers).isdisjoint(test.speakers) and len(set(train.speakers)) >= 2
    assert {int(name.split("_")[2][:-4]) for name in validation.files} == set(range(5))  # FSDD's own convention
    assert set(train.speakers) == set(validation.speakers) and not {*train.files} & {*validation.files}
    for part in (train, validation, test):
        assert part.clips.shape == (len(part.digits), SAMPLES) and np.abs(part.clips).max() <= 1.01
        assert (np.bincount(part.digits, minlength=10) >= 10).all()
    some = generator(0).choice(len(test.clips), 60, replace=False)
    heard = spectrograms(test.clips[some])
    assert (heard.reshape(60, -1).max(axis=1) == 255).all()
    assert (heard.reshape(60, -1).std(axis=1) > 20).all()


# ---- noise and spectrograms


@given(st.floats(-20, 40), st.integers(0, 2**32))
def test_noise_is_as_loud_as_it_says(snr_db, seed):
    g = generator(seed)
    wave = clip(0.3 * np.sin(2 * np.pi * 313 * np.arange(g.integers(2000, SAMPLES)) / RATE).astype(np.float32))
    speech = np.square(np.trim_zeros(wave), dtype=float).mean()
    noise = np.square(noisy(wave[None], snr_db, [generator(seed, "noise")])[0] - wave, dtype=float).mean()
    assert 10 * np.log10(speech / noise) == pytest.approx(snr_db, abs=0.35)


def test_a_rows_noise_is_its_own_streams():
    clips = generator(0).uniform(-1, 1, (5, SAMPLES)).astype(np.float32)
    whole = noisy(clips, 10, generator(3, "noise").spawn(5))
    streams = generator(3, "noise").spawn(5)
    for i in (4, 1, 3):
        np.testing.assert_array_equal(noisy(clips[i : i + 1], 10, streams[i : i + 1])[0], whole[i])
    np.testing.assert_array_equal(noisy(clips, np.inf, generator(3).spawn(5)), clips)
    assert not noisy(np.zeros((1, SAMPLES), np.float32), 0, [generator(0)]).any()
    for snr_db in (np.nan, -np.inf, -1e9):
        with pytest.raises(InputError, match=f"audio.snr_db={snr_db}"):
            noisy(clips, snr_db, generator(0).spawn(5))
    with pytest.raises(InputError, match="4 generators for 5 clips"):
        noisy(clips, 0, generator(0).spawn(4))


def test_spectrograms_are_those_of_scipy(torchaudio):
    g = generator(0)
    clips = np.stack([clip(g.standard_normal(n) * np.hanning(n)) for n in (3000, 5000, SAMPLES)]).astype(np.float32)
    hann = np.pad(np.hanning(257)[:-1], 128)  # periodic, in the middle of the transform
    mirrored = np.pad(clips.astype(float), ((0, 0), (256, 256)), mode="reflect")
    power = np.abs(stft(mirrored, window=hann, nperseg=512, noverlap=512 - 72, boundary=None, padded=False)[2]) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), BANDS + 2) / 2595) - 1)
    hz = np.linspace(0, 4000, 257)[:, None]
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    mel = np.einsum("nft,fb->nbt", power, np.clip(np.minimum(rise, fall), 0, None))
    level = 10 * np.log10(np.maximum(mel / mel.max(axis=(1, 2), keepdims=True), 1e-8))
    got = spectrograms(clips)
    assert got.shape == (3, BANDS, FRAMES) == mel.shape and got.dtype == np.uint8
    assert np.abs(got - 255 * (1 + level / 80)).max() < 0.6


def test_a_clips_spectrogram_is_its_own(torchaudio):
    clips = generator(0).standard_normal((6, SAMPLES)).astype(np.float32)
    threads = torch.get_num_threads()
    whole = spectrograms(clips)
    assert torch.get_num_threads() == threads
    for i in (5, 2):
        np.testing.assert_array_equal(spectrograms(clips[i : i + 1])[0], whole[i])
    np.testing.assert_array_equal(spectrograms(0.25 * clips), whole)  # loudness is nobody's
    assert not spectrograms(np.zeros((1, SAMPLES))).any()
    assert spectrograms(np.zeros((0, SAMPLES))).shape == (0, BANDS, FRAMES)
    with pytest.raises(InputError, match=re.escape("clips must be [N, 7992], got [2, 8000]")):
        spectrograms(np.zeros((2, 8000)))


@pytest.mark.parametrize("hz", [200, 1000, 3000])
def test_a_tone_lights_its_band(torchaudio, hz):
    heard = spectrograms(np.sin(2 * np.pi * hz * np.arange(SAMPLES) / RATE)[None])[0]
    band = 2595 * np.log10(1 + hz / 700) / (2595 * np.log10(1 + 4000 / 700)) * (BANDS + 1) - 1
    assert np.abs(heard[:, 10:-10].argmax(axis=0) - band).max() <= 2
