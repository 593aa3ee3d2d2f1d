"""Do embeddings of all modalities group by class? (Grassucci, Cicchetti et al. 2026, group-wise tasks.)

Embeddings are {modality: [N, D]}, row i of all the same sample, and classes one index a sample, [N]. All modalities are
pooled, so that a modality gap can hide the classes: `centred` is the control that tells whether it is the gap alone.
"""

import warnings

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from data_gen.seeds import generator
from synthgap.metric_names import Metric
from synthgap.metrics.embedded import Embedded

ONE = "all samples have one value"
STARTS = 10  # of KMeans, of which the best counts

METRICS = (
    Metric(
        "v_measure", "factor", "do clusters of all modalities follow the factor's values? 0 to 1", ONE, low=0, high=1,
        paper="Rosenberg & Hirschberg 2007",
        by=lambda seen, factor: v_measure(_clusters_by(seen, factor), seen.some.values(factor)),
    ),
    Metric(
        "v_measure_centred", "object", "the same with each modality's mean taken off", ONE, low=0, high=1,
        by=lambda seen, of: _centred(seen.some, of),
    ),
    Metric(
        "nmi", "object", "normalised mutual information of those clusters and the object, 0 to 1", ONE, low=0, high=1,
        paper="Strehl & Ghosh 2002", by=lambda seen, of: nmi(_clusters_by(seen, of), seen.some.values(of)),
    ),
    Metric(
        "single_modality_clusters", "object", "how many of those clusters hold one modality alone", low=0,
        by=lambda seen, of: single_modality_clusters(_clusters_by(seen, of)),
    ),
    Metric(
        "knn", "object", "accuracy of the nearest neighbours, all modalities pooled",
        "the samples that it compares with have one value", low=0, high=1, paper="Grassucci, Cicchetti et al. 2026",
        by=lambda seen, of: knn(seen.some.z, seen.some.values(of)),
    ),
)  # fmt: skip


def centred(embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with each modality's mean taken off; no longer of unit norm."""
    return {name: x - x.mean(0) for name, x in embeddings.items()}


def clusters(embeddings: dict[str, Tensor], k: int) -> np.ndarray:
    """The cluster of each row, 0 to k − 1, [modalities, N]: the best of ten KMeans on all modalities' rows stacked.

    Fewer rows than k make as many clusters as there are rows.
    """
    from sklearn.cluster import KMeans  # a second to load, which training need not wait for
    from sklearn.exceptions import ConvergenceWarning

    stacked = torch.cat(list(embeddings.values())).cpu().numpy()
    k = min(k, len(stacked))
    start = iter(starts(stacked - stacked.mean(0), k))  # KMeans asks for one after the other, of centred rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters: so be it
        assigned = KMeans(k, init=lambda *_, **__: next(start), n_init=STARTS, random_state=0).fit_predict(stacked)
    return assigned.reshape(len(embeddings), -1)


def starts(x: np.ndarray, k: int) -> np.ndarray:
    """Centres that KMeans can start from, [STARTS, k, D], among the rows x [N, D]: k-means++ (Arthur & Vassilvitskii 2007).

    They are those that scikit-learn draws, in a quarter of its time: all starts take their next centre at once. It is the best
    of a few rows, drawn in proportion to their squared distance from the nearest centre before.
    """
    n, trials, one, precise = len(x), 2 + int(np.log(k)), np.ones(len(x), dtype=x.dtype), x.astype(np.float64)
    squares = np.einsum("ij,ij->i", precise, precise)

    def apart(rows: np.ndarray) -> np.ndarray:
        """Squared distances of some rows from all, [some, N]."""
        d = precise[rows] @ precise.T
        d *= -2
        d += squares[rows, None]
        d += squares
        return np.maximum(d.astype(x.dtype), 0)

    chance, each = np.random.RandomState(0), np.arange(STARTS)
    draws = [(chance.choice(n, p=one / one.sum()), chance.uniform(size=(k - 1, trials))) for _ in each]
    chosen = [np.array([first for first, _ in draws])]
    nearest = apart(chosen[0])
    totals = [row[None] @ one for row in nearest]
    for drawn in np.stack([drawn for _, drawn in draws], axis=1):
        places = zip(nearest, drawn * totals, strict=True)
        tried = np.stack([row.cumsum().searchsorted(place) for row, place in places]).clip(max=n - 1)
        with_each = np.minimum(nearest[:, None], apart(tried.ravel()).reshape(STARTS, trials, n))
        sums = with_each @ one[:, None]
        best = sums[:, :, 0].argmin(1)
        nearest, totals = with_each[each, best], sums[each, best]
        chosen.append(tried[each, best])
    return x[np.stack(chosen, axis=1)]


def v_measure(assigned: np.ndarray, classes: np.ndarray | Tensor) -> float:
    """Harmonic mean of homogeneity and completeness, in [0, 1]: 1 if clusters are the classes, 0 if they tell nothing.

    assigned: [modalities, N], as `clusters` gives them. nan where there is one class only: nothing to find. (Rosenberg &
    Hirschberg 2007.)
    """
    if _one_value(classes):
        return float("nan")
    from sklearn.metrics import v_measure_score

    return float(v_measure_score(_of_each(classes, assigned), assigned.ravel()))


def nmi(assigned: np.ndarray, classes: np.ndarray | Tensor) -> float:
    """I(cluster; class) over the geometric mean of their entropies, in [0, 1] (Strehl & Ghosh 2002).

    Over the arithmetic mean, scikit-learn's default and the published code's choice, it is `v_measure` to the last digit.
    nan where there is one class only.
    """
    if _one_value(classes):
        return float("nan")
    from sklearn.metrics import normalized_mutual_info_score

    return float(
        normalized_mutual_info_score(_of_each(classes, assigned), assigned.ravel(), average_method="geometric")
    )


def single_modality_clusters(assigned: np.ndarray) -> int:
    """How many of the clusters that are not empty hold rows of one modality only. assigned: [modalities, N]."""
    held = np.stack([np.bincount(rows, minlength=assigned.max() + 1) > 0 for rows in assigned])
    return int((held.sum(0) == 1).sum())


def knn(embeddings: dict[str, Tensor], classes: np.ndarray | Tensor, k: int = 5, *, seed: int = 0) -> float:
    """Accuracy in [0, 1] of the vote of the k nearest (Euclidean; a tie goes to the smallest class), all modalities pooled.

    Four fifths of the *samples*, with all their modalities, is what the rest is compared with. The published code
    splits rows, so that a sample's other modality gives its class away. nan where those it is compared with are fewer than k
    or of one class, or where none are left to ask.
    """
    classes = torch.as_tensor(classes)
    shuffled = torch.from_numpy(generator(seed, "knn").permutation(len(classes)))
    known, asked = shuffled.tensor_split([round(0.8 * len(classes))])
    if len(known) * len(embeddings) < k or not len(asked) or _one_value(classes[known]):
        return float("nan")
    reference = torch.cat([x[known] for x in embeddings.values()])
    votes = one_hot(classes)[known].repeat(len(embeddings), 1).to(reference.device)
    expected = classes[asked].to(reference.device)
    right = [
        votes[torch.cdist(rows, reference).topk(k, largest=False).indices].sum(1).argmax(1) == expected[i : i + 512]
        for x in embeddings.values()
        for i, rows in zip(range(0, len(asked), 512), x[asked].split(512), strict=True)
    ]
    return float(torch.cat(right).double().mean())


def _one_value(classes: np.ndarray | Tensor) -> bool:
    return len(torch.as_tensor(classes).unique()) < 2


def _of_each(classes: np.ndarray | Tensor, assigned: np.ndarray) -> np.ndarray:
    return np.tile(torch.as_tensor(classes).cpu().numpy(), len(assigned))


def _clusters_by(seen: Embedded, factor: str) -> np.ndarray:
    """As many clusters as the factor has values."""
    return seen.once(_clusters, len(seen.world.space[factor]))


def _clusters(seen: Embedded, k: int) -> np.ndarray:
    return clusters(seen.some.z, k)


def _centred(seen: Embedded, object: str) -> float:
    return v_measure(clusters(centred(seen.z), len(seen.world.space[object])), seen.values(object))
