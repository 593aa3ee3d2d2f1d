"""What an embedding knows of each factor: read with one-word captions (zero-shot) or with a linear probe."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from synthgap.metric_names import Metric

METRICS = (
    Metric(
        "zero_shot", "seen or heard factor", "accuracy of the nearest one-word caption", low=0, high=1,
        by=lambda seen, m, factor: zero_shot(seen.z[m], seen.prompts[seen.words_of(factor)], seen.values(factor)),
    ),
    Metric(
        "probe", "seen or heard factor", "accuracy of a linear probe",
        "the half of the samples that is fitted has one value", low=0, high=1,
        by=lambda seen, m, factor: linear_probe(seen.z[m], seen.values(factor), len(seen.codes) // 2),
    ),
)  # fmt: skip


def zero_shot(x: Tensor, prompts: Tensor, codes: np.ndarray | Tensor) -> float:
    """Accuracy of taking the nearest prompt, in [0, 1]. x: [N, D]; prompts: one a value, [V, D]; codes: [N]. Unit norm."""
    return float(((x @ prompts.T).argmax(1).cpu().numpy() == np.asarray(codes)).mean())


def linear_probe(x: Tensor, codes: np.ndarray, fitted: int) -> float:
    """Accuracy in [0, 1], on the rows from `fitted` on, of a logistic regression fitted on the rows before.

    x: [N, D]; codes: value index a row, [N]. Features are scaled by √D, so that a unit-norm row has unit-variance entries
    and the default penalty (C = 1) is mild. nan where the rows before hold fewer than two values, or none follow.
    """
    if len(np.unique(codes[:fitted])) < 2 or not len(codes[fitted:]):
        return float("nan")
    features = x.cpu().numpy() * np.sqrt(x.shape[1])
    model = LogisticRegression(max_iter=100, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 steps are within 0.1 % of converged here
        model.fit(features[:fitted], codes[:fitted])
    return float(model.score(features[fitted:], codes[fitted:]))
