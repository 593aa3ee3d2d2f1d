"""Anyone's embeddings, measured by the code that measures synthgap's own: gap, dimensions, entropy, retrieval, bias.

Two matrices of paired rows in; tables, a figure and a summary out. What costs O(N·D) or O(N·D²) uses all rows; what compares
rows with rows uses a random sample of them, so that memory and time stay flat. Every number carries its number of rows.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch import Tensor

from data_gen import FactorSpace, InputError, files
from data_gen.seeds import generator
from synthgap import metrics, progress
from synthgap.measure import figure, matrices
from synthgap.measure.legend import MEANINGS
from synthgap.posthoc import dimensions
from synthgap.posthoc.translation import centring, translation

Row = tuple[str, str, float, int]
FEWEST = 10  # rows: with fewer, halves and neighbours mean nothing
CLUSTERED = 2000  # rows a modality in KMeans: ten starts of 200 clusters are a matter of seconds
MOST_VALUES = 200  # of a factor that is clustered
SHOWN = 2000  # points a modality in the figure
WIDTH = 118  # of a log without a terminal


class Labels(NamedTuple):
    space: FactorSpace
    codes: np.ndarray  # [N, F]
    object: str


class Pair(NamedTuple):
    """Both modalities, {name: unit-norm [N, D]}, the rows of the sample, and the labels, if any."""

    z: dict[str, Tensor]
    sample: Tensor
    labels: Labels | None

    @property
    def sampled(self) -> dict[str, Tensor]:
        return {name: x[self.sample] for name, x in self.z.items()}


def run(
    places: tuple[str, str],
    out: str,
    *,
    labels: str | None = None,
    names: tuple[str, str] | None = None,
    object: str | None = None,
    scale: float = 100.0,
    sample: int = 5000,
    seed: int = 0,
) -> int:
    """Measure the matrices at two places (`matrices.read`), write tables and figure into `out`, tell the summary; returns 0.

    labels: a file (`matrices.read_labels`); object: the factor whose bias is measured, the first unless given. scale: 1/τ.
    One thread, so that the same input gives the same numbers to the bit. Raises InputError for a mistake, before any work.
    """
    if not (isfinite(scale) and scale > 0):
        raise InputError(f"--scale {scale:g}: 1/τ must be above 0")
    if sample < FEWEST:
        raise InputError(f"--sample {sample}: at least {FEWEST} rows are needed")
    if seed < 0:
        raise InputError(f"--seed {seed}: it must be at least 0")
    if object is not None and labels is None:
        raise InputError(f"--object {object}: say which labels it is among, by --labels FILE")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            pair, notes = _read(places, names, labels, object, sample, seed)
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
    steps: list[Callable[[], list]] = [
        lambda: _gaps(pair),
        *(lambda name=name: _spread(name, z[name], spectra) for name in z),
        lambda: _on_sample(pair, scale),
        *(lambda name=name, maps=maps: _after(name, maps, pair) for name, maps in _closing(z).items()),
        *(_labelled(pair) if pair.labels else []),
    ]
    cuts = [lambda: _cut(pair, "gap", 0, seed)]
    cuts += [lambda o=order, n=n: _cut(pair, o, n, seed) for order in dimensions.ORDERS for n in k[1:]]
    with progress.bar("measuring", len(steps) + len(cuts)) as advance_to:
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


def _read(
    places: tuple[str, str],
    names: tuple[str, str] | None,
    labels: str | None,
    object: str | None,
    sample: int,
    seed: int,
) -> tuple[Pair, list[str]]:
    """Both matrices on the sphere, what they are called, and what had to be done to them."""
    names = names or _names(places)
    if names[0] == names[1] or not all(names):
        raise InputError(f"--names {' '.join(names)}: two different names are needed")
    x, y = (matrices.read(place) for place in places)
    if x.shape != y.shape:
        raise InputError(
            f"{places[0]} is {list(x.shape)} but {places[1]} is {list(y.shape)}; row i of both must be a pair, and as long"
        )
    if len(x) < FEWEST or x.shape[1] < 2:
        raise InputError(f"{places[0]} is {list(x.shape)}; at least {FEWEST} rows of 2 dimensions are needed")
    z = dict(zip(names, (x, y), strict=True))
    notes = [note for name, place in zip(names, places, strict=True) if (note := _to_sphere(z[name], name, place))]
    known = None
    if labels is not None:
        space, codes = matrices.read_labels(labels, len(x))
        object = space.names[0] if object is None else object
        space.index(object)
        known = Labels(space, codes, object)
    rows = torch.from_numpy(generator(seed, "measure").permutation(len(x))[:sample])
    return Pair(z, rows, known), notes


def _names(places: tuple[str, str]) -> tuple[str, str]:
    x, y = (matrices.stem(place) for place in places)
    return (x, y) if x != y else ("X", "Y")


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


def _gaps(pair: Pair) -> list[Row]:
    (a, x), (b, y) = pair.z.items()
    of, n = f"{a}-{b}", len(x)
    rows = [(gap.__name__, of, gap(x, y)) for gap in (metrics.rmg, metrics.l2m, metrics.l2i, metrics.alignment)]
    rows += [(f"gap_share@{k}", of, dimensions.gap_share(x, y, k)) for k in _doubling(x.shape[1])]
    rows += [
        ("separability_means", of, dimensions.separability(x, y, dimensions.largest_means(x, y))),
        ("separability_differences", of, dimensions.separability(x, y, dimensions.largest_differences(x, y))),
    ]
    return [(*row, n) for row in rows]


def _spread(name: str, x: Tensor, spectra: dict[str, np.ndarray]) -> list[Row]:
    values = dimensions.spectrum(x)
    spectra[name] = values.numpy()
    return [("effective_rank", name, dimensions.rank_of(values), len(x))]


def _on_sample(pair: Pair, scale: float) -> list[Row]:
    z, n = pair.sampled, len(pair.sample)
    rows = [("uniformity", name, metrics.uniformity(x), n) for name, x in z.items()]
    for a, b in _directions(z):
        rows.append(("entropy", f"{a}-{b}", metrics.logit_entropy(z[a], z[b], scale), n))
    return rows + [("recall@1_instance", of, value, n) for of, value in _recall(z)]


def _closing(z: dict[str, Tensor]) -> dict:
    return {"centring": centring(z), "translation": translation(z, gap=0.0)}


def _after(name: str, maps: dict, pair: Pair) -> list[Row]:
    z, n = {modality: maps[modality](x) for modality, x in pair.sampled.items()}, len(pair.sample)
    return [(metric, f"{of} {name}", value, n) for metric, of, value in _gap_and_recall(z)]


def _gap_and_recall(z: dict[str, Tensor]) -> list[tuple[str, str, float]]:
    (a, x), (b, y) = z.items()
    gaps = [(gap.__name__, f"{a}-{b}", gap(x, y)) for gap in (metrics.rmg, metrics.l2m)]
    return gaps + [("recall@1_instance", of, value) for of, value in _recall(z)]


def _recall(z: dict[str, Tensor], groups: Tensor | None = None) -> Iterator[tuple[str, float]]:
    for a, b in _directions(z):
        yield f"{a}-{b}", metrics.recall_at_k(z[a], z[b], 1, groups)


def _cut(pair: Pair, order: str, k: int, seed: int) -> list[tuple]:
    """Gap, recall, and accuracy across modalities, without k dimensions."""
    maps = dimensions.ablation(pair.z, dimensions=k, order=order, seed=seed)
    z, n = {name: maps[name](x) for name, x in pair.sampled.items()}, len(pair.sample)
    rows = _gap_and_recall(z)
    if pair.labels:
        rows += _across(z, pair.labels.object, _values(pair, pair.labels.space.index(pair.labels.object)))
    return [(order, k, *row, n) for row in rows]


def _labelled(pair: Pair) -> list[Callable[[], list[Row]]]:
    steps = [lambda name=name: _precision(pair, name) for name in pair.z]
    steps += [lambda f=f: _of_factor(pair, f) for f in range(len(pair.labels.space))]
    return [*steps, lambda: _bias(pair)] if len(pair.labels.space) > 1 else steps


def _precision(pair: Pair, name: str) -> list[Row]:

    names, codes = pair.labels.space.names, pair.labels.codes[pair.sample.numpy()]
    values = metrics.mean_average_precision(pair.z[name][pair.sample], codes)  # of all factors from one sort
    return [("map", f"{name} {factor}", value, len(codes)) for factor, value in zip(names, values, strict=True)]


def _of_factor(pair: Pair, f: int) -> list[Row]:

    z, codes, n = pair.sampled, _values(pair, f), len(pair.sample)
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
    for of, value in _recall(z, torch.from_numpy(codes)):
        rows.append(("recall@1_class", f"{of} {factor.name}", value, n))
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
    return np.unique(pair.labels.codes[pair.sample.numpy(), f], return_inverse=True)[1]


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
    rows, planes = pair.sample[:SHOWN], {}
    few = {name: x[rows] for name, x in pair.z.items()}
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
                "row": rows.numpy(),
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
    sampled = "" if len(pair.sample) == n else f", {len(pair.sample):,} of them where rows are compared with rows"
    return f"{a} and {b}: {n:,} pairs of {d} dimensions{sampled}"


def _tell(tables: dict[str, pd.DataFrame], pair: Pair, notes: list[str], scale: float, written: list[Path]) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    told = dict(highlight=False, markup=False, soft_wrap=True)
    console.print(_title(pair), **told)
    for note in notes:
        console.print(note, **told)
    n, of_factor = len(pair.sample), set()
    if pair.labels:
        of_factor = {"map", "ncm", "knn", "v_measure", "v_measure_centred", "recall@1_class"}
    found = tables["metrics"]
    console.print(_metrics_table(found[~found.metric.isin(of_factor)]))
    if pair.labels:
        console.print(_factors_table(found[found.metric.isin(of_factor)], pair))
    console.print(_ablation_table(tables["ablation"]))
    console.print(f"entropy at scale {scale:g} (1/τ), it and recall@1 among {n:,} candidates", **told)
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
    kinds = [(order, metric) for order in dimensions.ORDERS for metric in dict.fromkeys(ablated.metric)]
    shown = Table(box=None, header_style="bold", padding=(0, 1))
    shown.add_column("dimensions\nset to 0", justify="right")
    for order, metric in kinds:
        name = metric.replace("_", "\n") if metric != "recall@1_instance" else "R@1"
        shown.add_column(f"{name}\n{'largest gap' if order == 'gap' else order}", justify="right")
    for k in sorted(set(ablated.dimensions)):
        shown.add_row(str(k), *(f"{means[order, metric, k]:.3f}" for order, metric in kinds))
    return shown
