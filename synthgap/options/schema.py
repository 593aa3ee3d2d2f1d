"""The options of a run: sections of options, and groups of which one choice is made; dataclasses for Hydra follow from both."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import field, make_dataclass
from functools import cache, lru_cache, partial
from typing import Any, get_args, get_origin

from hydra.core.config_store import ConfigStore
from omegaconf import II, MISSING

from data_gen import InputError, user_file
from data_gen.errors import unknown
from data_gen.worlds.mad import STRENGTHS, STYLE, VARIANTS
from synthgap.catalogue import (
    COURSE,
    KINDS,
    REQUIRED,
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

SEED = partial(Option, type=int, low=0, high=2**63 - 1)
NAMES = partial(Option, [], type=list[str])

#: Section → its options, in the order of a run's config; those of the first are at the top.
SECTIONS = {
    "": {
        "out": Option("runs", "where runs and datasets are kept", place=True),
        "world": Option(
            "mad",
            "mad, avmnist, a Python file that defines `world = data_gen.World(space, render)`, or images of your own: "
            "a folder, or a .csv or .parquet, with their files, captions and factors",
        ),
        "metrics": NAMES("Python files of metrics of your own, each with METRICS = [Metric(…), …]"),
        "sinks": NAMES("also write finished runs for tensorboard, mlflow or wandb, each an extra"),
        "keep": Option(
            "models",
            "models: of each run its weights too; tables: weights only where another run of the sweep takes them; course: as "
            "models, and what `synthgap explore` shows: embeddings of test pairs all along training",
            choices=("models", "tables", "course"),
        ),
        "images": Option(
            "pixels",
            "pixels; symbolic: the factors themselves as tokens; or free: no encoders, the vectors of the ideal space "
            "(`synthgap ideal`)",
            choices=("pixels", "symbolic", "free"),
        ),
        "seed": SEED(0, "sets the three seeds below; runs that are compared share it"),
    },
    "seeds": {
        "data": SEED(II("seed"), "factors, pixels and captions"),
        "init": SEED(II("seed"), "weights at the start"),
        "order": SEED(II("seed"), "batches"),
    },
    "mad": {
        "images": Option(
            30000, "training images, each with its one caption (of a custom world too); fewer overfit", low=2
        ),
        "test_images": Option(
            3000,
            "evaluation images (of a custom world too); entropies are over as many captions; the first 10,000 ask",
            low=200,
        ),
        "variant": Option(
            "corrected", "corrected, or published: with the faults of the published code", choices=VARIANTS
        ),
        "strength": Option(
            "published",
            "of the operations: published, or strong, where every one can be seen",
            choices=tuple(STRENGTHS),
        ),
        "style": NAMES(f"styles of the handwriting that are factors too, of {', '.join(STYLE)} (strokes only)"),
    },
    "avmnist": {
        "images": Option(55000, "training samples of world=avmnist, each an image, a sound and a caption", low=2),
        "validation_images": Option(
            5000, "samples of other writers and voices, to choose by; no study reads them", low=1
        ),
        "test_images": Option(10000, "evaluation samples, of yet others", low=200),
    },
    "data": {  # of images of your own
        "size": Option(
            28, "pixels along each side that your images are brought to (world=FOLDER or a table)", low=8, high=512
        ),
        "gray": Option(False, "their brightness alone"),
        "factors": NAMES("columns of the table that are factors (all with few distinct values)"),
    },
    "image": {
        "components": Option(
            20,
            "principal components left of avmnist's images; null: all of the image",
            type=int | None,
            low=1,
            high=28 * 28,
        ),
    },
    "audio": {
        "snr_db": Option(
            10.0,
            "level of avmnist's speech over white noise, in decibels; inf: no noise",
            low=-100,
            finite=False,
        ),
    },
    "space": {  # how factors are distributed and shown, in any world
        "rho": Option(0.0, "0 to 1: how strongly the second of space.correlated goes with the first", low=0, high=1),
        "correlated": NAMES("two factors (the space's first and last)"),
        "held_out": Option(0.0, "share of combinations that training images never show", low=0, high=0.9),
        "held_out_of": NAMES("the factors whose combinations are held out (all)"),
        "test": Option(
            "all",
            "evaluation images show all combinations, only seen ones, or only unseen ones",
            choices=("all", "seen", "unseen"),
        ),
        "hidden": NAMES("factors that images do not show, though captions may name them"),
    },
    "encoder": encoder_options(),
    "temperature": {
        "mode": Option(
            "learnable", "learnable (scale clamped at 100, as CLIP) or fixed", choices=("learnable", "fixed")
        ),
        "init": Option(0.07, "τ at the start; for good if fixed", above=0),
        "lr": Option(0.01, "of the log scale: far above the weights', else it hardly moves in a short run", above=0),
        "scale": Option(
            "exp",
            "1/τ is exp(ν) or softplus(ν) of the number ν that is learnt; with softplus, temperature.lr is of 1/τ itself",
            choices=("exp", "softplus"),
        ),
        "schedule": Option(
            None,
            "course of a fixed τ, in place of temperature.init: [[share done,τ],…], e.g. [[0,0.01],[1,0.05]]; the last counts "
            "for what is measured",
            type=COURSE,
            above=0,
        ),
    },
    "training": {
        "epochs": Option(4, "passes over the training images", low=1),
        "steps": Option(
            None,
            "of the optimiser, in place of epochs: the same number for every batch size",
            type=int | None,
            low=1,
        ),
        "batch": Option(512, "pairs a step; a larger one holds more equal captions"),
        "lr": Option(
            0.008, "AdamW's peak, after warmup and before the cosine; high, as the schedule is short", above=0
        ),
        "weight_decay": Option(0.05, "AdamW's, on matrices only", low=0),
        "mismatched": Option(
            0.0, "share of the training images that get the caption of another; tests are matched", low=0, high=1
        ),
        "captions_anew": Option(False, "captions are drawn anew in each epoch, so that training may last"),
        "warmup": Option(0.1, "share of the steps in which the rate rises", low=0, below=1),
        "bf16": Option(False, "bfloat16 autocast: quicker where the CPU or GPU has it, other numbers"),
        "compile": Option(
            False,
            "the encoders through PyTorch's compiler, for long runs: steps are an eighth to a third quicker, the same but for "
            "rounding; the first takes up to a minute, later ones find what it made; on a CPU it needs g++ or clang++",
        ),
        "device": Option("cpu", "cpu or cuda", choices=("cpu", "cuda")),
    },
}
_LATENTS = Option({}, "latents of the handwriting set to a number, e.g. digits.style.slant=0.4", type=dict[str, float])
_IDX = Option(REQUIRED, "folder of MNIST's four IDX files, gzipped or not", type=str, place=True)
_SOUNDS = Option(
    REQUIRED, "folder of WAV files named {digit}_{speaker}_{index}.wav, as FSDD's are", type=str, place=True
)
_SPEAKERS = NAMES("speakers that are heard in the test only (the last fifth by name)")
#: Groups of options, of which one is chosen by name: {group: {name: the method}}.
GROUPS = {
    "digits": {
        "strokes": Method({"style": _LATENTS}, "strokes", kind="digits"),
        "idx": Method({"root": _IDX}, "idx", kind="digits"),
    },
    "captions": methods("captions"),
    "loss": methods("loss"),
    "finetune": methods("finetune"),
    "speech": {
        "voices": Method(name="voices", kind="speech"),
        "recordings": Method({"root": _SOUNDS, "held_out": _SPEAKERS}, "recordings", kind="speech"),
    },
    "posthoc": methods("posthoc"),
    "shift": methods("shift"),
}
#: Groups of what happens after training: runs that differ in them alone share a model.
AFTERWARDS = ("posthoc", "shift")
OURS = [method for some in GROUPS.values() for method in some.values()]
#: The user's files that were named so far in this process, by (option, name): their options are known from then on.
OWN: dict[tuple[str, str], Method] = {}


def _options_of(method: Method) -> Mapping[str, Option]:
    return options_of(method) if method.kind in KINDS else method.options


def _keyed(method: Method | None = None) -> Iterator[tuple[str, Option]]:
    """The options of a method, or those of all sections, under their overrides' names."""
    tables = SECTIONS if method is None else {method.kind: _options_of(method)}
    for name, some in tables.items():
        for key, one in some.items():
            yield f"{name}.{key}".lstrip("."), one


#: Options that hold a mapping with free keys.
FREE = tuple(key for method in (None, *OURS) for key, one in _keyed(method) if get_origin(one.type) is dict)
#: Where things are kept, not what they are: left out of a run's identity.
PLACES = tuple(key for method in (None, *OURS) for key, one in _keyed(method) if one.place)


def _dataclass(name: str, options: Mapping[str, Option], before: Iterable = (), behind: Iterable = ()) -> type:
    """The options as Hydra composes them. before, behind: more of its fields."""
    made = []
    for key, one in options.items():
        new = isinstance(one.default, list | dict)
        default = field(default_factory=partial(copy, one.default)) if new else field(default=one.default)
        made.append((key, one.type, default))
    made = make_dataclass(name, [*before, *made, *behind], namespace={"__module__": __name__})
    return globals().setdefault(name, made)  # pickles are of classes that a module has


def _called(method: Method) -> str:
    """The end of its schema's name, the same in any process: pickles know classes by their names."""
    return f"_of_{method.name.encode().hex()}_{user_file.fingerprint(method.source)}"


@lru_cache
def _run(encoders: tuple[Method, ...] = ()) -> type:
    """One run, complete. Each group has its first option unless another is chosen. encoders: of the user's, whose options the
    section `encoder` has too."""
    sections = SECTIONS | {"encoder": encoder_options(encoders)}
    of = "".join(map(_called, encoders))
    first = ["_self_", *({group: next(iter(some))} for group, some in GROUPS.items())]
    parts = [(name, _dataclass(f"{name.capitalize()}{of}", some)) for name, some in sections.items() if name]
    behind = [(name, part, field(default_factory=part)) for name, part in parts]
    behind += [(group, Any, field(default=MISSING)) for group in GROUPS]
    before = [("defaults", list[Any], field(default_factory=lambda: [*first]))]
    return _dataclass(f"Run{of}", sections[""], before, behind)


Run = _run()


def chosen(key: str, name: Any) -> Method:
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
    for method in OURS:
        ConfigStore.instance().store(group=method.kind, name=alias(method), node=schema_of(method))


def alias(method: Method) -> str:
    """The name that Hydra has for a method: a path would be a folder of configs."""
    return f"own_{method.path.stem}" if method.own else method.name


@lru_cache
def schema_of(method: Method) -> type:
    """A method's options, as Hydra composes them."""
    name = ("policy" if method.kind == "captions" else "name", str, field(default=method.name))
    return _dataclass(method.kind + _called(method), _options_of(method), [name])


def __getattr__(name: str) -> type:
    """A schema that this process has not made yet: what a pickle from another process asks for."""
    kind, *named = name.split("_of_")
    if not named:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    names = [bytes.fromhex(one.partition("_")[0]).decode() for one in named]
    if kind in GROUPS:
        return schema_of(find(kind, names[0]) if kind in KINDS else GROUPS[kind][names[0]])
    _run(tuple(find("encoder", one) for one in names))
    return globals()[name]


def declared_in(config: Mapping) -> Iterator[tuple[str, Option, Any]]:
    """(key, declaration, value) of every option of a config; an older run's may lack some, and so may a part of a config."""
    for key, section, name, one in _declared(tuple(find(kind, name, key) for kind, key, name in chosen_in(config))):
        there = config.get(section, {}) if section else config
        if name in there:
            yield key, one, there[name]


@lru_cache
def _declared(methods: tuple[Method, ...]) -> tuple[tuple[str, str, str, Option], ...]:
    """(key, section, name, declaration) of every option, where these are chosen."""
    own = [method for method in methods if method.kind == "encoder" and method.own]
    sections = [(method.kind, options_of(method)) for method in methods if method.kind != "encoder"]
    sections += (SECTIONS | {"encoder": encoder_options(own)}).items()
    return tuple(
        (f"{section}.{name}".lstrip("."), section, name, one)
        for section, some in sections
        for name, one in some.items()
    )


@lru_cache
def types() -> dict[str, Any]:
    """Every option of any choice of groups → the type of its values."""
    return {key: one.type for method in (*reversed([*OURS, *OWN.values()]), None) for key, one in _keyed(method)}


def type_of(key: str) -> Any:
    """The type of an option's values, or of those of a free key of a mapping; None of an unknown option."""
    of_free = (get_args(types()[name])[1] for name in FREE if key.startswith(f"{name}."))
    return types().get(key) or next(of_free, None)


def keys(asked: Mapping[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    """Every option under its override's name → (default, why), for what is chosen of groups and of encoders."""
    first = {group: next(iter(options)) for group, options in GROUPS.items()}
    return keys_of(tuple(chosen(key, name) for key, name in {**first, **(asked or {})}.items()))


@lru_cache
def keys_of(methods: tuple[Method, ...]) -> dict[str, tuple[Any, str]]:
    return {key: (one.default, one.why) for method in (None, *methods) for key, one in _keyed(method)}
