"""Caption policies that a run can have, in training and in finetuning; what they do stands in `data_gen.captions`."""

from data_gen.captions import attributes, contiguous, fixed, independent, written
from synthgap.catalogue import Method, Option

__all__ = ["attributes", "contiguous", "fixed", "independent", "written"]

CAPTIONS = [
    Method(
        name="attributes",
        paper="Schrodi et al. 2025",
        needs=("object",),
        options={
            "attributes": Option(5, "k: how many of the other factors a caption names, drawn without replacement"),
        },
    ),
    Method(name="fixed", options={"factors": Option([], "the factors that every caption names", type=list[str])}),
    Method(
        name="contiguous",
        options={"fraction": Option(1.0, "share of the full caption that is kept, in one piece and never empty")},
    ),
    Method(
        name="independent",
        options={
            "probability": Option(
                {}, "each factor's chance of being named, e.g. {digit: 1, colour: 0.5}", type=dict[str, float]
            ),
        },
    ),
    Method(
        name="written",
        needs=("texts",),
        options={"shuffled": Option(False, "words in random order, or as they are written")},
    ),
]
FINETUNE = [
    Method(name="attributes", options={"attributes": Option(1, "k of these captions")}),
    Method(name="contiguous", options={"fraction": Option(0.25, "share of the full caption that these keep")}),
]
