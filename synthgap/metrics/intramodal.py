"""Search and classification within one modality: does an embedding find others of its class without the other modality?"""

from math import nan

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.metric_names import Metric
from synthgap.metrics.embedded import QUERIES, Embedded

FOUND = "no two samples share a value"
PRODUCTS, AT_ONCE = 2**20, 16  # similarities that are computed at once, or those of as many queries if they are more

METRICS = (
    Metric(
        "map", "any modality's factor", "mean average precision of finding the same value within the modality", FOUND,
        low=0, high=1, paper="Mistretta et al. 2025",
        by=lambda seen, modality, factor: seen.once(_precisions, modality)[factor],
    ),
    Metric(
        "map_gain", "any modality's factor", "map over that of the same model as trained (with posthoc= or shift=)",
        FOUND, low=-1, high=1,
    ),
    Metric(
        "ncm", "any modality's factor", "accuracy of the nearest class mean",
        "the half of the samples that is fitted has one value", low=0, high=1,
        by=lambda seen, m, factor: nearest_class_mean(seen.z[m], seen.values(factor), len(seen.codes) // 2),
    ),
)  # fmt: skip


def mean_average_precision(
    gallery: Tensor, codes: np.ndarray | Tensor, queries: Tensor | None = None, alone: float = nan
) -> float | list[float]:
    """Mean average precision of ranking all *other* rows of the gallery by cosine, in [0, 1].

    gallery: unit-norm [N, D]. codes: one value index a row, [N]; or those of several factors, [N, F], for F numbers from
    one sort. queries: other representations of the first rows, unit-norm [≤ N, D] (None: the gallery itself). Row j ≠ i is
    right for query i if their codes agree; precision is taken at every right answer of the full ranking. A query that is
    alone with its code has no right answer: it counts as `alone`, or is left out where that is nan (nan if all are). The
    evaluation of Mistretta et al. 2025 and of IsoCLIP, 2026, is that of alone=0. Equally near rows rank by their number,
    which favours none if rows are in random order.
    """
    codes, queries = torch.as_tensor(codes, device=gallery.device), gallery if queries is None else queries
    if not len(gallery) == len(codes) >= len(queries):
        rows = f"{len(gallery)}, {len(codes)} and {len(queries)}"
        raise InputError(f"gallery, codes and queries must be of the same rows, got {rows}")
    factors, step = codes.reshape(len(codes), -1), max(AT_ONCE, PRODUCTS // len(gallery))
    on_cpu = gallery.device.type == "cpu" and gallery.dtype == torch.float32
    columns, places, found = factors.T.contiguous(), np.arange(1.0, len(gallery)), []
    inverse = 1 / places
    for start in range(0, len(queries), step):
        similarity = queries[start : start + step] @ gallery.T
        itself = torch.arange(start, start + len(similarity), device=gallery.device)
        similarity[itself - start, itself] = -torch.inf  # sorted last, and cut off there
        if on_cpu:
            asking = zip(similarity.numpy(), factors[itself].numpy(), strict=True)
            rows = [_precisions_of(row, columns.numpy() == own[:, None], places, inverse) for row, own in asking]
            found.append(torch.tensor(rows, dtype=torch.float64))
        else:
            found.append(precisions(similarity, factors, itself))
    each = [float(of_factor.nan_to_num(alone).nanmean()) for of_factor in torch.cat(found).T.contiguous()]
    return each if codes.ndim > 1 else each[0]


def precisions(similarity: Tensor, factors: Tensor, queries: Tensor) -> Tensor:
    """Of each query and factor the mean of the precisions at all right rows but the least similar one, float64 [B, F]; nan
    where none is right. similarity: [B, N]; factors: codes [N, F]; queries: which rows ask, [B].
    """
    order = similarity.sort(dim=1, descending=True, stable=True).indices[:, :-1]
    places = torch.arange(1, similarity.shape[1], device=similarity.device, dtype=torch.float32)  # exact below 2²⁴
    found = []
    for factor in factors.T:
        right = (factor[order] == factor[queries, None]).float()
        number = right.cumsum(1)
        found.append((number / places * right).sum(1, dtype=torch.float64) / number[:, -1])
    return torch.stack(found, dim=1)


def _precisions_of(similarity: np.ndarray, right: np.ndarray, places: np.ndarray, inverse: np.ndarray) -> list[float]:
    """`precisions` of one query on a CPU. similarity: float32 [N]; right: which rows are, [F, N]; places: 1 to N − 1, and
    1 over these."""
    order, found = _falling(similarity)[:-1], []
    for is_right in right:
        at = is_right.take(order).nonzero()[0]
        found.append(places[: len(at)] @ inverse.take(at) / len(at) if len(at) else nan)
    return found


def _falling(numbers: np.ndarray) -> np.ndarray:
    """The order of float32 numbers [N], the largest first, equal ones as they stand: what a stable sort gives in five times the
    time. Numbers of 16 bits are sorted by counting; so these are by their lower half, and then by their upper one."""
    bits = (numbers + 0.0).view(np.int32)  # + 0: −0 and 0 are equal
    # rises as the number falls: negative bits do it themselves
    rising = (bits ^ (~(bits >> 31) & 0x7FFFFFFF)).view(np.uint32)
    order = rising.astype(np.uint16).argsort(kind="stable")
    return order.take((rising >> 16).astype(np.uint16).take(order).argsort(kind="stable"))


def nearest_class_mean(x: Tensor, codes: np.ndarray | Tensor, fitted: int) -> float:
    """Accuracy in [0, 1], on the rows from `fitted` on, of the class whose mean over the rows before is nearest by cosine.

    x: unit-norm [N, D]; codes: value index a row, [N]; fitted: 1 to N − 1, or InputError. A class without a row before is
    never predicted. nan where the rows before are of one class.
    """
    if not 0 < fitted < len(x):
        raise InputError(f"fitted={fitted}: of {len(x)} rows, 1 to {len(x) - 1} can be fitted on, to test on the rest")
    codes = torch.as_tensor(codes, device=x.device)
    classes, of_row = codes[:fitted].unique(return_inverse=True)
    if len(classes) < 2:
        return float("nan")
    # the mean's length does not matter, so the sum will do
    means = normalize(x.new_zeros(len(classes), x.shape[1]).index_add_(0, of_row, x[:fitted]), dim=1)
    return float((classes[(x[fitted:] @ means.T).argmax(1)] == codes[fitted:]).double().mean())


def _precisions(seen: Embedded, modality: str) -> dict[str, float]:
    """Of all the modality's factors, from one sort."""
    x, (columns, space) = seen.z[modality], seen.about(modality)
    queries = seen.asked.get(modality, x[:QUERIES])
    return dict(zip(space.names, mean_average_precision(x, seen.codes[:, columns], queries), strict=True))
