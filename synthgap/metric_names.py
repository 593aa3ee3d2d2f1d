"""The names of what is measured: every metric that a run writes, what it is of, and what it says. Quick to import.

A metric is declared beside its function, in `METRICS` of a file in synthgap/metrics/, or of a user's own file. Declarations are
read here without running these files, which need torch.
"""

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import combinations
from math import inf
from pathlib import Path
from typing import NamedTuple

from data_gen import InputError, World, files, user_file
from data_gen.errors import unknown
from synthgap.catalogue import Method

TEXT = "text"
SHARE = "share"
NOISE = ("query", "candidates", "both")

#: what a metric is of → how that is written
KINDS = {
    "": "nothing: one number a run",
    "modality": "image, audio, text",
    "pair": "two modalities, in the order image, audio, text: image-text",
    "direction": "who asks whom: image-text, text-image",
    "direction and noise": "image-text query, image-text candidates, image-text both: where the noise is",
    "image-text": "that pair alone",
    "pair with text": "image-text, audio-text",
    "direction, not text's": "image-text, image-audio, audio-image, audio-text",
    "object": "the factor that is the object: digit",
    "object or words": "the object's values, or all factors', if there are three or more: digit, words",
    "factor": "any factor: digit, colour",
    "image's factor": "a factor that images are about: digit, colour",
    "seen or heard factor": "colour of images; audio digit of sounds",
    "any modality's factor": "colour of images; text colour, audio digit of others",
    "biased modality": "image, text: those that show the object and another factor",
    "biased modality and factor": "image digit, text digit: of modalities that show two factors or more",
    SHARE: 'how much of training was done, in quotes: "0" to "1"',
    "part": "data, training, evaluation; without any, all of them",
}


class Metric(NamedTuple):
    """A metric's declaration.

    of: one of `KINDS`. undefined: where the data leave it undefined, and it is nan; empty where it always is a number. low,
    high: what no value of it is beyond. paper: where it is from, empty if it is our own. by: (seen, *of) → the number, where
    seen is a `synthgap.metrics.embedded.Embedded`, and of is what `KINDS` says, a text each; None where a run has it from
    elsewhere.
    """

    name: str
    of: str
    meaning: str
    undefined: str = ""
    low: float = -inf
    high: float = inf
    paper: str = ""
    by: Callable[..., float] | None = None


#: files whose rows come first in a run's table, in this order; those of others follow
FIRST = ("gap", "training", "sphere", "retrieval", "probes", "clustering", "neighbours", "ideal_words", "dimensions")


def declared(source: str | bytes, path: str | Path) -> dict[str, Metric]:
    """The metrics that a Python file declares by `METRICS = [Metric(…), …]`, by name and without their functions.

    Of the file only that expression is evaluated; it may hold literals, and names of the file's own literals. Raises
    InputError, with the line, for what is no such declaration.
    """
    known, found = {"__builtins__": {}, "Metric": Metric, "SHARE": SHARE, "inf": inf}, None
    try:
        lines = ast.parse(source, str(path)).body
    except (SyntaxError, ValueError) as error:
        raise InputError(f"metrics={path}, line {getattr(error, 'lineno', 1)}: {error.args[0]}") from error
    for line in lines:
        if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
            continue
        if line.targets[0].id == "METRICS":
            found = line
        else:
            with suppress(ValueError, TypeError):
                known[line.targets[0].id] = ast.literal_eval(line.value)
    if found is None:
        raise InputError(f"metrics={path} declares nothing; it needs METRICS = [Metric(…), …]")
    for call in ast.walk(found.value):
        if isinstance(call, ast.Call):
            call.keywords = [given for given in call.keywords if given.arg != "by"]
    try:
        some = eval(compile(ast.Expression(found.value), str(path), "eval"), known)
        return {_checked(metric).name: metric for metric in some}
    except Exception as error:  # an expression may raise anything
        raise InputError(f"metrics={path}, line {found.lineno}: {error}") from error


def _checked(metric: Metric) -> Metric:
    if not isinstance(metric, Metric):
        raise InputError(f"METRICS holds {metric!r}, which is no Metric")
    if not all(isinstance(text, str) for text in metric[:4]) or not metric.name:
        raise InputError(f"{metric.name!r}: name, of, meaning and undefined must be texts, and the name not empty")
    if metric.of not in KINDS:
        raise unknown(f"'of' of {metric.name}", metric.of, KINDS)
    if not metric.low <= metric.high:
        raise InputError(f"{metric.name}: low={metric.low} must not be above high={metric.high}")
    return metric


def _in_files() -> dict[str, dict[str, Metric]]:
    paths = {path.stem: path for path in sorted((Path(__file__).parent / "metrics").glob("*.py"))}
    order = dict.fromkeys([*FIRST, *paths])
    return {name: declared(source, name) for name in order if "\nMETRICS = " in (source := paths[name].read_text())}


#: the file in synthgap/metrics/ → the metrics that it declares, in the order of a run's rows
FILES = _in_files()
METRICS = {name: metric for metrics in FILES.values() for name, metric in metrics.items()}
#: kinds whose metrics are of several things of a modality at once: in a run's table, a modality's rows stand together
OF_MODALITY = ("biased modality and factor", "any modality's factor")


def places(world: World, object: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """kind → all that a metric of this kind is of in this world, as it is written → as its function is given it.

    Not of shares of training, nor of parts of a run.
    """
    names, everything = world.space.names, [*world.modalities, TEXT]
    about = {modality: [name for name in names if name in world.shows.get(modality, names)] for modality in everything}
    pairs = list(combinations(everything, 2))
    directions = [direction for a, b in pairs for direction in ((a, b), (b, a))]
    several = [modality for modality in everything if len(about[modality]) > 1]
    valued = {object: len(world.space[object]), "words": sum(len(world.space[factor]) for factor in about["image"])}

    def each(some: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return {name: (name,) for name in some}

    def both(some: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
        return {"-".join(two): two for two in some}

    def factors(modalities: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return {("" if m == "image" else f"{m} ") + factor: (m, factor) for m in modalities for factor in about[m]}

    return {
        "": {"": ()},
        "modality": each(everything),
        "pair": both(pairs),
        "direction": both(directions),
        "direction and noise": {f"{a}-{b} {noise}": (a, b, noise) for a, b in directions for noise in NOISE},
        "image-text": {f"image-{TEXT}": ()},
        "pair with text": both((modality, TEXT) for modality in world.modalities),
        "direction, not text's": both(two for two in directions if two[0] != TEXT),
        "object": each([object]),
        "object or words": each(of for of, values in valued.items() if values > 2),
        "factor": each(dict.fromkeys([object, *names])),
        "image's factor": each(about["image"]),
        "seen or heard factor": factors(world.modalities),
        "any modality's factor": factors(everything),
        "biased modality": each(modality for modality in several if object in about[modality]),
        "biased modality and factor": {f"{m} {factor}": (m, factor) for m in several for factor in about[m]},
    }


def possible(world: World, object: str, metrics: Iterable[Metric] = METRICS.values()) -> dict[str, list[str]]:
    """metric → all that a run of this world may have it of, but for shares of training."""
    found = {**places(world, object), "part": ["", "data", "training", "evaluation"]}
    return {metric.name: list(found[metric.of]) for metric in metrics if metric.of != SHARE}


def own(paths: Sequence[str]) -> dict[str, Metric]:
    """The metrics that a user's own files declare. Raises InputError for a file that cannot be read, and for a name that is
    taken, or of which no function of the user's could be asked."""
    found = {}
    for path in paths:
        source = user_file.read(Path(path), f"metrics={path}")
        for name, metric in declared(source, path).items():
            if name in METRICS or name in found:
                raise InputError(f"metrics={path}: there is a metric {name!r} already; give yours another name")
            if metric.of in (SHARE, "part"):
                raise InputError(f"metrics={path}: {name} is of {metric.of!r}, of which none of your own can be")
            found[name] = metric
    return found


def learnt_by(losses: Iterable[Method]) -> dict[str, Metric]:
    """What the options that losses learn come to, by name: `logit_bias` of an option `bias`."""
    return {
        f"logit_{name}": Metric(f"logit_{name}", "", f"the learnt {name} at the end of training ({method.key})")
        for method in losses
        for name in method.learnt
    }


def hashes(paths: Sequence[str]) -> list[str]:
    """SHA-256 of each file's content, in hex."""
    return [files.checksum(path) for path in paths]


def check(variable: Mapping, where: str, known: Mapping[str, Iterable[str] | None], listed: str) -> None:
    """Raises InputError unless {metric, of} is among `known`: metric → all that it is there of, None if that is not known.

    where: what asks for it. listed: where its reader finds the names.
    """
    metric, of = variable["metric"], variable.get("of", "")
    if metric not in known:
        raise InputError(f"unknown metric {metric!r} in {where}{_hint(metric, known)} ({listed})")
    if "of" not in variable and _is_course(metric):
        return  # its whole course
    for name in [of] if isinstance(of, str) else of:
        if known[metric] is None:
            if _is_course(metric) and not _is_share(name):
                raise InputError(f"{where}: the `of` of {metric} must be {KINDS[SHARE]}, not {name!r}")
        elif name not in known[metric]:
            if not any(known[metric]):
                raise InputError(f"{where}: {metric} is one number a run; leave out of: {name}")
            there = ", ".join(filter(None, known[metric]))
            asked = f"not of {name!r}" if name else "so it needs an 'of'"
            raise InputError(f"{where}: {metric} is there of {there}, {asked}{_hint(name, known[metric])}")


def _hint(name: str, names: Iterable[str]) -> str:
    by_lower = {known.lower(): known for known in names}  # RMG is how papers write it
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def _is_course(metric: str) -> bool:
    return metric in METRICS and METRICS[metric].of == SHARE


def _is_share(name: str) -> bool:
    try:
        return 0 <= float(name) <= 1
    except ValueError:
        return False
