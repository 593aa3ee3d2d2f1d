"""AV-MNIST, generated: a digit that is seen faintly, as MAD's in gray, and spoken in noise; what they share is the digit.

Two knobs set how much each tells: the number of principal components that are left of an image, and the level of speech
over noise. Every split's components are those of training images, the mean is put back, and what a split shows no other does:
of strokes its writers and of voices its speakers are its own; of files, the last twelfth of the training images is the
validation split's, and so is a tenth of the training speakers' recordings, while the test's speakers are heard there only.
"""

import json
from collections.abc import Sequence
from functools import cache, lru_cache, partial

import numpy as np

from data_gen import components
from data_gen.errors import InputError, unknown
from data_gen.factors import AVMNIST, MAD, FactorSpace
from data_gen.seeds import generator
from data_gen.speech import recordings, voices
from data_gen.speech.spectrograms import check, noisy, spectrograms
from data_gen.worlds import Render, World, mad

SPEECH = ("voices", "recordings")
SNR_DB = 10.0
VALIDATION = 1 / 12  # of the training images in files: 5,000 of MNIST's 60,000
FITTED = 4000  # training images that the components are fitted on: a process draws them before its first of 500

_SEEN = AVMNIST.names[:5]  # MAD's, in its order


def space(speech: str = "voices") -> FactorSpace:
    """AVMNIST's factors; of recordings nothing is known but the digit, so nothing else of the sound is a factor."""
    if speech not in SPEECH:
        raise unknown("value of speech", speech, SPEECH)
    return AVMNIST if speech == "voices" else FactorSpace(AVMNIST.factors[: len(_SEEN)])


def shows(space: FactorSpace) -> dict[str, tuple[str, ...]]:
    """The factors that each modality shows; the digit is all that two share."""
    return {"image": _SEEN, "audio": ("digit", *space.names[len(_SEEN) :])}


def world(
    digits: str = "strokes",
    root: str = "",
    split: str = "train",
    *,
    speech: str = "voices",
    speech_root: str = "",
    held_out: Sequence[str] = (),
    kept: int | None = None,
    snr_db: float = SNR_DB,
    strength: str = "published",
) -> World:
    """AV-MNIST from MAD's sources of digits, and from voices or the recordings in `speech_root`.

    held_out: recordings only: the speakers of the test. kept: components left of an image; None: all. snr_db: of speech
    over white noise; infinite for none. strength: of MAD's operations.
    Raises InputError for a name that is none of these, a number that cannot be, or files that are none; what is wrong
    in the files is told when the world is first drawn from.
    """
    factors, of = space(speech), partial(mad.world, digits, root, strength=strength, validation=VALIDATION)
    seen = of(split=split)
    identity = dict(seen.identity, world="avmnist", speech=speech, kept=kept, snr_db=float(snr_db))
    check(snr_db)
    if speech == "voices":
        if speech_root or held_out:
            raise InputError("speech.root and speakers to hold out are for speech=recordings")
        say = _voices(split)
        identity |= {"espeak": voices.version()}
    else:
        if not speech_root:
            raise InputError("speech=recordings needs speech.root, the folder of their WAV files")
        say = _recordings(speech_root, split, tuple(held_out))
        identity |= {"recordings": recordings.fingerprint(speech_root), "held_out": sorted(held_out)}
    see = _gray(seen.render)
    if kept is not None:
        components.check(kept, FITTED, 28 * 28)
        in_training = of(split="train")
        see = _faint(see, partial(_fitted, digits, root, strength, kept, json.dumps(in_training.identity)))

    def render(codes: np.ndarray, generator: np.random.Generator):
        of_image, *of_audio = generator.spawn(3)  # so that one's draws never shift another's
        gray, look = see(codes, of_image)
        clips, sound = heard(codes, *of_audio)
        return {"image": np.repeat(gray[..., None], 3, axis=-1), "audio": spectrograms(clips)}, {**look, **sound}

    def heard(codes: np.ndarray, of_sound: np.random.Generator, of_noise: np.random.Generator):
        clips, sound = say(codes, of_sound)
        return noisy(clips, snr_db, of_noise.spawn(len(codes))), sound

    def listen(codes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        _, *of_audio = generator.spawn(3)
        return heard(codes, *of_audio)[0]

    kinds = {"image": "pixels", "audio": "spectrogram"}
    return World(factors, render, identity, shows=shows(factors), listen=listen, kinds=kinds)


def _gray(render: Render):
    def see(codes: np.ndarray, generator: np.random.Generator):
        mad_codes = np.zeros((len(codes), len(MAD)), dtype=np.int64)
        mad_codes[:, : len(_SEEN)] = codes[:, : len(_SEEN)]  # the colour is gray
        images, style = render(mad_codes, generator)
        return images[..., 0], style

    return see


def _faint(see, fitted):
    def faint(codes: np.ndarray, generator: np.random.Generator):
        gray, style = see(codes, generator)
        # fitted when first needed: a world may be asked for its name alone
        return components.reduced(gray, fitted()), style

    return faint


@lru_cache
def _fitted(digits: str, root: str, strength: str, kept: int, identity: str) -> components.Components:
    """Of training images, for all splits. identity: of the digits' files, so that others are fitted anew."""
    see = _gray(mad.world(digits, root, strength=strength, validation=VALIDATION).render)
    chance = generator(0, "components")
    return components.fit(see(AVMNIST.sample(FITTED, chance), chance)[0], kept)


def _voices(split: str):
    if split not in voices.SPEAKERS:
        raise unknown("split", split, voices.SPEAKERS)
    columns = [0, *range(len(_SEEN), len(AVMNIST))]  # the digit and SPOKEN
    return lambda codes, generator: voices.draw(codes[:, columns], generator, split)


def _recordings(root: str, split: str, held_out: tuple[str, ...]):
    @cache  # read when first drawn from: a world may be asked for its name alone
    def found():
        clips, digits, speakers, files = recordings.read(root, split, held_out)
        order, counts = np.argsort(digits, kind="stable"), np.bincount(digits, minlength=10)
        return clips, speakers, files, order, np.cumsum(counts) - counts, counts

    def draw(codes: np.ndarray, generator: np.random.Generator):
        (clips, speakers, files, order, starts, counts), digit = found(), codes[:, 0]
        chosen = order[starts[digit] + (generator.random(len(digit)) * counts[digit]).astype(int)]
        return clips[chosen], {"speaker": speakers[chosen], "recording": files[chosen]}

    return draw
