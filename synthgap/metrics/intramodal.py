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
SORTED = 2**20  # similarities that are sorted at once

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
    factors = codes.reshape(len(codes), -1).T.contiguous()
    places = torch.arange(
        1, len(gallery), device=gallery.device, dtype=torch.float32
    )  # whole numbers below 2^24 are exact
    found, step = [[] for _ in factors], max(1, SORTED // len(gallery))
    for start in range(0, len(queries), step):
        similarity = queries[start : start + step] @ gallery.T
        itself = torch.arange(start, start + len(similarity), device=gallery.device)
        similarity[itself - start, itself] = -torch.inf  # sorted last, and cut off there
        order = falling(similarity)[:, :-1]
        for of_factor, factor in zip(found, factors, strict=True):
            right = (factor[order] == factor[itself, None]).float()
            number = right.cumsum(1)
            precision = (number / places).mul_(right)
            of_factor.append(precision.sum(1, dtype=torch.float64) / number[:, -1])  # nan where none is right
    each = [float(torch.cat(of_factor).nan_to_num(alone).nanmean()) for of_factor in found]
    return each if codes.ndim > 1 else each[0]


def falling(similarity: Tensor) -> Tensor:
    """The order of each row's numbers [B, N], the largest first, equal ones as they stand; N below 2³².

    On a CPU the numbers are packed into whole ones, each before its place, which sort several times faster than pairs do.
    """
    if similarity.device.type != "cpu" or similarity.dtype != torch.float32:
        return similarity.sort(dim=1, descending=True, stable=True).indices
    bits = (similarity + 0.0).numpy().view(np.uint32)  # + 0: −0 and 0 are equal
    rising = np.where(
        bits < 2**31, bits ^ 0x7FFFFFFF, bits
    )  # as the number falls: of negative ones, bits do it by themselves
    key = rising.astype(np.uint64) << 32 | np.arange(bits.shape[1], dtype=np.uint64)
    key.sort(axis=1)
    return torch.from_numpy((key & 0xFFFFFFFF).view(np.int64))


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
