"""What an embedding knows of each factor: read with one-word captions (zero-shot) or with a linear probe."""

import warnings
from math import nan

import numpy as np
from torch import Tensor

from synthgap.metric_names import Metric

METRICS = (
    Metric(
        "zero_shot", "seen or heard factor", "accuracy of the nearest one-word caption",
        "a value has no one-word caption with a vector (images=free)", low=0, high=1,
        by=lambda seen, m, factor: zero_shot(seen.z[m], seen.prompts[seen.words_of(factor)], seen.values(factor)),
    ),
    Metric(
        "probe", "seen or heard factor", "accuracy of a linear probe",
        "the half of the samples that is fitted has one value", low=0, high=1,
        by=lambda seen, m, factor: linear_probe(seen.z[m], seen.values(factor), len(seen.codes) // 2),
    ),
)  # fmt: skip


def zero_shot(x: Tensor, prompts: Tensor, codes: np.ndarray | Tensor) -> float:
    """Accuracy of taking the nearest prompt, in [0, 1]; nan where a prompt is nan, as one that has no vector. x: [N, D];
    prompts: one a value, [V, D]; codes: [N]. Unit norm."""
    if not prompts.isfinite().all():
        return nan
    return float(((x @ prompts.T).argmax(1).cpu().numpy() == np.asarray(codes)).mean())


def linear_probe(x: Tensor, codes: np.ndarray, fitted: int) -> float:
    """Accuracy in [0, 1], on the rows from `fitted` on, of a logistic regression fitted on the rows before.

    x: [N, D]; codes: value index a row, [N]. nan where the rows before hold fewer than two values, or none follow.
    """
    if len(np.unique(codes[:fitted])) < 2 or not len(codes[fitted:]):
        return float("nan")
    features = scaled(x)
    return float(logistic(features[:fitted], codes[:fitted]).score(features[fitted:], codes[fitted:]))


def scaled(*parts: Tensor) -> np.ndarray:
    """Unit-norm rows of all parts, [N, D], as float64 features of unit variance, so that a penalty of C = 1 is mild."""
    features = np.concatenate([x.cpu().numpy() for x in parts], dtype=np.float64)
    features *= np.sqrt(features.shape[1])
    return features


def logistic(features: np.ndarray, codes: np.ndarray):
    """A logistic regression (C = 1) that is fitted, a `sklearn.linear_model.LogisticRegression`."""
    from sklearn.exceptions import ConvergenceWarning  # a second to load, which training need not wait for
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 steps are within 0.1 % of converged here
        return LogisticRegression(max_iter=100, tol=1e-3).fit(features, codes)
