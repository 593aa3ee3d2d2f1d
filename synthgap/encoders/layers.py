"""What several encoders are made of."""

from torch import Tensor, nn


class Pixels(nn.Sequential):
    """uint8 images [B, H, W, 3] or spectrograms [B, H, W] in [0, 255] → [B, C, H, W] in [−1, 1], through the layers."""

    def forward(self, x: Tensor) -> Tensor:
        # channels last in memory, as stored: CPUs convolve it 10 to 25 % faster
        x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
        # the division makes a tensor of its own: what is given stays as it is
        return super().forward((x.to(dtype=next(self.parameters()).dtype) / 127.5).sub_(1))


def mlp_trunk(width: int) -> nn.Sequential:
    """Vectors [B, width] → features [B, 2 · width]: the trunk of encoders of the form "mlp", which they can share."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU())


class LowRank(nn.Module):
    """A linear map of at most a rank, with the weight and the bias of a linear layer: features [B, F] → [B, D].

    It is two maps, features → rank → D. The bias is that of the first, so what comes out lies in a subspace of `rank`
    dimensions, the one that the columns of `outer.weight` [D, rank] span, and still does when it is brought to length 1.
    """

    def __init__(self, features: int, embedding: int, rank: int):
        super().__init__()
        self.inner, self.outer = nn.Linear(features, rank), nn.Linear(rank, embedding, bias=False)
        self.out_features = embedding

    @property
    def weight(self) -> Tensor:
        """[D, F]."""
        return self.outer.weight @ self.inner.weight

    @property
    def bias(self) -> Tensor:
        """[D]."""
        return self.outer.weight @ self.inner.bias

    def forward(self, features: Tensor) -> Tensor:
        return self.outer(self.inner(features))
