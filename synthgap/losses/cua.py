"""CUA and CUAXU (Fahim et al. 2024): CLIP's loss, alignment of true pairs, and uniformity within and across modalities."""

from math import log

from torch import Tensor

from synthgap.catalogue import CONTRAST, COURSE, Method, Option
from synthgap.losses.clip import clip
from synthgap.losses.modgap import align_true_pairs, log_potential
from synthgap.losses.pairs import pairwise

LOSS = Method(
    paper="Fahim et al. 2024",
    options={
        "contrast": CONTRAST,
        "align": Option(1.0, "weight of the mean squared distance of true pairs, or its course", type=COURSE),
        "uniform": Option(1.0, "weight of uniformity within each modality, or its course", type=COURSE),
        "cross": Option(0.0, "weight of uniformity across modalities, or its course; CUAXU has 1, CUA 0", type=COURSE),
    },
)


def cua(
    embeddings: dict[str, Tensor],
    scale: Tensor | float,
    *,
    anchor: str | None = None,
    contrast: float = 1.0,
    align: float = 1.0,
    uniform: float = 1.0,
    cross: float = 0.0,
) -> Tensor:
    """contrast · CLIP's loss + align · `align_true_pairs` + uniform · ½(U_xx + U_yy) + cross · U_xy; a scalar.

    U is `uniformity`. embeddings: {modality: unit-norm [B, D]}, row i of all a true tuple. Each term is a mean over the pairs
    of modalities with the anchor (or all). Weights 1, 1, 1, 0 are CUA, and 1, 1, 1, 1 CUAXU.
    """

    def of_pair(x: Tensor, y: Tensor) -> Tensor:
        within = (uniformity(x, x) + uniformity(y, y)) / 2
        return contrast * clip(x, y, scale) + uniform * within + cross * uniformity(x, y)

    return pairwise(of_pair, embeddings, anchor=anchor) + align * align_true_pairs(embeddings, anchor)


def uniformity(x: Tensor, y: Tensor) -> Tensor:
    """log of the mean over i ≠ j of exp(−2‖x_i − y_j‖²), in [−8, 0]; both unit-norm [B, D]; lower is more uniform; a scalar.

    Of a modality with itself this is Wang & Isola's (2020); of two, true pairs are left out.
    """
    return log_potential(2 - 2 * x @ y.T) - log(len(x) * (len(x) - 1))
