"""Each dimension brought to mean 0 and variance 1, in each modality by itself: what the batch-norm heads of I0T begin with."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from synthgap.catalogue import Method
from synthgap.posthoc.translation import Maps

POSTHOC = Method(paper="An et al. 2024")
EPSILON = 1e-5  # batch norm's, added to variances


def standardise(embeddings: dict[str, Tensor]) -> Maps:
    """(x − mean) / √(variance + 1e-5) in each dimension, then brought to length 1. embeddings: {modality: unit-norm [N, D]}.

    I0T-async puts a batch norm behind each frozen encoder. With its scale 1 and its shift 0, as it starts, that is this map.
    What is left out: scale and shift are not finetuned, and means and variances are those of the embeddings given, of the
    test set in a run, not running means of training. Unlike `whitening` it depends on the axes. A dimension in which a
    modality does not vary becomes 0. (I0T-post is `centring`.)
    """
    return {name: _standardised(x) for name, x in embeddings.items()}


def _standardised(x: Tensor) -> Callable[[Tensor], Tensor]:
    variance, mean = torch.var_mean(x.double(), dim=0, correction=0)
    rounding = x.shape[1] * torch.finfo(x.dtype).eps
    scale = torch.where(variance > rounding**2, (variance + EPSILON).rsqrt(), 0)
    return lambda rows: normalize((rows.double() - mean) * scale, dim=1).to(rows.dtype)
