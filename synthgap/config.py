"""The options of a run, each with its why, and how overrides become a resolved, checked, hashed config.

`digits`, `captions` and `loss` are Hydra config groups: `digits=idx` picks a schema, `digits.root=DIR` fills it in.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import Field, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache, reduce
from hashlib import sha256
from itertools import islice
from math import inf, isfinite
from operator import lt
from os.path import expanduser
from pathlib import Path
from pickle import dumps, loads
from types import UnionType
from typing import Any, get_args, get_origin

from hydra import compose, initialize
from hydra._internal.grammar.functions import Functions
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import Override, Quote, QuotedString, Sweep, ValueType
from hydra.errors import HydraException
from omegaconf import II, MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from data_gen import InputError
from data_gen.errors import unknown
from data_gen.mad import STRENGTHS, STYLE, VARIANTS
from synthgap import yaml_file

VERSION = 2  # of what a config means: raise it when the same config gives other numbers, and old runs are not reused


def option(default: Any, why: str) -> Any:
    make = {"default_factory": default} if isinstance(default, type) or callable(default) else {"default": default}
    return field(**make, metadata={"why": why})


@dataclass
class NoFinetuning:
    name: str = "none"


@dataclass
class Finetuning:
    epochs: int = option(4, "passes, after training, over the same images with captions of this policy")
    lr: float = option(0.008, "AdamW's peak in them; its state goes on, and the schedule begins anew")
    temperature: str = option("learnable", "learnable (if it was), or frozen where training left it")


@dataclass
class FinetuningAttributes(Finetuning):
    name: str = "attributes"
    attributes: int = option(1, "k of these captions")


@dataclass
class FinetuningContiguous(Finetuning):
    name: str = "contiguous"
    fraction: float = option(0.25, "share of the full caption that these keep")


@dataclass
class Strokes:
    name: str = "strokes"
    style: dict[str, float] = option(
        dict[str, float], "latents of the handwriting set to a number, e.g. digits.style.slant=0.4"
    )


@dataclass
class Idx:
    name: str = "idx"
    root: str = option(MISSING, "folder of MNIST's four IDX files, gzipped or not")


@dataclass
class Attributes:
    policy: str = "attributes"
    object: str | None = option(None, "the factor that every caption names, and whose bias is measured (first factor)")
    attributes: int = option(5, "k: how many of the other factors a caption names, drawn without replacement")
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Fixed:
    policy: str = "fixed"
    object: str | None = option(None, "the factor whose bias is measured (first factor)")
    factors: list[str] = option(list[str], "the factors that every caption names")
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Contiguous:
    policy: str = "contiguous"
    object: str | None = option(None, "the factor whose bias is measured (first factor)")
    fraction: float = option(1.0, "share of the full caption that is kept, in one piece and never empty")
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Independent:
    policy: str = "independent"
    object: str | None = option(None, "the factor whose bias is measured (first factor)")
    probability: dict[str, float] = option(
        dict[str, float], "each factor's chance of being named, e.g. {digit: 1, colour: 0.5}"
    )
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Anchored:
    anchor: str | None = option("text", "only its pairs count; null: all pairs (the same for two modalities)")


@dataclass
class Clip(Anchored):
    name: str = "clip"


@dataclass
class Siglip(Anchored):
    name: str = "siglip"
    bias: float = option(-10.0, "of the logits at the start; it is learnt, at ten times temperature.lr")


@dataclass
class Modgap(Anchored):
    name: str = "modgap"
    contrast: Any = option(1.0, "weight of CLIP's loss, or its course; 0: the loss's other terms alone")
    align: Any = option(1.0, "weight of align-true-pairs, or its course [[share done,weight],…]; code: [[0.5,1],[1,2]]")
    uniform: Any = option(1.0, "weight of centroid uniformity, or its course; the published code has [[0.2,1],[0.7,0]]")
    normalised: bool = option(False, "bring centroids to length 1: in the published code, not in the paper")


@dataclass
class Gram(Anchored):
    name: str = "gram"
    smoothing: float = option(0.0, "of the targets: 0.1 in the published code, none in the paper")


@dataclass
class Unicl(Anchored):
    name: str = "unicl"
    labels: str = option("caption", "what makes rows alike: caption (equal ones), or object (the same value)")
    alike: str = option("positive", "rows that are alike are positive, all of them, or ignored: no negatives")


@dataclass
class Alignclip(Anchored):
    name: str = "alignclip"
    contrast: Any = option(1.0, "weight of CLIP's loss, or its course; 0: the loss's other terms alone")
    weight: float = option(0.5, "of the separation within modalities (IMSep)")
    distance: str = option(
        "factors", "how far apart two are to be: by factors, object, ones (all alike), shuffled (placebo)"
    )
    side: str | None = option(None, "the modality that alone is spread, e.g. image (both of a pair)")
    positive: bool = option(True, "the true pair is among the denominator's terms: in the code it is, in the paper not")


@dataclass
class Voices:
    name: str = "voices"


@dataclass
class Recordings:
    name: str = "recordings"
    root: str = option(MISSING, "folder of WAV files named {digit}_{speaker}_{index}.wav, as FSDD's are")
    held_out: list[str] = option(list[str], "speakers that are heard in the test only (the last fifth by name)")


@dataclass
class AsTrained:
    name: str = "none"


@dataclass
class Centring:
    name: str = "centring"


@dataclass
class Translation:
    name: str = "translation"
    gap: float = option(0.0, "the mean distance between modalities' means that is forced; 0 closes the gap")


@dataclass
class Whitening:
    name: str = "whitening"
    shrinkage: float = option(0.1, "of each modality's covariance towards a multiple of the identity")


@dataclass
class Rotation:
    name: str = "rotation"
    seed: int = option(
        0, "of the one random rotation of all, which keeps every cosine; of the random order of dimensions"
    )


@dataclass
class Ablation:
    name: str = "ablation"
    dimensions: int = option(1, "how many are set to 0")
    order: str = option("gap", "those with the largest difference of means first, or random")
    seed: int = option(0, "of the random order")


@dataclass
class TextComponents:
    name: str = "text_components"
    components: int = option(8, "principal components of the texts that all are projected onto")


@dataclass
class IsoClip:
    name: str = "isoclip"
    top: int = option(1, "singular directions of the inter-modal operator that are dropped, strongest first")
    bottom: int = option(0, "and weakest first")
    published: bool = option(False, "count directions from the features' dimensions, not the space's, as the code does")


@dataclass
class IsoClipMlp(IsoClip):
    name: str = "isoclip_mlp"
    published: bool = option(
        False, "the same; and linearise at 0, GELU as half its input, in place of the head, as the code does"
    )


@dataclass
class Features:
    name: str = "features"
    whitened: bool = option(False, "whiten what the projection reads, or leave it as it is")


@dataclass
class Inversion:
    name: str = "inversion"
    steps: int = option(150, "of AdamW, where images and sounds ask (OTI; as published)")
    text_steps: int = option(150, "where texts ask (OVI; 1,000 in the published code, at seven times the cost)")
    lr: float = option(0.02, "AdamW's, of the word vector, or of the image's values in [-1, 1]")


@dataclass
class Unshifted:
    name: str = "none"


@dataclass
class Noise:
    name: str = "noise"
    sd: float = option(40.0, "of Gaussian noise on the test images, in steps of 255")


@dataclass
class Blur:
    name: str = "blur"
    sigma: float = option(1.0, "of the Gaussian that test images are blurred with, in pixels")


@dataclass
class OtherPen:
    name: str = "pen"
    width: float = option(
        5.0, "of the pen that writes all test images, in pixels of 28 (1.1 to 6; most writers' own: about 2)"
    )


@dataclass
class OtherDigits:
    name: str = "idx"
    root: str = option(MISSING, "folder of the IDX files whose digits the test images show")


@dataclass
class Unseen:
    name: str = "unseen"


@dataclass
class Mad:
    images: int = option(30000, "training images, each with its one caption (of a custom world too); fewer overfit")
    test_images: int = option(3000, "evaluation images; entropies are over as many captions (of a custom world too)")
    variant: str = option("corrected", "corrected, or published: with the faults of the published code")
    strength: str = option("published", "of the operations: published, or strong, where every one can be seen")
    style: list[str] = option(
        list[str], f"styles of the handwriting that are factors too, of {', '.join(STYLE)} (strokes only)"
    )


@dataclass
class Avmnist:
    images: int = option(55000, "training samples of world=avmnist, each an image, a sound and a caption")
    validation_images: int = option(5000, "samples of other writers and voices, to choose by; no study reads them")
    test_images: int = option(10000, "evaluation samples, of yet others")


@dataclass
class Image:
    components: int | None = option(20, "principal components left of avmnist's images; null: all of the image")


@dataclass
class Audio:
    snr_db: float = option(10.0, "level of avmnist's speech over white noise, in decibels; inf: no noise")


@dataclass
class Space:
    """How factors are distributed and shown, in any world."""

    rho: float = option(0.0, "0 to 1: how strongly the second of space.correlated goes with the first")
    correlated: list[str] = option(list[str], "two factors (the space's first and last)")
    held_out: float = option(0.0, "share of combinations that training images never show")
    held_out_of: list[str] = option(list[str], "the factors whose combinations are held out (all)")
    test: str = option("all", "evaluation images show all combinations, only seen ones, or only unseen ones")
    hidden: list[str] = option(list[str], "factors that images do not show, though captions may name them")


@dataclass
class Temperature:
    mode: str = option("learnable", "learnable (scale clamped at 100, as CLIP) or fixed")
    init: float = option(0.07, "τ at the start; for good if fixed")
    lr: float = option(0.01, "of the log scale: far above the weights', else it hardly moves in a short run")


@dataclass
class Encoder:
    embedding: int = option(64, "dimensions of the shared space: far above the 10.7 bits there are to say")
    channels: int = option(16, "of the first convolution; then twice and four times as many")
    image: str = option(
        "conv", "conv (straight into the space), conv-mlp (by way of a bag's MLP), transformer; sounds' too"
    )
    text: str = option("bag", "bag (blind to word order, as MAD's captions are) or transformer")
    share: str = option(
        "none", "what modalities have in common: none, projection, or trunk (and projection: SharedCLIP)"
    )
    width: int = option(64, "of word and patch vectors; the transformer has one head each 32")
    depth: int = option(2, "transformer blocks")
    patches: int = option(4, "along each side of an image or a spectrogram that a transformer reads")
    apart: float = option(0.0, "how far modalities are set apart at the start, in their embeddings' usual lengths")


@dataclass
class Training:
    epochs: int = option(4, "passes over the training images")
    steps: int | None = option(None, "of the optimiser, in place of epochs: the same number whatever the batch")
    batch: int = option(512, "pairs a step; a larger one holds more equal captions")
    lr: float = option(0.008, "AdamW's peak, after warmup and before the cosine; high, as the schedule is short")
    weight_decay: float = option(0.05, "AdamW's, on matrices only")
    warmup: float = option(0.1, "share of the steps in which the rate rises")
    bf16: bool = option(False, "bfloat16 autocast: quicker where the CPU or GPU has it, other numbers")
    device: str = option("cpu", "cpu or cuda")


@dataclass
class Seeds:
    data: int = option(II("seed"), "factors, pixels and captions")
    init: int = option(II("seed"), "weights at the start")
    order: int = option(II("seed"), "batches")


@dataclass
class Run:
    """One run, complete. Each group has its first option unless another is chosen."""

    defaults: list[Any] = field(
        default_factory=lambda: ["_self_", *({group: next(iter(options))} for group, options in GROUPS.items())]
    )
    out: str = option("runs", "where runs and datasets are kept")
    world: str = option("mad", "mad, avmnist, or a Python file that defines `world = data_gen.World(space, render)`")
    images: str = option("pixels", "pixels, or symbolic: the factors themselves as tokens")
    seed: int = option(0, "sets the three seeds below; runs that are compared share it")
    seeds: Seeds = field(default_factory=Seeds)
    mad: Mad = field(default_factory=Mad)
    avmnist: Avmnist = field(default_factory=Avmnist)
    image: Image = field(default_factory=Image)
    audio: Audio = field(default_factory=Audio)
    space: Space = field(default_factory=Space)
    encoder: Encoder = field(default_factory=Encoder)
    temperature: Temperature = field(default_factory=Temperature)
    training: Training = field(default_factory=Training)
    digits: Any = MISSING
    captions: Any = MISSING
    loss: Any = MISSING
    finetune: Any = MISSING
    speech: Any = MISSING
    posthoc: Any = MISSING
    shift: Any = MISSING


GROUPS = {
    "digits": {"strokes": Strokes, "idx": Idx},
    "captions": {"attributes": Attributes, "fixed": Fixed, "contiguous": Contiguous, "independent": Independent},
    "loss": {
        "clip": Clip,
        "unicl": Unicl,
        "siglip": Siglip,
        "modgap": Modgap,
        "gram": Gram,
        "alignclip": Alignclip,
    },
    "finetune": {"none": NoFinetuning, "attributes": FinetuningAttributes, "contiguous": FinetuningContiguous},
    "speech": {"voices": Voices, "recordings": Recordings},
    "posthoc": {
        "none": AsTrained,
        "centring": Centring,
        "translation": Translation,
        "whitening": Whitening,
        "rotation": Rotation,
        "ablation": Ablation,
        "text_components": TextComponents,
        "isoclip": IsoClip,
        "isoclip_mlp": IsoClipMlp,
        "features": Features,
        "inversion": Inversion,
    },
    "shift": {
        "none": Unshifted,
        "noise": Noise,
        "blur": Blur,
        "pen": OtherPen,
        "idx": OtherDigits,
        "unseen": Unseen,
    },
}
#: Groups of what happens after training: runs that differ in them alone share a model.
AFTERWARDS = ("posthoc", "shift")
CHOICES = {
    "images": ("pixels", "symbolic"),
    "temperature.mode": ("learnable", "fixed"),
    "encoder.image": ("conv", "conv-mlp", "transformer"),
    "encoder.text": ("bag", "transformer"),
    "encoder.share": ("none", "projection", "trunk"),
    "training.device": ("cpu", "cuda"),
    "mad.variant": VARIANTS,
    "mad.strength": tuple(STRENGTHS),
    "space.test": ("all", "seen", "unseen"),
}
#: The same of options that only some options of a group have.
CHOICES_OF_SOME = {
    "loss.labels": ("caption", "object"),
    "loss.alike": ("positive", "ignored"),
    "loss.distance": ("factors", "object", "ones", "shuffled"),
    "posthoc.order": ("gap", "random"),
    "finetune.temperature": ("learnable", "frozen"),
}
MODALITIES = ("image", "audio", "text")
#: Options that hold a mapping with free keys.
FREE = ("captions.probability", "digits.style")
#: Where things are kept, not what they are: left out of a run's identity.
PLACES = ("out", "digits.root", "speech.root", "shift.root")
#: What came later, and what it is where it does nothing: then it is left out of a run's identity, too.
LATER = {
    "finetune": {"name": "none"},
    "encoder.apart": 0.0,
    "training.steps": None,
    "loss.contrast": 1.0,
    "posthoc.published": False,
    "posthoc.text_steps": 150,
}
#: What no run reads: left out of its identity too.
UNREAD = ("avmnist.validation_images",)
#: Sections that only avmnist reads.
OF_AVMNIST = ("avmnist", "image", "audio", "speech")
MOST_RUNS = 100_000  # of a study: to plan one takes 5 to 10 ms
#: What no override needs to exceed, in characters and in brackets within brackets; Hydra's parser takes minutes for more.
LONGEST, DEEPEST = 20_000, 20
LARGEST = sys.float_info.max  # whole numbers have no end, and what comes after cannot tell them
TRUTHS = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
QUOTED, PIECES = re.compile(_QUOTED), re.compile(rf"(?:^|,)(\s*(?:{_QUOTED})\s*(?=,|\Z)|[^,]*)")
CALL = re.compile(r"(?:choice|sort|str)\(.*\)")


def register() -> None:
    """Tell Hydra the schemas; the config is called `run`."""
    store = ConfigStore.instance()
    store.store(name="run", node=Run)
    for group, options in GROUPS.items():
        for name, schema in options.items():
            store.store(group=group, name=name, node=schema)


def parse(overrides: Sequence[str]) -> list[Override]:
    """Overrides in Hydra's syntax, checked against the names there are. Raises InputError for the first that is wrong.

    A text (a place, a factor's name) is all that follows `=`, as it is written, or what is in quotes. Commas outside quotes
    separate the values of a sweep; in `out`, which is one folder, they are part of its name.
    """
    parsed = [reading(override) for override in overrides]
    chosen = {}
    for override in parsed:
        if override.key_or_group in GROUPS:
            group, names = override.key_or_group, values(override)
            for name in names:
                _check_choice(group, name)
            if not override.is_sweep_override():
                chosen[group] = names[0]
    for override in parsed:
        _check_key(override.key_or_group, chosen)
    return parsed


def reading(override: str) -> Override:
    """One override in Hydra's terms, its option not yet checked. Raises InputError if it is none."""
    if "=" not in override and not override.startswith("~"):
        raise InputError(f"{_shown(override)} is not an override; write name=value")
    if override.startswith("~"):
        raise InputError(f"{_shown(override)}: only what a study sweeps can be dropped")
    if override.startswith("+"):
        raise InputError(f"{_shown(override)}: there are no options to add; write name=value")
    written = _with_texts_in_quotes(override)
    if len(written) > LONGEST or _nested(written) > DEEPEST:
        raise InputError(f"{_shown(override)} is too long, or nested too deep, for an override (name=value)")
    try:
        parsed = OverridesParser(_functions()).parse_overrides([written])[0]
        found = values(parsed)
    except InputError:
        raise
    except Exception as error:  # whatever the parser raises, it is the text that is at fault
        raise InputError(f"{_shown(override)} is not an override (name=value): {_of_grammar(error)}") from error
    if parsed.package is not None:
        raise InputError(f"{_shown(override)}: there are no packages here; write name=value")
    if any(isinstance(value, Sweep) for value in found):
        raise InputError(f"{_shown(override)}: a range among other values is not understood; write out what it gives")
    meant = "inf" in written.lower()
    if any(abs(x) > LARGEST and not (isinstance(x, float) and meant) for x in _numbers(found)):
        raise InputError(f"{_shown(override)}: that number is too large")
    return parsed


def folder(overrides: Sequence[str], default: str = "runs") -> Path:
    """The folder that the last out=DIR among the overrides names: the same one for every command."""
    given = [override for override in overrides if override.startswith("out=")]
    return Path(parse(given)[-1].value() if given else default)


def values(override: Override) -> list:
    """The value of an override, or all those of its sweep. Raises InputError if they are none, or more than `MOST_RUNS`."""
    if not override.is_sweep_override():
        return [override.value()]
    try:
        found = list(islice(override.sweep_iterator(), MOST_RUNS + 1))
    except (HydraException, ValueError, ArithmeticError) as error:
        raise InputError(f"{override.input_line}: range needs numbers, and a step that is not 0") from error
    if not found:
        raise InputError(f"{override.input_line} has no values")
    if len(found) > MOST_RUNS:
        raise InputError(f"{override.input_line} has more than {MOST_RUNS:,} values")
    return [Override(override.type, override.key_or_group, ValueType.ELEMENT, value).value() for value in found]


@lru_cache
def _functions() -> Functions:
    """Those of Hydra's that give a list of values, in an order that is always the same."""
    functions = create_functions()
    for name in ("glob", "interval", "shuffle", "tag"):
        del functions.definitions[name], functions.functions[name]
    return functions


def _with_texts_in_quotes(override: str) -> str:
    """The same override in Hydra's own terms, where `2024_01` is a number and `a b(c` is an error."""
    key, _, text = override.partition("=")
    if types().get(key) not in (str, str | None) or (key != "out" and CALL.fullmatch(text)):
        return override
    found = [text] if key == "out" else PIECES.findall(text)
    return f"{key}={','.join(_in_quotes(key, piece.strip()) for piece in found)}"


def _in_quotes(key: str, text: str) -> str:
    if text.lower() == "null" and types()[key] == str | None:
        return text
    if QUOTED.fullmatch(text):
        text = OverridesParser(_functions()).parse_rule(text, "primitive").text
    elif text[:1] in ("'", '"'):
        raise InputError(f"{key}={text}: its quotes do not match")
    if key in (*PLACES, "world"):
        _check_place(key, text)
    return QuotedString(text, Quote.single).with_quotes()


def _check_place(key: str, text: str) -> None:
    if not text:
        raise InputError(f"{key} is empty; write {key}=… with a {'file' if key == 'world' else 'folder'}")
    if "\0" in text or "${" in text:
        raise InputError(f"{key}={text!r}: write the path itself, without ${{…}} or the character NUL")
    if QUOTED.fullmatch(text):
        raise InputError(f"{key}={text}: it is in quotes twice")
    if text.startswith("~") and expanduser(text) != text:
        raise InputError(
            f"{key}={text}: ~ is not expanded here; write {key}={expanduser(text)} (or ./~ if you mean it)"
        )


def _nested(text: str) -> int:
    """How deep brackets are nested, those in quotes too."""
    level, deepest = 0, 0
    for character in text:
        level += (character in "[{(") - (character in ")}]")
        deepest = max(deepest, level)
    return deepest


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, int | float):
        yield value


def _of_grammar(error: Exception) -> str:
    """What Hydra's grammar does not understand."""
    if unknown_function := re.search(r"Unknown function '(\w+)'", str(error)):
        return f"{unknown_function[1]}() is none of {', '.join(_functions().definitions)}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = lines[1] if lines[0].startswith("Error parsing override") and len(lines) > 1 else lines[0]
    if line.startswith("LexerNoViableAlt"):
        return "a character in it needs quotes, as in name='…'"
    return line.split(" expecting ")[0][:200]


def _check_choice(group: str, name: Any) -> None:
    if not isinstance(name, str) or name not in GROUPS[group]:
        raise unknown(group, name, GROUPS[group])


def _check_key(key: str, chosen: dict[str, str]) -> None:
    names = _keys(tuple(chosen.items()))
    free = any(key.startswith(f"{name}.") for name in names if name in FREE)
    if key in names or key in GROUPS or free:
        return
    for group, options in GROUPS.items():
        for name in options:
            if key in keys({**chosen, group: name}):
                raise InputError(f"{key} belongs to {group}={name}; add {group}={name} to use it")
    raise _unknown_option(key, names)


def check_option(key: str, where: str) -> None:
    """Raises InputError for an option that no choice of groups has."""
    if key not in types() and key not in GROUPS and not key.startswith(tuple(f"{name}." for name in FREE)):
        raise _unknown_option(key, types(), where)


@lru_cache
def types() -> dict[str, Any]:
    """Every option of any choice of groups → the type of its values."""
    schemas = [(Run, ""), *((schema, f"{group}.") for group, some in GROUPS.items() for schema in some.values())]
    return {key: f.type for schema, prefix in schemas for key, f in _fields(schema, prefix)}


def typed(key: str, value: Any, where: str = "") -> Any:
    """`value` of an option, or of the choice of a group, as its type has it: the text 1e-3 and the number .001 are one.

    Raises InputError that names the option, its type and the value. where: what is told of its place, as " in x.yaml".
    """
    if key == "out":
        raise InputError(f"out is no part of a study{where}: give it to the command, as out=DIR")
    try:
        if key in GROUPS:
            _check_choice(key, value)
            return value
        kind = types().get(key, float)  # else the free key of a mapping of numbers
        found = _converted(kind, value)
        if key in (*PLACES, "world"):
            _check_place(key, found)
        return found
    except InputError as error:
        raise InputError(f"{error}{where}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{key}{where} must be {_kind(kind)}, not {_shown(value)}") from error


def _converted(kind: Any, value: Any) -> Any:
    """Raises ValueError or TypeError."""
    if kind is Any:  # a weight, or its course
        return [_converted(Any, part) for part in value] if isinstance(value, list) else _converted(float, value)
    if isinstance(kind, UnionType):  # or null
        return None if value is None else _converted(get_args(kind)[0], value)
    if kind is str and isinstance(value, str) and "${" not in value:
        return value
    if kind is bool and (isinstance(value, bool) or str(value).lower() in TRUTHS):
        return TRUTHS[str(value).lower()]
    if kind in (int, float) and not isinstance(value, bool):
        return _number(kind, value)
    if get_origin(kind) is list and isinstance(value, list):
        return [_converted(get_args(kind)[0], part) for part in value]
    if get_origin(kind) is dict and isinstance(value, dict):
        return {str(name): _converted(get_args(kind)[1], part) for name, part in value.items()}
    raise TypeError


def _number(kind: type, value: Any) -> int | float:
    """A whole number stays one where fractions may stand, too: both are the same."""
    if isinstance(value, str):
        finite, infinite = re.fullmatch(yaml_file.NUMBER, value), re.fullmatch(r"[-+]?\.?inf", value.lower())
        if not finite and not infinite:
            raise ValueError
        value = int(value[:40]) if re.fullmatch(yaml_file.INTEGER, value) else float(value.replace(".inf", "inf"))
        if finite and abs(value) >= (2**63 if isinstance(value, int) else inf):
            raise ValueError
    if value != value or (kind is int and int(value) != value):
        raise ValueError
    return int(value) if kind is int else value


def _kind(kind: Any) -> str:
    if kind is Any:
        return "a number, or [[share,weight],…]"
    if isinstance(kind, UnionType):
        return f"{_kind(get_args(kind)[0])}, or null"
    named = {int: "a whole number", float: "a number", bool: "true or false", str: "a text (put it in quotes)"}
    return named.get(kind) or ("a list of texts" if get_origin(kind) is list else "a mapping of names to numbers")


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def written(key: str, value: Any) -> str:
    """The override that gives an option this value."""
    return f"{key}={_written(value)}"


def _written(value: Any) -> str:
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", value) and value.lower() not in ("null", "inf", "nan", *TRUTHS)
        return value if plain else QuotedString(value, Quote.single).with_quotes()
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{_written(part)}' for name, part in value.items())}}}"
    return "null" if value is None else str(value)


def _unknown_option(key: str, names: Iterable[str], where: str = "") -> InputError:
    near = get_close_matches(key, [*names, *GROUPS], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown option {key!r}{where}{hint} (`synthgap run --help` lists all)")


def keys(chosen: dict[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    """Every option under its override's name → (default, why), for the chosen group options."""
    return dict(_keys(tuple((chosen or {}).items())))


@lru_cache
def _keys(chosen: tuple[tuple[str, str], ...]) -> dict[str, tuple[Any, str]]:
    found = dict(_options(Run, ""))
    for group, name in {**{group: next(iter(options)) for group, options in GROUPS.items()}, **dict(chosen)}.items():
        found |= dict(_options(GROUPS[group][name], f"{group}."))
    return found


def _options(schema: type, prefix: str) -> Iterator[tuple[str, tuple[Any, str]]]:
    for key, f in _fields(schema, prefix):
        yield key, (f.default_factory() if callable(f.default_factory) else f.default, f.metadata["why"])


def _fields(schema: type, prefix: str) -> Iterator[tuple[str, Field]]:
    for f in fields(schema):
        if is_dataclass(f.type):
            yield from _fields(f.type, f"{prefix}{f.name}.")
        elif "why" in f.metadata:
            yield prefix + f.name, f


def resolve(overrides: Sequence[str], cell: Mapping[str, Any] | None = None) -> dict:
    """The config of one run as plain nested dicts, types and values checked. Raises InputError.

    cell: values that go on top of the overrides. Hydra composes once a choice of groups (70 ms), then cells are cheap.
    """
    cell = dict(cell or {})
    groups = {key: cell.pop(key) for key in list(cell) if key in GROUPS}
    try:
        config = loads(_composed((*overrides, *(f"{key}={value}" for key, value in groups.items()))))
        chosen = {group: get(config, group) for group in GROUPS} if cell else {}
        for key, value in cell.items():
            _check_key(key, chosen)
            OmegaConf.update(config, key, value, force_add=True)  # checked above; a probability is a new key
        resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_explain(error)) from error
    check(resolved)
    return resolved


@lru_cache
def _composed(overrides: tuple[str, ...]) -> bytes:
    """The config, pickled: loading is the quickest way to a copy."""
    register()
    overrides = [override.input_line for override in parse(overrides)]
    overrides = [f"+{o}" if o.startswith(FREE) else o for o in overrides]  # Hydra wants a + where a key is new
    inside_a_job = GlobalHydra.instance().is_initialized()
    with nullcontext() if inside_a_job else initialize(version_base="1.3", config_path=None):
        return dumps(compose("run", overrides=overrides))


def check(config: dict) -> None:
    """Raises InputError for a value that is of the right type but makes no sense."""
    for key, allowed in CHOICES.items():
        if get(config, key) not in allowed:
            raise unknown(f"value of {key}", get(config, key), allowed)
    for key, allowed in CHOICES_OF_SOME.items():
        group, name = key.split(".")
        if config[group].get(name, allowed[0]) not in allowed:
            raise unknown(f"value of {key}", get(config, key), allowed)
    for key in ("temperature.init", "training.lr", "temperature.lr"):
        if not 0 < get(config, key) < float("inf"):
            raise InputError(f"{key}={get(config, key)}: it must be above 0")
    if config["temperature"]["mode"] == "learnable" and config["temperature"]["init"] < 0.01:
        raise InputError(f"temperature.init={config['temperature']['init']}: a learnable one is kept at 0.01 or above")
    sizes = (f"encoder.{name}" for name in ("embedding", "channels", "width", "depth", "patches"))
    for key in (*sizes, "training.epochs"):
        if get(config, key) < 1:
            raise InputError(f"{key}={get(config, key)}: it must be at least 1")
    for key in ("seeds.data", "seeds.init", "seeds.order"):
        if not 0 <= get(config, key) < 2**63:
            raise InputError(f"{key}={get(config, key)}: a seed must be at least 0, and below 2**63")
    if not 0 <= config["training"]["warmup"] < 1:
        raise InputError(f"training.warmup={config['training']['warmup']}: it must lie in [0, 1)")
    if not 0 <= config["training"]["weight_decay"] < float("inf"):
        raise InputError(f"training.weight_decay={config['training']['weight_decay']}: it must be at least 0")
    if config["training"]["steps"] is not None and config["training"]["steps"] < 1:
        raise InputError(f"training.steps={config['training']['steps']}: it must be at least 1, or null for epochs")
    size = size_of(config, "train")
    images = get(config, size)
    if not 2 <= config["training"]["batch"] <= images:
        raise InputError(f"training.batch={config['training']['batch']}: it must lie between 2 and {size}={images}")
    for key, top in (("space.rho", 1.0), ("space.held_out", 0.9)):
        if not 0 <= get(config, key) <= top:
            raise InputError(f"{key}={get(config, key)}: it must lie in [0, {top:g}]")
    if len(config["space"]["correlated"]) not in (0, 2):
        raise InputError(f"space.correlated={config['space']['correlated']}: name two factors, as [digit,colour]")
    size = size_of(config, "test")
    if get(config, size) < 200:
        raise InputError(f"{size}={get(config, size)}: at least 200 are needed to measure anything")
    if get(config, "avmnist.validation_images") < 1:
        raise InputError(f"avmnist.validation_images={get(config, 'avmnist.validation_images')}: it must be at least 1")
    components, snr_db = get(config, "image.components"), get(config, "audio.snr_db")
    if components is not None and not 1 <= components <= 28 * 28:
        raise InputError(f"image.components={components}: it must be a whole number from 1 to 784, or null for all")
    if not snr_db >= -100:
        raise InputError(f"audio.snr_db={snr_db}: it must be a number of decibels from -100 on, or inf for no noise")
    _check_loss(config["loss"])
    _check_finetuning(config)
    _check_afterwards(config)
    _check_encoder(config["encoder"], config["images"])


def _check_encoder(encoder: dict, images: str) -> None:
    reading = {key: encoder[key] for key in ("image", "text")}
    if "transformer" in reading.values() and encoder["width"] % max(1, encoder["width"] // 32):
        raise InputError(f"encoder.width={encoder['width']}: a transformer needs a multiple of 32")
    if images == "symbolic" and reading["image"] != "transformer":
        reading["image"] = "conv-mlp"  # a bag's
    if not 0 <= encoder["apart"] <= 100:
        raise InputError(f"encoder.apart={encoder['apart']}: it must lie in [0, 100]")
    if encoder["apart"] and encoder["embedding"] < len(MODALITIES):
        raise InputError(f"encoder.apart={encoder['apart']} needs encoder.embedding of {len(MODALITIES)} or more")
    if encoder["apart"] and encoder["share"] != "none":
        raise InputError(f"encoder.apart={encoder['apart']} needs projections of their own: leave encoder.share=none")
    if encoder["share"] != "none" and reading not in (
        {"image": "conv-mlp", "text": "bag"},
        {"image": "transformer", "text": "transformer"},
    ):
        raise InputError(
            f"encoder.share={encoder['share']} needs encoders that end alike: encoder.image=conv-mlp and "
            "encoder.text=bag, or both transformer"
        )


def _check_afterwards(config: dict) -> None:
    """Of what is done to embeddings, and of what is shown to a trained model."""
    posthoc, shift, size = config["posthoc"], config["shift"], config["encoder"]["embedding"]
    for name, low, high, kind in (
        ("gap", 0, 10, ""),
        ("shrinkage", 0, 1, ""),
        ("dimensions", 0, size - 1, "a whole number "),
        ("components", 1, size, "a whole number "),
        ("top", 0, size - 1, "a whole number "),
        ("bottom", 0, _directions(config) - 1 - posthoc.get("top", 0), "a whole number "),
        ("steps", 1, 10**6, "a whole number "),
        ("text_steps", 1, 10**6, "a whole number "),
        ("seed", 0, 2**63 - 1, "a whole number "),
    ):
        if name in posthoc and not low <= posthoc[name] <= high:
            raise InputError(f"posthoc.{name}={posthoc[name]}: it must be {kind}from {low} to {high}")
    if not 0 < posthoc.get("lr", 1) < float("inf"):
        raise InputError(f"posthoc.lr={posthoc['lr']}: it must be above 0")
    for name in ("sd", "sigma"):
        if not 0 < shift.get(name, 1) < float("inf"):
            raise InputError(f"shift.{name}={shift[name]}: it must be above 0")
    if config["images"] == "symbolic" and shift["name"] not in ("none", "unseen"):
        raise InputError(f"shift={shift['name']} changes what is seen, and images=symbolic has nothing to see")
    if not 1.1 <= shift.get("width", 2) <= 6:
        raise InputError(f"shift.width={shift['width']}: it must lie in [1.1, 6] pixels")
    if shift["name"] == "pen" and (config["digits"]["name"] != "strokes" or config["world"] != "mad"):
        raise InputError("shift=pen is for the generated digits of world=mad: leave digits=strokes")
    if shift["name"] == "idx" and config["world"] not in ("mad", "avmnist"):
        raise InputError(f"shift={shift['name']} is for world=mad or avmnist, not for {config['world']}")
    if posthoc["name"] == "isoclip_mlp" and "transformer" in (config["encoder"]["image"], config["encoder"]["text"]):
        raise InputError(
            "posthoc=isoclip_mlp is for trunks that read vectors: encoder.image and text without transformer"
        )
    if shift["name"] == "unseen" and not config["space"]["held_out"]:
        raise InputError("shift=unseen needs space.held_out above 0: nothing is unseen")


def _directions(config: dict) -> int:
    """Of how many singular directions IsoCLIP drops some: as many as the space has dimensions; as published, as the text's
    features have (with their 1 for the bias), if those are more."""
    encoder, done = config["encoder"], config["posthoc"]
    if not done.get("published"):
        return encoder["embedding"]
    read = 2 * encoder["width"] if encoder["text"] == "bag" and done["name"] == "isoclip" else encoder["width"]
    return max(encoder["embedding"], read + 1)


def _check_finetuning(config: dict) -> None:
    finetune = config["finetune"]
    if finetune.get("epochs", 1) < 1:
        raise InputError(f"finetune.epochs={finetune['epochs']}: it must be at least 1")
    if not 0 < finetune.get("lr", 1) < float("inf"):
        raise InputError(f"finetune.lr={finetune['lr']}: it must be above 0")


def _check_loss(loss: dict) -> None:
    if loss["anchor"] not in (None, *MODALITIES):
        raise unknown("value of loss.anchor", loss["anchor"], ("null", *MODALITIES))
    if loss.get("side") not in (None, *MODALITIES):
        raise unknown("value of loss.side", loss["side"], ("null", *MODALITIES))
    if not 0 <= loss.get("weight", 0) < float("inf"):
        raise InputError(f"loss.weight={loss['weight']}: it must be at least 0")
    if not 0 <= loss.get("smoothing", 0) < 1:
        raise InputError(f"loss.smoothing={loss['smoothing']}: it must lie in [0, 1)")
    if not isfinite(loss.get("bias", 0)):
        raise InputError(f"loss.bias={loss['bias']}: it must be a number")
    for name in ("contrast", "align", "uniform"):
        if not _is_course(loss.get(name, 0)):
            raise InputError(
                f"loss.{name}={loss[name]}: it must be a weight of at least 0, or [[share,weight],…] with rising shares "
                "in [0, 1]"
            )

    terms = [loss[name] for name in ("contrast", "align", "uniform", "weight") if name in loss]
    if "contrast" in loss and not any(_ever(weight) for weight in terms):
        raise InputError(f"loss={loss['name']} with all its weights 0: nothing would be learnt")


def _ever(weight: Any) -> bool:
    """Whether a weight, or its course, is ever above 0."""
    return any(y > 0 for _, y in weight) if isinstance(weight, list) else weight > 0


def _is_course(value: Any) -> bool:
    points = value if isinstance(value, list) else [[0, value]]
    try:
        shares, weights = zip(*points, strict=True)
        return (
            shares[0] >= 0
            and shares[-1] <= 1
            and all(map(lt, shares, shares[1:]))
            and all(0 <= weight < float("inf") for weight in weights)
        )
    except (TypeError, ValueError):
        return False


def size_of(config: Mapping, split: str) -> str:
    """The option that says how many samples a split of the config's world has."""
    section = "avmnist" if config["world"] == "avmnist" else "mad"
    return f"{section}.{'images' if split == 'train' else f'{split}_images'}"


def get(config: Mapping, key: str) -> Any:
    """The value under an override's name; of a group, the name of its chosen option."""
    for part in key.split("."):
        config = config[part]
    if isinstance(config, Mapping | DictConfig):
        return config.get("name", config.get("policy"))
    return config


def as_trained(config: dict) -> dict:
    """The same config with nothing done afterwards: that of the run whose model it shares."""
    return config | {group: {"name": "none"} for group in AFTERWARDS}


def as_finetuned(config: dict) -> dict:
    """The same config with the captions that a model sees last, and is tested on."""
    finetune = config.get("finetune", {"name": "none"})  # older runs' configs have none
    if finetune["name"] == "none":
        return config
    policy = {"policy" if name == "name" else name: x for name, x in finetune.items()}
    return config | {"captions": policy | {name: config["captions"][name] for name in ("object", "shuffled")}}


def run_id(config: dict, identity: dict) -> str:
    """Hash of all that decides a run's numbers. identity: of the world's files, which count and not where they lie."""
    kept = deepcopy(config)
    idle = [key for key, value in LATER.items() if _value(kept, key) == value]
    for key in (*PLACES, *UNREAD, *idle):
        section, _, name = key.rpartition(".")
        (kept[section] if section else kept).pop(name, None)
    if config["world"] != "avmnist":
        kept = {k: v for k, v in kept.items() if k not in OF_AVMNIST}
    for group in AFTERWARDS:
        if config[group]["name"] == "none":
            del kept[group]
    if config["images"] == "symbolic":
        kept["digits"] = None  # nobody looks at them
    if config["world"] not in ("mad", "avmnist"):
        kept["world"] = None  # its identity says what is in the file, wherever that lies
    text = json.dumps({"version": VERSION, "config": kept, "world": identity}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:12]


def _value(config: Mapping, key: str) -> Any:
    """What stands there, a mapping too; of an option that the chosen one of its group lacks, the key."""
    return reduce(lambda part, name: part.get(name, key), key.split("."), config)


def _explain(error: Exception) -> str:
    key = getattr(error, "full_key", None)
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    key = key or getattr(cause, "full_key", None)
    line = _first_line(cause)
    if "Missing mandatory value" in line:
        return f"{key} is not set: give {key}=…"
    return f"{key}: {line}" if key and key not in line else line


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
