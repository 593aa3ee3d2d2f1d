"""Only what texts vary in: every modality projected on the principal components of the text embeddings."""

from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps
from synthgap.posthoc.whitening import principal_axes

POSTHOC = Method(
    paper="Magistri, Goswami et al. 2026",
    options={"components": Option(8, "principal components of the texts that all are projected onto")},
)


def text_components(embeddings: dict[str, Tensor], *, components: int) -> Maps:
    """The texts' mean taken off, what is left projected on their first components, then brought back to length 1.

    embeddings: {modality: unit-norm [N, D]}, "text" among them. The mean is the texts' for every modality and is not put
    back, so that a modality keeps what part of its gap lies within the components. components: 1 to D; those beyond the
    rank of the texts add nothing, and a row with no part in any stays zero. A baseline of searches within images (IsoCLIP,
    Magistri, Goswami et al. 2026). Raises InputError without texts, or for another number of components.
    """
    if "text" not in embeddings:
        raise InputError(f"text components need the modality 'text', got {', '.join(embeddings)}")
    mean, variances, axes = principal_axes(embeddings["text"])
    if not 1 <= components <= len(axes):
        raise InputError(f"components={components}: it must lie in 1 to {len(axes)}, the size of the embedding")
    kept = axes[:, :components][:, variances[:components] > 0]
    onto = kept @ kept.T
    return {name: lambda x: normalize(((x.double() - mean) @ onto).to(x.dtype), dim=1) for name in embeddings}
