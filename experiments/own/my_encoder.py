"""Images by coarse patches: their mean colours through one hidden layer. It sees colour and size, and no fine strokes."""

from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from synthgap.catalogue import Method, Option

ENCODER = Method(
    reads=("pixels",),
    options={
        "cells": Option(4, "patches along each side", low=1, high=28),
        "hidden": Option(64, "units of the hidden layer", low=1),
    },
)


class Coarse(nn.Module):
    """uint8 images [B, H, W, 3] → mean colours of cells × cells patches, in [-1, 1], [B, 3 · cells²]."""

    def __init__(self, cells):
        super().__init__()
        self.cells = cells

    def forward(self, images):
        return adaptive_avg_pool2d(images.permute(0, 3, 1, 2) / 127.5 - 1, self.cells).flatten(1)


def my_encoder(shape, *, cells, hidden):
    """Inputs [B, *shape] → features [B, any number]; a linear map into the shared space follows."""
    return nn.Sequential(Coarse(cells), nn.Linear(shape[-1] * cells**2, hidden), nn.ReLU())
