"""Summed word vectors through an MLP: blind to word order."""

from torch import Tensor, nn

from synthgap.catalogue import Method
from synthgap.encoders.layers import mlp_trunk

ENCODER = Method(form="mlp", reads=("tokens",), needs=("vocabulary", "width"))


def bag(shape: tuple[int], *, vocabulary: int, width: int) -> tuple[nn.Module, nn.Module]:
    """Summed word vectors through an MLP, blind to word order: of texts, or of the factors themselves (images=symbolic)."""
    return WordSum(vocabulary, width), mlp_trunk(width)


class WordSum(nn.Module):
    """Tokens [B, L] (0 = padding) → [B, width]."""

    def __init__(self, vocabulary: int, width: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary + 1, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return (self.words(tokens) * (tokens > 0)[..., None]).sum(1)

    def of_word(self, vectors: Tensor) -> Tensor:
        """What is given of texts of one word, whose vectors are [B, width]."""
        return vectors
