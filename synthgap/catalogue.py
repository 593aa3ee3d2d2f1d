"""What can be chosen by name (`loss=clip`, `posthoc=my_method.py`): every method declares itself in the file of its function.

A declaration is an assignment at the top of the file, as `LOSS = Method(paper="…", options={"weight": Option(0.5, "…")})`.
It is read without running the file, so that planning a study imports neither torch nor a user's code. A user's own file
has the same declaration and function as ours, and is chosen by its path.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib import import_module
from math import inf, isfinite
from operator import lt
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from data_gen import InputError, inputs, user_file
from data_gen.errors import unknown

REQUIRED = "???"  # Hydra's mark of an option that has no default and must be given
COURSE = Any  # type of a number ≥ 0, or its course through training [[share done, number], …]
TYPES = (
    int,
    float,
    bool,
    str,
    int | None,
    float | None,
    str | None,
    list[str],
    dict[str, float],
    dict[str, str],
    COURSE,
)


@dataclass(frozen=True, eq=False)
class Option:
    """default: REQUIRED where there is none. why: what it does, for `--help`. type: one of `TYPES` (that of the default).

    low, high: the least and the largest value; above, below: bounds that it may not reach itself. finite: whether it must be.
    choices: the texts that are allowed. modality: it names a modality of the world. place: it says where things are, which
    changes no number.
    """

    default: Any
    why: str
    type: Any = None
    low: float = -inf
    high: float = inf
    above: float = -inf
    below: float = inf
    finite: bool = True
    choices: tuple[str, ...] = ()
    modality: bool = False
    place: bool = False

    def __post_init__(self):
        object.__setattr__(self, "type", self.type or type(self.default))
        if self.type not in TYPES:
            raise TypeError(f"an option's type cannot be {self.type}")
        if not isinstance(self.why, str) or not self.why:
            raise TypeError("an option needs a text that says what it does: Option(default, why)")
        if self.default is None or self.type is COURSE or (isinstance(self.default, str) and "$" in self.default):
            return
        allowed = get_args(self.type) if isinstance(self.type, UnionType) else (self.type,)
        given = type(self.default)
        fits = any(given is (getattr(kind, "__origin__", kind)) for kind in allowed) or (given, self.type) == (
            int,
            float,
        )
        if not fits and self.default != REQUIRED:
            raise TypeError(f"the default {self.default!r} is not of the type {self.type}")
        if self.default != REQUIRED:
            self.check("default", self.default)

    def check(self, key: str, value: Any) -> None:
        """Raises InputError for a value that is of the right type, but not allowed. key: the option's name."""
        if self.choices and value not in self.choices:
            raise unknown(f"value of {key}", value, self.choices)
        if self.type is COURSE:
            if not (value is None and self.default is None) and not _is_course(value, self._allows):
                null = "null, " if self.default is None else ""
                bound = "above 0" if self.above == 0 else "of at least 0"
                raise InputError(
                    f"{key}={value}: it must be {null}a number {bound}, or [[share,number],…] with rising shares in [0, 1]"
                )
        elif isinstance(value, int | float) and not isinstance(value, bool) and not self._allows(value):
            null = ", or null" if isinstance(self.type, UnionType) else "" if self.finite else ", or inf"
            raise InputError(f"{key}={value}: it must {self._rule()}{null}")

    def _allows(self, value: float) -> bool:
        finite = isfinite(value) or (value == inf and not self.finite)
        return (
            finite
            and self.low <= value <= self.high
            and (value > self.above or self.above == -inf)
            and (value < self.below or self.below == inf)
        )

    def _rule(self) -> str:
        whole = self.type in (int, int | None)
        if self.above > -inf:
            return f"be above {self.above:g}"
        if whole and self.low > -inf and self.high < inf:
            return f"be a whole number from {self.low} to {self.high}"
        if self.low > -inf and min(self.high, self.below) < inf:
            return (
                f"lie in [{self.low:g}, {self.below:g})"
                if self.below < inf
                else f"lie in [{self.low:g}, {self.high:g}]"
            )
        return f"be at least {self.low:g}" if self.low > -inf else "be a number"


#: Of losses that add to CLIP's.
CONTRAST = Option(1.0, "weight of CLIP's loss, or its course; 0: the loss's other terms alone", type=COURSE)


@dataclass(frozen=True, eq=False)
class Method:
    """options: its own, beside those that all of its kind have. name: how it is chosen (the file's). function: what does it, in
    the same file (the name). paper: where it comes from, as the tables of options tell.

    form: what a function of its kind is given, where there are several forms (see `KINDS`). needs: what it is given by name
    beside its options. learnt: options that are only where a number starts that is trained with the weights → how many times
    faster than the temperature. reads: the kinds of input (`data_gen.inputs.KINDS`) that an encoder can read. key: how it is
    told to the user: loss=clip.
    """

    options: Mapping[str, Option] = field(default_factory=dict)
    name: str = ""
    function: str = ""
    paper: str = ""
    form: str = ""
    needs: tuple[str, ...] = ()
    learnt: Mapping[str, float] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    kind: str = ""
    path: Path | None = None
    source: bytes = b""
    key: str = ""

    @property
    def own(self) -> bool:
        """Whether it is of a user's file."""
        return self.name.endswith(".py")


@dataclass(frozen=True)
class Kind:
    """declared: the name that declarations are assigned to. where: the file or folder that holds ours. first: the default.
    before, behind: options that all of the kind have, around their own; one may set another default of those behind. forms,
    needs: what a declaration may say there. own: whether a user's file may be chosen."""

    declared: str
    where: str
    first: str = "none"
    before: Mapping[str, Option] = field(default_factory=dict)
    behind: Mapping[str, Option] = field(default_factory=dict)
    forms: tuple[str, ...] = ("",)
    needs: tuple[str, ...] = ()
    own: bool = True


KINDS = {
    "captions": Kind(
        "CAPTIONS",
        "policies.py",
        "attributes",
        before={"object": Option(None, "the factor whose bias is measured (first factor)", type=str | None)},
        behind={"shuffled": Option(True, "words in random order, or in the space's")},
        needs=("object", "texts"),
    ),
    "loss": Kind(
        "LOSS",
        "losses",
        "clip",
        before={
            "anchor": Option(
                "text",
                "only its pairs count; null: all pairs (the same for two modalities)",
                type=str | None,
                modality=True,
            )
        },
        forms=("", "pairs"),
        needs=("known", "chance"),
    ),
    # All encoders of a run share one section of options: its own are how they are chosen, and what concerns them all.
    "encoder": Kind(
        "ENCODER",
        "encoders",
        "conv",
        before={
            "embedding": Option(64, "dimensions of the shared space: far above the 10.7 bits there are to say", low=1),
            "image": Option(
                "conv",
                "conv (straight into the space), patch-conv (quicker), conv-mlp (by way of a bag's MLP), transformer, or "
                "my_encoder.py; sounds' and other modalities' too, where it can read them (else conv, bag or mlp does)",
            ),
            "text": Option("bag", "bag (blind to word order, as MAD's captions are), transformer, or my_encoder.py"),
            "others": Option(
                {}, "of another modality by its name, e.g. encoder.others.audio=transformer", type=dict[str, str]
            ),
            "share": Option(
                "none",
                "what modalities have in common: none, projection, or trunk (and projection: SharedCLIP)",
                choices=("none", "projection", "trunk"),
            ),
            "width": Option(
                64, "of word and patch vectors, and of what MLPs read; the transformer has one head each 32", low=1
            ),
            "start": Option(
                "usual",
                "weights at the start: usual, each modality's own; procrustes, with its embeddings rotated onto the first "
                "modality's; or same, those of the first modality's encoder",
                choices=("usual", "procrustes", "same"),
            ),
            "apart": Option(
                0.0,
                "how far modalities are set apart at the start, in their embeddings' usual lengths",
                low=0,
                high=100,
            ),
            "rank": Option(0, "dimensions of the subspace in which each modality's embeddings lie; 0: of all", low=0),
            "angle": Option(
                None,
                "in degrees, between those subspaces of any two modalities, which are then drawn and not learnt; null: learnt",
                type=float | None,
                low=0,
                high=90,
            ),
        },
        forms=("", "mlp", "transformer"),
        needs=("kind", "vocabulary", "longest", "width"),
    ),
    "finetune": Kind(
        "FINETUNE",
        "policies.py",
        before={
            "epochs": Option(4, "passes, after training, over the same images with captions of this policy", low=1),
            "lr": Option(0.008, "AdamW's peak in them; its state goes on, and the schedule begins anew", above=0),
            "temperature": Option(
                "learnable",
                "learnable (if it was), or frozen where training left it",
                choices=("learnable", "frozen"),
            ),
        },
        own=False,
    ),
    "posthoc": Kind("POSTHOC", "posthoc", forms=("", "search"), needs=("heads",)),
    "shift": Kind("SHIFT", "shifts.py", forms=("", "images", "world"), own=False),
}
#: What an encoder has to read to be chosen for images, and for texts.
READ = {"encoder.image": "pixels", "encoder.text": "tokens"}
#: The encoder of what that of images cannot read, by its kind.
USUAL = {"pixels": "conv", "spectrogram": "conv", "tokens": "bag", "vector": "mlp"}
_SCOPE = {"Option": Option, "Method": Method, "REQUIRED": REQUIRED, "COURSE": COURSE, "CONTRAST": CONTRAST, "inf": inf}
_SCOPE |= {kind.__name__: kind for kind in (int, float, bool, str, list, dict)} | {"__builtins__": {}}


@cache
def methods(kind: str) -> dict[str, Method]:
    """Ours of a kind by name, the default first."""
    where = Path(__file__).parent / KINDS[kind].where
    found = [] if KINDS[kind].first != "none" else [Method(name="none", kind=kind)]
    for path in sorted(where.glob("*.py")) if where.is_dir() else [where]:
        found += declared(kind, path, path.read_bytes(), f"{path}")
    return {method.name: method for method in sorted(found, key=lambda method: method.name != KINDS[kind].first)}


def find(kind: str, name: Any, key: str = "") -> Method:
    """The method of that name, or that a user's file of that path declares. Raises InputError. key: what chooses it (kind)."""
    key = key or kind
    if not isinstance(name, str) or not name.endswith(".py") or not KINDS[kind].own:
        ours = _ours(kind, READ.get(key))
        if isinstance(name, str) and name in ours:
            return ours[name]
        raise unknown(key if key == kind else f"value of {key}", name, ours)
    path = Path(name).absolute()
    return _own(kind, name, path, user_file.read(path, f"{key}={name}"), f"{key}={name}")


@cache
def _ours(kind: str, read: str | None) -> dict[str, Method]:
    """Those of `methods` that read this kind of input, where one is asked for."""
    return {name: method for name, method in methods(kind).items() if read in (None, *method.reads)}


@lru_cache
def _own(kind: str, name: str, path: Path, source: bytes, what: str) -> Method:
    found = declared(kind, path, source, what)
    if len(found) != 1:
        word = KINDS[kind].declared
        how = f"several methods in {word}" if found else f"no method: write `{word} = Method(…)` at its top"
        raise InputError(f"{what} declares {how}")
    return replace(found[0], name=name, key=what)


def declared(kind: str, path: Path, source: bytes, what: str) -> list[Method]:
    """The methods that a source declares, which is not run. Raises InputError with the line for what is wrong."""
    try:
        tree = ast.parse(source, str(path))
    except (SyntaxError, ValueError) as error:
        told = error.msg if isinstance(error, SyntaxError) else error
        raise InputError(f"{what}{user_file.line_in(path, error)}: {told}") from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == [KINDS[kind].declared]:
            try:
                value = eval(compile(ast.Expression(node.value), str(path), "eval"), _SCOPE)
                found = [
                    replace(method, kind=kind, path=path, source=source, name=method.name or path.stem)
                    for method in (value if isinstance(value, list) else [value])
                ]
            except Exception as error:
                line = user_file.line_in(path, error) or f", line {node.lineno}"
                raise InputError(f"{what}{line}: {error}") from error
            found = [replace(m, function=m.function or m.name.replace("-", "_"), key=f"{kind}={m.name}") for m in found]
            for method in found:
                _check(method, tree, f"{what}, line {node.lineno}")
            return found
    return []


def _check(method: Method, tree: ast.Module, where: str) -> None:
    """Raises InputError for a declaration that does not fit its kind, or its function."""
    kind = KINDS[method.kind]
    for what, given, allowed in (
        ("form", [method.form], kind.forms),
        ("need", method.needs, kind.needs),
        ("learnt option", method.learnt, method.options),
        ("kind of input", method.reads, inputs.KINDS if method.kind == "encoder" else ()),
    ):
        for name in given:
            if name not in allowed:
                raise unknown(f"{what} in {where}", name, allowed)
    if method.kind == "encoder" and not method.reads:
        raise InputError(f'{where}: say what it reads, as reads=("pixels",): {", ".join(inputs.KINDS)}')
    for name, option in method.options.items():
        if not isinstance(name, str) or not name.isidentifier() or not isinstance(option, Option):
            raise InputError(
                f"{where}: options must be a mapping of names to Option(default, why), not {name!r}: {option!r}"
            )
        if name in {*kind.before, "name", "policy"} or (name in kind.behind and option.type != kind.behind[name].type):
            raise InputError(f"{where}: every {method.kind} has {name!r} already; give the option another name")
    if method.kind == "finetune" or method.function == "none":
        return  # a policy of captions does it
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imported = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    if method.function not in functions and method.function not in imported:
        raise InputError(f"{where}: it needs a function {method.function!r} (found {', '.join(functions) or 'none'})")
    defined = functions.get(method.function)
    if isinstance(defined, ast.ClassDef):  # what it is made of
        defined = next((node for node in defined.body if getattr(node, "name", "") == "__init__"), None)
    arguments = getattr(defined, "args", None)
    if arguments and not arguments.kwarg:
        taken = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        for name in (*method.options, *method.needs):
            if name not in taken:
                where = f"{where.partition(', line')[0]}, line {defined.lineno}"
                raise InputError(f"{where}: {method.function}() does not take {name!r}")


def options_of(method: Method) -> dict[str, Option]:
    """All options of a method, those of its kind too, in the order that `--help` has them."""
    kind = KINDS[method.kind]
    return {} if method.name == "none" else {**kind.before, **method.options, **kind.behind} | method.options


def load(method: Method) -> Callable:
    """The function of a method: imports its module, or runs the user's file."""
    ours = _module(method.path)
    module = import_module(ours) if ours else user_file.run(method.path, method.source, method.key)
    return getattr(module, method.function)


@cache
def _module(path: Path) -> str:
    """The name of our module in that file; empty of a user's."""
    here = Path(__file__).parent
    return ".".join(("synthgap", *path.relative_to(here).with_suffix("").parts)) if path.is_relative_to(here) else ""


def chosen_in(config: Mapping) -> Iterator[tuple[str, str, str]]:
    """(kind, the option that chooses it, the name that is chosen) of all methods of a config."""
    for kind in KINDS:
        if kind == "encoder" and kind in config:
            for name in ("image", "text", "others"):
                yield from choices(f"encoder.{name}", config[kind].get(name, {}))
        elif kind in config:
            yield kind, kind, config[kind].get("name", config[kind].get("policy"))


def settings_of(chosen: Mapping) -> dict[str, Any]:
    """The settings that a config gives what it chooses: all but its name."""
    return {name: value for name, value in chosen.items() if name not in ("name", "policy")}


def kind_of(key: str) -> str:
    """The kind of method that an option chooses, as `loss` or `encoder.image` do; empty for others."""
    section, _, name = key.partition(".")
    if section == "encoder":
        return section if name in ("image", "text", "others") or name.startswith("others.") else ""
    return section if section in KINDS and not name else ""


def choices(key: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    """(kind, the option, the name) of each method that an option of this value chooses: none, one, or one a modality."""
    if key == "encoder.others":
        for modality, name in value.items() if isinstance(value, Mapping) else ():
            yield "encoder", f"{key}.{modality}", name
    elif kind_of(key):
        yield kind_of(key), key, value


def of_config(config: Mapping, key: str) -> Method:
    """The method that a config chooses by an option, e.g. `loss` or `encoder.image`: a user's file where it was when the run
    was planned. Raises InputError if that has changed since."""
    kind, _, name = next(found for found in chosen_in(config) if found[1] == key)
    own = config.get("own", {}).get(name)
    if own is None:
        return methods(kind)[name]
    path, what = Path(own["file"]), f"{key}={name}"
    source = user_file.read(path, what)
    if user_file.fingerprint(source) != own["source"]:
        raise InputError(f"{what} was edited since this run was planned; run the study again")
    return _own(kind, name, path, source, what)


def files_of(config: Mapping) -> dict[str, str]:
    """The user's files that a config chooses → how the user named them: what `user_file.located` asks for."""
    own = config.get("own", {})
    return {own[name]["file"]: f"{key}={name}" for _, key, name in chosen_in(config) if name in own}


def encoder_options(own: Iterable[Method] = ()) -> dict[str, Option]:
    """All options of the section `encoder`: those of all encoders, then each one's. own: encoders of the user's.

    Encoders that have an option in common share it. Raises InputError where they do not agree on its default.
    """
    found = dict(KINDS["encoder"].before)
    for method in (*methods("encoder").values(), *own):
        for name, option in method.options.items():
            there = found.setdefault(name, option)
            if (there.type, there.default) != (option.type, option.default):
                raise InputError(
                    f"{method.key}: its option {name!r} is {option.default!r} unless given, and other encoders have one of "
                    f"that name that is {there.default!r}; give it another name"
                )
    return found


def encoders_of(config: Mapping, kinds: Mapping[str, str]) -> dict[str, tuple[str, Method]]:
    """The encoder of each modality, and how the user would choose it. kinds: what each modality is, {modality: kind}.

    A text has that of encoder.text, another modality that of encoder.others.NAME, or else that of encoder.image. Where this
    last one cannot read it, it gets the one that is `USUAL` for its kind. Raises InputError for an encoder that was chosen for
    a modality and cannot read it.
    """
    found = {}
    for modality, kind in kinds.items():
        own = f"encoder.{modality}" if modality in ("image", "text") else f"encoder.others.{modality}"
        key = own if modality in ("image", "text", *config["encoder"].get("others", {})) else "encoder.image"
        method = of_config(config, key)
        if kind not in method.reads:
            if key == own and (method.own or modality != "image"):
                reads = " and ".join(method.reads)
                raise InputError(f"{key}={method.name} reads {reads}, and {modality} is {kind} here")
            method = methods("encoder")[USUAL[kind]]
        found[modality] = f"{own}={method.name}", method
    return found


def _is_course(value: Any, allows: Callable[[float], bool]) -> bool:
    points = value if isinstance(value, list) else [[0, value]]
    try:
        shares, weights = zip(*points, strict=True)
        return (
            shares[0] >= 0
            and shares[-1] <= 1
            and all(map(lt, shares, shares[1:]))
            and all(weight >= 0 and allows(weight) for weight in weights)
        )
    except (TypeError, ValueError):
        return False
