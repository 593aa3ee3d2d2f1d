"""The options of a run, each with its why: dataclasses that Hydra composes."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import Field, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache, lru_cache, partial
from typing import Any, get_args

from hydra.core.config_store import ConfigStore
from omegaconf import II, MISSING

from data_gen import InputError
from data_gen.errors import unknown
from data_gen.mad import STRENGTHS, STYLE, VARIANTS
from synthgap.catalogue import (
    Method,
    Option,
    choices,
    chosen_in,
    encoder_options,
    find,
    kind_of,
    methods,
    options_of,
)


def option(default: Any, why: str) -> Any:
    make = {"default_factory": default} if isinstance(default, type) or callable(default) else {"default": default}
    return field(**make, metadata={"why": why})


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
class Voices:
    name: str = "voices"


@dataclass
class Recordings:
    name: str = "recordings"
    root: str = option(MISSING, "folder of WAV files named {digit}_{speaker}_{index}.wav, as FSDD's are")
    held_out: list[str] = option(list[str], "speakers that are heard in the test only (the last fifth by name)")


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
class Data:
    """Of images of your own."""

    size: int = option(28, "pixels along each side that your images are brought to (world=FOLDER or a table)")
    gray: bool = option(False, "their brightness alone")
    factors: list[str] = option(list[str], "columns of the table that are factors (all with few distinct values)")


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


def _dataclass(name: str, options: Mapping[str, Option], first: Iterable = ()) -> type:
    """The options as Hydra composes them. first: more of its fields."""
    made = list(first)
    for key, one in options.items():
        default = partial(copy, one.default) if isinstance(one.default, list | dict) else one.default
        made.append((key, one.type, option(default, one.why)))
    made = make_dataclass(name, made, namespace={"__module__": __name__})
    return globals().setdefault(name, made)  # pickles are of classes that a module has


Encoder = _dataclass("Encoder", encoder_options())


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
    world: str = option(
        "mad",
        "mad, avmnist, a Python file that defines `world = data_gen.World(space, render)`, or images of your own: a folder, "
        "or a .csv or .parquet, with their files, captions and factors",
    )
    metrics: list[str] = option(list[str], "Python files of metrics of your own, each with METRICS = [Metric(…), …]")
    images: str = option("pixels", "pixels, or symbolic: the factors themselves as tokens")
    seed: int = option(0, "sets the three seeds below; runs that are compared share it")
    seeds: Seeds = field(default_factory=Seeds)
    mad: Mad = field(default_factory=Mad)
    avmnist: Avmnist = field(default_factory=Avmnist)
    data: Data = field(default_factory=Data)
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


#: Groups of options, of which one is chosen by name: {group: {name: its schema, or the method that declares it}}.
GROUPS = {
    "digits": {"strokes": Strokes, "idx": Idx},
    "captions": methods("captions"),
    "loss": methods("loss"),
    "finetune": methods("finetune"),
    "speech": {"voices": Voices, "recordings": Recordings},
    "posthoc": methods("posthoc"),
    "shift": methods("shift"),
}
#: Groups of what happens after training: runs that differ in them alone share a model.
AFTERWARDS = ("posthoc", "shift")
CHOICES = {
    "images": ("pixels", "symbolic"),
    "temperature.mode": ("learnable", "fixed"),
    "training.device": ("cpu", "cuda"),
    "mad.variant": VARIANTS,
    "mad.strength": tuple(STRENGTHS),
    "space.test": ("all", "seen", "unseen"),
}
#: Options that hold a mapping with free keys.
FREE = ("captions.probability", "digits.style", "encoder.others")
#: Where things are kept, not what they are: left out of a run's identity.
PLACES = ("out", "digits.root", "speech.root", "shift.root")


#: The user's files that were named so far in this process, by (option, name): their options are known from then on.
OWN: dict[tuple[str, str], Method] = {}


def chosen(key: str, name: Any) -> Method | type:
    """The choice of that name by an option (`loss`, `encoder.image`): ours, or of a user's file, whose options are known from
    now on. Raises InputError."""
    kind = kind_of(key)
    if not kind:
        if not isinstance(name, str) or name not in GROUPS[key]:
            raise unknown(key, name, GROUPS[key])
        return GROUPS[key][name]
    method = find(kind, name, key)
    if method.own and OWN.get((key, name)) is not method:
        known = {option: type_ for option, type_ in types().items() if option.startswith(f"{kind}.")}
        for option, declared in method.options.items():
            there = known.get(f"{kind}.{option}", declared.type)
            if there != declared.type:
                raise InputError(
                    f"{method.key}: its option {option!r} is {declared.type}, and other methods have one of that name that "
                    f"is {there}; give it another name"
                )
        if kind == "encoder":
            encoder_options([method])
        OWN[key, name] = method
        types.cache_clear()
    return method


def notice(raw: Any) -> None:
    """Reads the user's files that are chosen anywhere in a study as YAML has it, so that their options are known."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            for one in value if isinstance(value, list) else [value]:
                for _, chooser, name in choices(str(key), one):
                    if isinstance(name, str) and name.endswith(".py"):
                        chosen(chooser, name)
            notice(value)
    elif isinstance(raw, list):
        for part in raw:
            notice(part)


def register(own: Iterable[Method] = ()) -> None:
    """Tell Hydra the schemas, and those of a user's files; the config is called `run`."""
    store, own = ConfigStore.instance(), tuple(own)
    store.store(name="run", node=_run(tuple(method for method in own if method.kind == "encoder")))
    _register_ours()
    for method in (method for method in own if method.kind != "encoder"):
        store.store(group=method.kind, name=alias(method), node=schema_of(method))


@cache
def _register_ours() -> None:
    for group, options in GROUPS.items():
        for name, choice in options.items():
            ConfigStore.instance().store(group=group, name=name, node=schema_of(choice))


def alias(method: Method) -> str:
    """The name that Hydra has for a method: a path would be a folder of configs."""
    return f"own_{method.path.stem}" if method.own else method.name


@lru_cache
def _run(encoders: tuple[Method, ...]) -> type:
    """The schema of a run that has these encoders of the user's: its section `encoder` has their options too."""
    if not encoders:
        return Run
    name = "_".join(str(id(method)) for method in encoders)
    section = _dataclass(f"Encoder_{name}", encoder_options(encoders))
    made = [("encoder", section, field(default_factory=section))]
    made = make_dataclass(f"Run_{name}", made, bases=(Run,), namespace={"__module__": __name__})
    return globals().setdefault(made.__name__, made)


@lru_cache
def schema_of(choice: Method | type) -> type:
    """A choice's schema, as Hydra composes it."""
    if isinstance(choice, type):
        return choice
    name = ("policy" if choice.kind == "captions" else "name", str, field(default=choice.name))
    return _dataclass(f"{choice.kind}_{id(choice)}", options_of(choice), [name])


def declared_in(config: Mapping) -> Iterator[tuple[str, Option, Any]]:
    """(key, declaration, value) of every option of the methods that a config chooses."""
    encoders = []
    for kind, key, name in chosen_in(config):
        method = find(kind, name, key)
        if kind == "encoder":
            encoders.append(method)
        else:
            for option_name, one in options_of(method).items():
                yield f"{key}.{option_name}", one, config[key][option_name]
    for option_name, one in encoder_options(method for method in encoders if method.own).items():
        if option_name in config.get("encoder", {}):
            yield f"encoder.{option_name}", one, config["encoder"][option_name]


@lru_cache
def types() -> dict[str, Any]:
    """Every option of any choice of groups → the type of its values."""
    known = [(group, choice) for group, some in GROUPS.items() for choice in some.values()]
    known += [(method.kind, method) for method in OWN.values()]
    schemas = [(Run, ""), *((schema_of(choice), f"{section}.") for section, choice in known)]
    return {key: f.type for schema, prefix in reversed(schemas) for key, f in _fields(schema, prefix)}


def type_of(key: str) -> Any:
    """The type of an option's values, or of those of a free key of a mapping; None of an unknown option."""
    of_free = (get_args(types()[name])[1] for name in FREE if key.startswith(f"{name}."))
    return types().get(key) or next(of_free, None)


def keys(asked: Mapping[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    """Every option under its override's name → (default, why), for what is chosen of groups and of encoders."""
    first = {group: next(iter(options)) for group, options in GROUPS.items()}
    return keys_of(tuple((key, chosen(key, name)) for key, name in {**first, **(asked or {})}.items()))


@lru_cache
def keys_of(choices: tuple[tuple[str, Method | type], ...]) -> dict[str, tuple[Any, str]]:
    found = dict(_options(Run, ""))
    for key, choice in choices:
        found |= dict(_options(schema_of(choice), f"{kind_of(key) or key}."))
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
