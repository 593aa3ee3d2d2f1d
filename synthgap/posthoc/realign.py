"""ReAlign: a modality is given the mean and the spread of another one (Yu et al. 2026)."""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import normalize

from data_gen.errors import unknown
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps
from synthgap.posthoc.whitening import principal_axes

POSTHOC = Method(
    paper="Yu et al. 2026",
    options={"onto": Option("image", "the modality that stays; the others are aligned with it", modality=True)},
)


def realign(embeddings: dict[str, Tensor], *, onto: str = "image") -> Maps:
    """y' = norm(μ_x + √(tr Σ_x / tr Σ_y) (y − μ_y)), then y'' = norm(y' − mean of y' + μ_x); x stays.

    embeddings: {modality: unit-norm [N, D]}. onto: x; each other modality is a y. μ and Σ are over the embeddings, as is the
    mean of y'. The scale is one number a modality, though the paper calls the residuals anisotropic. Where y does not
    vary, all of it is put on the direction of μ_x. Raises InputError for an unknown modality.
    """
    if onto not in embeddings:
        raise unknown("modality in posthoc.onto", onto, embeddings)
    target, variances, _ = principal_axes(embeddings[onto])
    spread = variances.sum()
    return {name: (lambda x: x) if name == onto else _aligned(y, target, spread) for name, y in embeddings.items()}


def _aligned(y: Tensor, target: Tensor, spread: Tensor) -> Callable[[Tensor], Tensor]:
    mean, variances, _ = principal_axes(y)
    scale = (spread / variances.sum()).sqrt() if variances[0] > 0 else 0.0

    def scaled(rows: Tensor) -> Tensor:
        return normalize(target + scale * (rows.double() - mean), dim=1)

    again = target - scaled(y).mean(0)
    return lambda rows: normalize(scaled(rows) + again, dim=1).to(rows.dtype)
