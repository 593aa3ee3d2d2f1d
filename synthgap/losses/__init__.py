"""Contrastive losses, one paper a file. Each takes {modality: unit-norm [B, D]} pairs and an inverse temperature."""

from synthgap.losses.clip import clip

#: name in `loss=…` → the loss of a pair of modalities
LOSSES = {"clip": clip}

__all__ = ["LOSSES", "clip"]
