"""Anyone's embeddings, measured by the code that measures synthgap's own: gap, dimensions, entropy, retrieval, bias.

Two matrices and which of their rows are pairs in; tables, a figure and a summary out. What costs O(N·D) or O(N·D²) uses all
rows; what compares rows with rows uses a random sample of them, so that memory and time stay flat. Every number carries its
number of rows.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from rich.markup import escape
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch import Tensor

from data_gen import FactorSpace, InputError, files
from data_gen.seeds import generator
from synthgap import metrics, progress
from synthgap.measure import figure, matrices
from synthgap.measure import labels as tables_of
from synthgap.measure.legend import MEANINGS
from synthgap.metrics import dimensions
from synthgap.metrics.moments import Moments
from synthgap.metrics.robustness import ASKED
from synthgap.posthoc.ablation import ORDERS, in_order, without
from synthgap.posthoc.translation import centring, translation

Row = tuple[str, str, float, int]
FEWEST = 10  # rows: with fewer, halves and neighbours mean nothing
LONGEST = 60  # characters of a modality's name, which has to fit into the figure
KS = (1, 5, 10)  # of recall
CLUSTERED = 2000  # rows a modality in KMeans: ten starts of 200 clusters are a matter of seconds
MOST_VALUES = 200  # of a factor that is clustered
SHOWN = 2000  # points a modality in the figure


class Labels(NamedTuple):
    space: FactorSpace
    codes: np.ndarray  # [N, F]
    object: str


@dataclass(frozen=True)
class Pair:
    """Both modalities, {name: unit-norm [N, D]}, the rows of each that are its sample, and the labels, if any.

    pairs: [P, 2], which rows of both go together, and `sampled_pairs` which of the sample; None: row i of both.
    """

    z: dict[str, Tensor]
    sample: tuple[Tensor, Tensor]
    labels: Labels | None = None
    pairs: Tensor | None = None
    sampled_pairs: Tensor | None = None

    @cached_property
    def moments(self) -> list[Moments]:
        return [metrics.moments(x) for x in self.z.values()]

    @cached_property
    def sampled(self) -> dict[str, Tensor]:
        return {name: x[rows] for (name, x), rows in zip(self.z.items(), self.sample, strict=True)}

    @property
    def used(self) -> tuple[int, int]:
        """How many pairs there are, in all and in the sample."""
        if self.pairs is None:
            return len(next(iter(self.z.values()))), len(self.sample[0])
        return len(self.pairs), len(self.sampled_pairs)


def run(
    places: tuple[str, ...],
    out: str,
    *,
    labels: str | None = None,
    pairs: str | None = None,
    groups: tuple[str, str] | None = None,
    header: bool = True,
    names: tuple[str, str] | None = None,
    object: str | None = None,
    scale: float = 100.0,
    sample: int = 5000,
    seed: int = 0,
) -> int:
    """Measure the matrices at two places (`matrices.read`), write tables and figure into `out`, tell the summary; returns 0.

    A single place holds both, [2, N, D]. labels: a file (`labels.read_labels`); object: the factor whose bias is measured,
    the first unless given. Row i of both is a pair, unless pairs (`labels.read_pairs`) or groups (`labels.read_groups`) say
    which are. header: whether the first line of each CSV is names. scale: 1/τ. One thread, so that the same input gives the
    same numbers to the bit. Raises InputError for a mistake, before any work.
    """
    if not (isfinite(scale) and scale > 0):
        raise InputError(f"--scale {scale:g}: 1/τ must be above 0")
    if sample < FEWEST:
        raise InputError(f"--sample {sample}: at least {FEWEST} rows are needed")
    if seed < 0:
        raise InputError(f"--seed {seed}: it must be at least 0")
    if object is not None and labels is None:
        raise InputError(f"--object {object}: say which labels it is among, by --labels FILE")
    if pairs and groups:
        raise InputError("--pairs and --groups both say which rows are pairs; give one of them")
    if labels and (pairs or groups):
        raise InputError("--labels are of matrices whose rows i are a pair; give them without --pairs and --groups")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            z, notes = _read(places, names, paired=not (pairs or groups))
            which = _pairs(z, pairs, groups, header, notes)
            known = _labels(labels, object, len(next(iter(z.values()))), header, notes) if labels else None
            pair = _sampled(z, which, known, sample, seed)
            folder = _writable(Path(out))
            tables = measure(pair, scale, seed)
            written = _write(tables, folder, _title(pair))
    finally:
        torch.set_num_threads(threads)
    _tell(tables, pair, notes, scale, written)
    return 0


def measure(pair: Pair, scale: float, seed: int = 0) -> dict[str, pd.DataFrame]:
    """The tables: metrics (metric, of, value, rows_used), ablation (order and dimensions before these), and for the figure
    dimensions, spectrum and points."""
    z, spectra = pair.z, {}
    k = [0, *_doubling(next(iter(z.values())).shape[1] - 1)]
    closed = {"centring": centring(z), "translation": translation(z, gap=0.0)}
    steps: list[Callable[[], list]] = [
        lambda: _gaps(pair, scale),
        *(lambda i=i, name=name: _spread(name, z[name], pair.moments[i], spectra) for i, name in enumerate(z)),
        lambda: _on_sample(pair, scale),
        *(lambda name=name, maps=maps: _after(name, maps, pair) for name, maps in closed.items()),
        *(_labelled(pair) if pair.labels else []),
    ]
    cuts = [lambda order=order: _cuts(pair, order, k if order == ORDERS[0] else k[1:], seed) for order in ORDERS]
    with progress.bar("measuring", len(steps) + len(cuts), after=progress.SOON) as advance_to:
        found = []
        for i, step in enumerate([*steps, *cuts]):
            found.append(step())
            advance_to(i + 1)
    rows, ablated = ([row for part in parts for row in part] for parts in (found[: len(steps)], found[len(steps) :]))
    ablated += [("random", *row[1:]) for row in ablated if row[1] == 0]  # without nothing, both orders are one
    columns = ["metric", "of", "value", "rows_used"]
    return {
        "metrics": pd.DataFrame(rows, columns=columns),
        "ablation": pd.DataFrame(ablated, columns=["order", "dimensions", *columns]),
        "dimensions": _by_dimension(z),
        "spectrum": pd.concat(
            pd.DataFrame({"modality": name, "component": 1 + np.arange(len(values)), "singular_value": values})
            for name, values in spectra.items()
        ),
        "points": _points(pair),
    }


# --- input -------------------------------------------------------------------------------------------------------


def _read(places: tuple[str, ...], names: tuple[str, str] | None, paired: bool) -> tuple[dict[str, Tensor], list[str]]:
    """Both matrices on the sphere by what they are called, and what had to be done to them or should be known of them."""
    if not 1 <= len(places) <= 2:
        raise InputError(f"X and Y are needed, or one array of both; these are {len(places)}: {', '.join(places)}")
    if names:
        _named(names)
    names = names or _names(places)
    if len(places) == 1:
        x, y = matrices.read_both(places[0])
        places = (f"{places[0]}[0]", f"{places[0]}[1]")
    else:
        if _same_place(*places):
            raise InputError(f"{places[0]} is given twice; X and Y are two matrices")
        x, y = (matrices.read(place) for place in places)
    _comparable(places, x, y, paired)
    z = dict(zip(names, (x, y), strict=True))
    notes = [note for name, place in zip(names, places, strict=True) if (note := _to_sphere(z[name], name, place))]
    if paired:
        notes += [note for name, rows in z.items() if (note := _repeated(name, rows))]
    return z, notes


def _named(names: tuple[str, str]) -> None:
    if names[0] == names[1] or not all(names):
        raise InputError(f"--names {' '.join(names)}: two different names are needed")
    wrong = next((name for name in names if not _fits(name)), None)
    if wrong:
        raise InputError(f"--names: {wrong[:LONGEST]!r} cannot be shown; at most {LONGEST} characters that can be read")


def _fits(name: str) -> bool:
    return name.isprintable() and bool(name.strip()) and len(name) <= LONGEST


def _names(places: tuple[str, ...]) -> tuple[str, str]:
    names = tuple(matrices.stem(place) for place in places)
    return names if len(set(names)) == 2 and all(map(_fits, names)) else ("X", "Y")


def _same_place(x: str, y: str) -> bool:
    (first, name), (second, other) = (matrices.split(place, matrices.CONTAINERS) for place in (x, y))
    return name == other and first.exists() and second.exists() and first.samefile(second)


def _comparable(places: tuple[str, ...], x: Tensor, y: Tensor, paired: bool) -> None:
    shapes = f"{places[0]} is {list(x.shape)} but {places[1]} is {list(y.shape)}"
    if x.shape[1] != y.shape[1]:
        raise InputError(f"{shapes}; rows of both must be as long")
    if paired and len(x) != len(y):
        raise InputError(f"{shapes}; row i of both must be a pair, or say which rows are pairs by --pairs or --groups")
    few = FEWEST if paired else 2
    if min(len(x), len(y)) < few or x.shape[1] < 2:
        smaller, place = min((len(z), place) for z, place in zip((x, y), places, strict=True))
        raise InputError(f"{place} is {[smaller, x.shape[1]]}; at least {few} rows of 2 dimensions are needed")
    if torch.equal(x, y):
        raise InputError(f"{places[0]} and {places[1]} hold the same numbers; X and Y are two matrices")


def _repeated(name: str, x: Tensor) -> str | None:
    """What to know where rows are equal, as an image's are beside each of its captions."""
    distinct = len({blake2b(row, digest_size=16).digest() for part in x.split(4096) for row in part.numpy()})
    if distinct == len(x):
        return None
    return (
        f"{name}: {matrices.rows(len(x) - distinct)} of {len(x):,} repeat an earlier one, and recall counts one row only as "
        f"right; give each of the {distinct:,} once, and say which rows are pairs by --pairs or --groups"
    )


def _pairs(
    z: dict[str, Tensor], pairs: str | None, groups: tuple[str, str] | None, header: bool, notes: list[str]
) -> Tensor | None:
    """Which rows are pairs, [P, 2]; None: row i of both."""
    if not (pairs or groups):
        return None
    sizes = tuple(len(x) for x in z.values())
    found, told = tables_of.read_pairs(pairs, sizes, header) if pairs else tables_of.read_groups(groups, sizes, header)
    if len(found) < FEWEST:
        raise InputError(f"{told}; at least {FEWEST} pairs are needed")
    notes.append(told)
    return found


def _labels(place: str, object: str | None, n: int, header: bool, notes: list[str]) -> Labels:
    space, codes, told = tables_of.read_labels(place, n, header)
    object = space.names[0] if object is None else object
    space.index(object)
    notes.append(told)
    return Labels(space, codes, object)


def _sampled(z: dict[str, Tensor], pairs: Tensor | None, labels: Labels | None, most: int, seed: int) -> Pair:
    """With the rows that are compared with rows: at most so many of each, whole pairs.

    Where pairs are given: all rows if they are no more; else random ones of the larger matrix, and of the other all that go
    with them. So a few prompts stay whole beside many images, and of captions each stands beside its image.
    """
    sizes, chance = [len(x) for x in z.values()], generator(seed, "measure")
    if pairs is None:
        rows = torch.from_numpy(chance.permutation(sizes[0])[:most])
        return Pair(z, (rows, rows), labels)
    if max(sizes) <= most:
        return Pair(z, tuple(torch.arange(n) for n in sizes), None, pairs, pairs)
    larger = int(sizes[1] > sizes[0])
    of, with_ = pairs[:, larger].numpy(), pairs[:, 1 - larger].numpy()
    order, place = chance.permutation(sizes[larger]), np.empty(sizes[larger], dtype=np.int64)
    place[order] = np.arange(len(order))
    first = np.full(sizes[1 - larger], len(order))  # which row of the larger brings it in
    np.minimum.at(first, with_, place[of])
    brought = np.bincount(first, minlength=len(order) + 1)[:-1].cumsum()
    n = min(most, int(np.searchsorted(brought, most, side="right")))
    rows, others = order[:n], np.flatnonzero(first < n)
    if min(len(rows), len(others)) < 2:
        raise InputError(f"--sample {most}: too few for rows with all that are pairs with them; try more")
    inside = place[of] < n
    found = np.stack([place[of[inside]], np.searchsorted(others, with_[inside])], axis=1)
    both = [torch.from_numpy(part) for part in (rows, others)]
    return Pair(
        z,
        tuple(both[:: -1 if larger else 1]),
        None,
        pairs,
        torch.from_numpy(np.ascontiguousarray(found[:, :: -1 if larger else 1])),
    )


def _to_sphere(x: Tensor, name: str, place: str) -> str | None:
    """Brings rows whose length is off by more than 1e-3 to length 1, in place; says so."""
    lengths = torch.cat([rows.double().norm(dim=1) for rows in x.split(4096)])
    zero = torch.nonzero(lengths == 0).flatten()
    if len(zero):
        raise InputError(
            f"{place}: {len(zero):,} zero rows, which have no direction, the first of them row {int(zero[0])}"
        )
    off = (lengths - 1).abs() > 1e-3
    for rows, by in zip(x.split(4096), lengths.where(off, 1).split(4096), strict=True):
        rows.copy_(rows.double() / by[:, None])
    if off.any():
        low, high = (float(end) for end in lengths[off].aminmax())
        return f"{name}: {int(off.sum()):,} rows had lengths from {low:.3g} to {high:.3g}; brought to length 1"
    return None


def _writable(folder: Path) -> Path:
    if why := files.forbidden(folder):
        raise InputError(f"{folder} may not be written by you ({why}); use another folder, by --out DIR")
    return folder


# --- measures ----------------------------------------------------------------------------------------------------


def _gaps(pair: Pair, scale: float) -> list[Row]:
    (a, x), (b, y) = pair.z.items()
    of, n = f"{a}-{b}", pair.used[0]
    rows = [
        ("rmg", of, metrics.rmg(x, y, pair.pairs)),
        ("l2m", of, metrics.l2m(x, y)),
        ("l2i", of, metrics.l2i(x, y, pair.pairs)),
        ("alignment", of, metrics.alignment(x, y, pair.pairs)),
        ("spread", of, metrics.spread(x, y)),
        ("mean_cosine", of, metrics.mean_cosine(x, y)),
        ("effective_scale", of, metrics.effective_scale(x, y, scale)),
        ("centroid_share", of, metrics.centroid_share(x, y, pair.pairs)),
        ("distribution_gap", of, metrics.distribution_gap(x, y, pair.pairs)),
        ("distribution_gap_normalised", of, metrics.distribution_gap_normalised(x, y, pair.pairs)),
        ("frechet", of, metrics.frechet_of(*pair.moments)),
        ("principal_angle", of, float(metrics.principal_angles_of(*pair.moments)[0])),
    ]
    numbers = _doubling(x.shape[1])
    shares = zip(numbers, dimensions.gap_shares(x, y, numbers), strict=True)
    rows += [(f"gap_share@{k}", of, share) for k, share in shares]
    told = [(*row, n) for row in rows]
    few = _as_many(x, y)
    for kind, those in (("means", dimensions.largest_means), ("differences", dimensions.largest_differences)):
        value = dimensions.separability(*few, those(x, y))
        told.append((f"separability_{kind}", of, value, n if pair.pairs is None else len(few[0])))
    return told


def _as_many(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both with as many rows as the smaller, those of the larger evenly spaced, so that chance is a half."""
    n = min(len(x), len(y))
    return tuple(z if len(z) == n else z[torch.arange(n) * len(z) // n] for z in (x, y))


def _spread(name: str, x: Tensor, moments: Moments, spectra: dict[str, np.ndarray]) -> list[Row]:
    values = dimensions.spectrum_of(moments)
    spectra[name] = values.numpy()
    return [
        ("effective_rank", name, dimensions.rank_of(values), len(x)),
        ("mean_within_cosine", name, metrics.mean_within_cosine(x), len(x)),
    ]


def _on_sample(pair: Pair, scale: float) -> list[Row]:
    z = pair.sampled
    rows = [("uniformity", name, metrics.uniformity(x), len(x)) for name, x in z.items()]
    few = _as_many(*z.values())
    rows.append(("modality_auc", "-".join(z), metrics.modality_auc(*few), len(few[0])))
    for a, b in _directions(z):
        rows.append(("entropy", f"{a}-{b}", metrics.logit_entropy(z[a], z[b], scale), len(z[a])))
        asked = z[a][:ASKED]
        kept = metrics.robustness(asked, z[b])
        rows += [("robustness", f"{a}-{b} {noise}", value, len(asked)) for noise, value in kept.items()]
    found = [(f"{a}-{b}", metrics.ranks(z[a], z[b], pairs=pairs)) for a, b, pairs in _asked(z, pair.sampled_pairs)]
    for k in KS:
        rows += [(f"recall@{k}_instance", of, metrics.recall(ranks, k), len(ranks.nearer)) for of, ranks in found]
    return rows + [("median_rank", of, metrics.median_rank(ranks), len(ranks.nearer)) for of, ranks in found]


def _after(name: str, maps: dict, pair: Pair) -> list[Row]:
    z = {modality: maps[modality](x) for modality, x in pair.sampled.items()}
    rows = _gap(z, pair.sampled_pairs, pair.used[1])
    for a, b, those in _asked(z, pair.sampled_pairs):
        ranks = metrics.ranks(z[a], z[b], pairs=those)
        rows.append(("recall@1_instance", f"{a}-{b}", metrics.recall(ranks), len(ranks.nearer)))
    return [(metric, f"{of} {name}", value, n) for metric, of, value, n in rows]


def _gap(z: dict[str, Tensor], pairs: Tensor | None, n: int) -> list[Row]:
    (a, x), (b, y) = z.items()
    return [("rmg", f"{a}-{b}", metrics.rmg(x, y, pairs), n), ("l2m", f"{a}-{b}", metrics.l2m(x, y), n)]


def _asked(z: dict[str, Tensor], pairs: Tensor | None) -> Iterator[tuple[str, str, Tensor | None]]:
    """Queries, candidates, and which of them are pairs, in both directions."""
    for (a, b), step in zip(_directions(z), (1, -1), strict=True):
        yield a, b, pairs if step == 1 or pairs is None else pairs.flip(1)


def _cuts(pair: Pair, order: str, k: list[int], seed: int) -> list[tuple]:
    """Gap, recall, and accuracy across modalities, without each of these numbers of dimensions (rising)."""
    ranked, found = in_order(pair.z, order, seed), []
    edges = [*k, len(ranked)]
    parts = [ranked[some:more] for some, more in pairwise(edges)][::-1]
    sample, n = pair.sampled, pair.used[1]
    nearest = [
        (f"{a}-{b}", metrics.ranks_by_parts(sample[a], sample[b], parts, those)[::-1])
        for a, b, those in _asked(sample, pair.sampled_pairs)
    ]
    for i, dropped in enumerate(k):
        z = {name: without(x, ranked[:dropped]) for name, x in sample.items()}
        rows = _gap(z, pair.sampled_pairs, n)
        rows += [("recall@1_instance", of, metrics.recall(those[i]), len(those[i].nearer)) for of, those in nearest]
        if pair.labels:
            codes = _values(pair, pair.labels.space.index(pair.labels.object))
            rows += [(*row, len(codes)) for row in _across(z, pair.labels.object, codes)]
        found += [(order, dropped, *row) for row in rows]
    return found


def _labelled(pair: Pair) -> list[Callable[[], list[Row]]]:
    steps = [lambda name=name: _precision(pair, name) for name in pair.z]
    steps += [lambda f=f: _of_factor(pair, f) for f in range(len(pair.labels.space))]
    return [*steps, lambda: _bias(pair)] if len(pair.labels.space) > 1 else steps


def _precision(pair: Pair, name: str) -> list[Row]:

    names, codes = pair.labels.space.names, pair.labels.codes[pair.sample[0].numpy()]
    values = metrics.mean_average_precision(pair.z[name][pair.sample[0]], codes)  # of all factors from one sort
    return [("map", f"{name} {factor}", value, len(codes)) for factor, value in zip(names, values, strict=True)]


def _of_factor(pair: Pair, f: int) -> list[Row]:

    z, codes, n = pair.sampled, _values(pair, f), len(pair.sample[0])
    factor = pair.labels.space.factors[f]
    within = ((f"{name} {factor.name}", metrics.nearest_class_mean(x, codes, n // 2)) for name, x in z.items())
    rows = [("ncm", of, value, n) for of, value in within]
    rows += [(*row, n) for row in _across(z, factor.name, codes)]
    rows.append(("knn", factor.name, metrics.knn(z, codes), n))
    if len(factor) <= MOST_VALUES:
        few, classes = {name: x[:CLUSTERED] for name, x in z.items()}, codes[:CLUSTERED]
        k = min(len(factor), len(classes))
        for metric, those in (("v_measure", few), ("v_measure_centred", metrics.centred(few))):
            rows.append((metric, factor.name, metrics.v_measure(metrics.clusters(those, k), classes), len(classes)))
    for a, b in _directions(z):
        value = metrics.recall_at_k(z[a], z[b], 1, torch.from_numpy(codes))
        rows.append(("recall@1_class", f"{a}-{b} {factor.name}", value, n))
    return rows


def _across(z: dict[str, Tensor], factor: str, codes: np.ndarray) -> list[tuple[str, str, float]]:
    """Class means of one half of the sample in one modality, the nearest of them to the other half in the other."""

    half = len(codes) // 2
    return [
        (
            "ncm",
            f"{a}-{b} {factor}",
            metrics.nearest_class_mean(torch.cat([z[a][:half], z[b][half:]]), codes, half),
        )
        for a, b in _directions(z)
    ]


def _bias(pair: Pair) -> list[Row]:
    space, codes, object = pair.labels
    return [
        (bias.__name__, f"{name} {object}", bias(x, codes, space, object), len(x))
        for name, x in pair.z.items()
        for bias in (metrics.moad, metrics.moad_pooled)
    ]


def _values(pair: Pair, f: int) -> np.ndarray:
    """Codes of a factor in the sample, [n], 0 to the number of values that it holds − 1: one-hot votes stay small."""
    return np.unique(pair.labels.codes[pair.sample[0].numpy(), f], return_inverse=True)[1]


def _directions(z: dict[str, Tensor]) -> list[tuple[str, str]]:
    a, b = z
    return [(a, b), (b, a)]


def _doubling(most: int) -> list[int]:
    """1, 2, 4, … up to `most`."""
    return [2**i for i in range(most.bit_length())]


# --- what the figure shows ---------------------------------------------------------------------------------------


def _by_dimension(z: dict[str, Tensor]) -> pd.DataFrame:
    """A row a dimension, that of the largest gap first: means, difference, and share of the squared gap up to there."""
    (a, x), (b, y) = z.items()
    difference = dimensions.mean_difference(x, y).double().numpy()
    order = np.argsort(-np.abs(difference), kind="stable")
    squares = difference[order] ** 2
    with np.errstate(invalid="ignore"):
        share = squares.cumsum() / squares.sum()
    means = {f"mean_{name}": rows.mean(0).numpy()[order] for name, rows in ((a, x), (b, y))}
    return pd.DataFrame({"dimension": order, **means, "difference": difference[order], "cumulative_share": share})


def _points(pair: Pair) -> pd.DataFrame:
    """Where some rows of the sample lie in three planes: (panel, modality, row, x, y, x_name, y_name)."""
    planes, rows = {}, {name: part[:SHOWN] for name, part in zip(pair.z, pair.sample, strict=True)}
    few = {name: x[rows[name]] for name, x in pair.z.items()}
    (_, x), (_, y) = pair.z.items()
    largest = {
        "largest means": dimensions.largest_means(x, y),
        "largest differences": dimensions.largest_differences(x, y),
    }
    for panel, (i, j) in largest.items():
        planes[panel] = {name: x[:, [i, j]] for name, x in few.items()}, (f"dimension {i}", f"dimension {j}")
    shown, shares = metrics.pca(few)
    components = tuple(f"component {i + 1} ({share:.0%} of variance)" for i, share in enumerate(shares.tolist()))
    planes["principal components"] = shown, components
    return pd.concat(
        pd.DataFrame(
            {
                "panel": panel,
                "modality": name,
                "row": rows[name].numpy(),
                "x": at[:, 0].numpy(),
                "y": at[:, 1].numpy(),
                "x_name": axes[0],
                "y_name": axes[1],
            }
        )
        for panel, (placed, axes) in planes.items()
        for name, at in placed.items()
    )


# --- output ------------------------------------------------------------------------------------------------------


def _write(tables: dict[str, pd.DataFrame], folder: Path, title: str) -> list[Path]:
    """All or nothing: written beside, then moved to their places."""
    places = [folder / name for name in (*(f"{name}.csv" for name in tables), "measure.png")]
    with ExitStack() as stack:
        *beside, drawn = [stack.enter_context(files.whole(path)) for path in places]
        for table, path in zip(tables.values(), beside, strict=True):
            table.to_csv(path, index=False)
        figure.draw(tables, drawn, title)
    return sorted(places)


def _title(pair: Pair) -> str:
    a, b = pair.z
    n, d = pair.z[a].shape
    sampled = [len(rows) for rows in pair.sample]
    if pair.pairs is None:
        of = "" if sampled[0] == n else f", {sampled[0]:,} of them where rows are compared with rows"
        return f"{a} and {b}: {n:,} pairs of {d} dimensions{of}"
    sizes = [len(x) for x in pair.z.values()]
    of = "" if sampled == sizes else f", {sampled[0]:,} and {sampled[1]:,} of them where rows are compared with rows"
    return f"{a} and {b}: {len(pair.pairs):,} pairs of {sizes[0]:,} and {sizes[1]:,} rows of {d} dimensions{of}"


def _tell(tables: dict[str, pd.DataFrame], pair: Pair, notes: list[str], scale: float, written: list[Path]) -> None:
    console = progress.terminal()
    told = dict(highlight=False, markup=False, soft_wrap=True)
    console.print(_title(pair), **told)
    for note in notes:
        console.print(note, **told)
    among, of_factor = " and ".join(dict.fromkeys(f"{len(rows):,}" for rows in pair.sample)), set()
    if pair.labels:
        of_factor = {"map", "ncm", "knn", "v_measure", "v_measure_centred", "recall@1_class"}
    found = tables["metrics"]
    console.print(_metrics_table(found[~found.metric.isin(of_factor)]))
    if pair.labels:
        console.print(_factors_table(found[found.metric.isin(of_factor)], pair))
    console.print(_ablation_table(tables["ablation"]))
    console.print(f"entropy at scale {scale:g} (1/τ), it, recall and ranks among {among} candidates", **told)
    for path in written:
        console.print(str(path), **told)


def _metrics_table(found: pd.DataFrame) -> Table:
    """A line a metric: its values, how many rows it used, what it means."""
    shown = Table(box=None, header_style="bold", padding=(0, 1))
    for name, style in (("metric", None), ("of", None), ("value", None), ("rows", None), ("what it says", "dim")):
        shown.add_column(name, justify="right" if name in ("value", "rows") else "left", style=style, overflow="fold")
    told = set()
    for row in found.itertuples():
        kind = "gap_share@{k}" if row.metric.startswith("gap_share@") else row.metric
        what = "" if kind in told else MEANINGS[kind]
        told.add(kind)
        shown.add_row(row.metric, escape(row.of), f"{row.value:.4f}", f"{row.rows_used:,}", what)
    return shown


def _factors_table(found: pd.DataFrame, pair: Pair) -> Table:
    """A line a measure, a column a factor with its number of values."""
    (a, b), space = pair.z, pair.labels.space
    shown = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("metric", "of", "rows"):
        shown.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
    for factor in space.factors:
        shown.add_column(escape(f"{factor.name} ({len(factor)})"), justify="right", overflow="fold")
    value = found.set_index(["metric", "of"]).value.to_dict()
    for metric, rows in found.drop_duplicates("metric").set_index("metric").rows_used.items():
        for of in ("", a, b, f"{a}-{b}", f"{b}-{a}"):
            cells = [value.get((metric, f"{of} {factor}".strip())) for factor in space.names]
            if any(cell is not None for cell in cells):
                numbers = ("" if cell is None else f"{cell:.3f}" for cell in cells)
                shown.add_row(metric, escape(of), f"{rows:,}", *numbers)
    return shown


def _ablation_table(ablated: pd.DataFrame) -> Table:
    """A line a number of dimensions taken away: those of the largest gap beside random ones, means of both directions."""
    means = ablated.groupby(["order", "metric", "dimensions"], sort=False).value.mean()
    kinds = [(order, metric) for order in ORDERS for metric in dict.fromkeys(ablated.metric)]
    shown = Table(box=None, header_style="bold", padding=(0, 1))
    shown.add_column("dimensions\nset to 0", justify="right")
    for order, metric in kinds:
        name = metric.replace("_", "\n") if metric != "recall@1_instance" else "R@1"
        shown.add_column(f"{name}\n{'largest gap' if order == 'gap' else order}", justify="right")
    for k in sorted(set(ablated.dimensions)):
        shown.add_row(str(k), *(f"{means[order, metric, k]:.3f}" for order, metric in kinds))
    return shown
