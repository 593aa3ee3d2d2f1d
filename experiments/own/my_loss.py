"""CLIP's loss with a penalty on the distance of true pairs."""

from synthgap.catalogue import Method, Option
from synthgap.losses import clip

LOSS = Method(form="pairs", options={"pull": Option(0.5, "weight of the distance of true pairs", low=0)})


def my_loss(x, y, scale, *, pull):
    return clip(x, y, scale) + pull * (x - y).square().sum(1).mean()
