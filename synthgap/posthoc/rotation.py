"""The control for statements about single dimensions: the same embeddings in other axes."""

import torch
from torch import Tensor

from data_gen.seeds import generator
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps

POSTHOC = Method(
    options={
        "seed": Option(
            0,
            "of the one random rotation of all, which keeps every cosine; of the random order of dimensions",
            low=0,
            high=2**63 - 1,
        ),
    },
)


def rotation(embeddings: dict[str, Tensor], *, seed: int = 0) -> Maps:
    """One random orthogonal map, reflections included, for all modalities alike: every cosine stays as it is.

    embeddings: {modality: unit-norm [N, D]}. The map is uniform (Haar) over the orthogonal group: QR of a Gaussian matrix,
    with R's diagonal made positive (Mezzadri 2007, sec. 5).
    """
    one = next(iter(embeddings.values()))
    q, r = torch.linalg.qr(torch.from_numpy(generator(seed, "rotation").standard_normal((one.shape[1],) * 2)))
    q = (q * r.diagonal().sign()).to(one)
    return {name: lambda x: x @ q.T for name in embeddings}
