"""The names of what is measured: every metric that a run writes, what it is of, and what it says. Quick to import."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import combinations, permutations
from math import inf
from typing import NamedTuple

from data_gen import InputError, World

TEXT = "text"
SHARE = "share"

#: what a metric is of → how that is written
KINDS = {
    "": "nothing: one number a run",
    "modality": "image, audio, text",
    "pair": "two modalities, in the order image, audio, text: image-text",
    "direction": "who asks whom: image-text, text-image",
    "image-text": "that pair alone",
    "pair with text": "image-text, audio-text",
    "direction, not text's": "image-text, image-audio, audio-image, audio-text",
    "object": "the factor that is the object: digit",
    "object or words": "the object's values, or all factors', if there are three or more: digit, words",
    "factor": "any factor: digit, colour",
    "image's factor": "a factor that images are about: digit, colour",
    "seen or heard factor": "colour of images; audio digit of sounds",
    "any modality's factor": "colour of images; text colour, audio digit of others",
    "biased modality": "image, text: those that show the object and another factor",
    "biased modality and factor": "image digit, text digit: of modalities that show two factors or more",
    SHARE: 'how much of training was done, in quotes: "0" to "1"',
    "part": "data, training, evaluation; without any, all of them",
}


class Metric(NamedTuple):
    """of: one of `KINDS`. undefined: where the data leave it undefined, and it is nan; empty where it always is a number. low,
    high: what no value of it is beyond."""

    of: str
    meaning: str
    undefined: str = ""
    low: float = -inf
    high: float = inf


#: where metrics that rest on the samples' values are undefined
BIAS = "a factor has one value among the samples, or no two samples share one"
HALF = "the half of the samples that is fitted has one value"
FOUND = "no two samples share a value"
ONE = "all samples have one value"
THREE = "images show fewer than three of the values"

METRICS = {
    "rmg": Metric(
        "pair", "relative modality gap: distance of true pairs against that within modalities; 0 to 1", low=0, high=1
    ),
    "l2m": Metric("pair", "distance between the two means, 0 to 2", low=0, high=2),
    "l2i": Metric("pair", "mean distance of the true pairs, 0 to 2", low=0, high=2),
    "alignment": Metric("pair", "mean cosine of the true pairs, -1 to 1", low=-1, high=1),
    "uniformity": Metric(
        "modality",
        "how evenly a modality fills the sphere, -8 to 0, lower is more even",
        "an embedding is zero",
        low=-8,
        high=0,
    ),
    "effective_rank": Metric(
        "modality",
        "how many dimensions a modality fills, 1 to the embedding's size",
        "all embeddings are the same",
        low=1,
    ),
    "gap_share@1": Metric(
        "pair", "share of l2m² in the dimension that holds most of it", "there is no gap", low=0, high=1
    ),
    "gap_share@4": Metric(
        "pair",
        "share of l2m² in the four dimensions that hold most of it",
        "there is no gap, or there are fewer than four dimensions",
        low=0,
        high=1,
    ),
    "separability_means": Metric(
        "pair",
        "how well the dimensions of largest mean tell the modalities apart; 0.5 = chance",
        "there is one dimension",
        low=0,
        high=1,
    ),
    "separability_differences": Metric(
        "pair", "the same of the two dimensions in which the means differ most", "there is one dimension", low=0, high=1
    ),
    "moad": Metric(
        "biased modality", "object bias: how much further apart the object's values are kept than attributes'", BIAS
    ),
    "moad_pooled": Metric("biased modality", "the same with attributes pooled, as in published numbers", BIAS),
    "moad_towards": Metric("biased modality and factor", "the object bias if that factor were the object", BIAS),
    "entropy": Metric("direction", "how unsure the softmax over all candidates is, in nats", low=0),
    "recall@1": Metric("direction", "share of queries whose nearest candidate has the same caption", low=0, high=1),
    "recall@1_instance": Metric(
        "direction", "share of queries whose nearest candidate is their own partner", low=0, high=1
    ),
    "recall@1_class": Metric(
        "direction", "share of queries whose nearest candidate has the same object", low=0, high=1
    ),
    "zero_shot": Metric("seen or heard factor", "accuracy of the nearest one-word caption", low=0, high=1),
    "probe": Metric("seen or heard factor", "accuracy of a linear probe", HALF, low=0, high=1),
    "map": Metric(
        "any modality's factor",
        "mean average precision of finding the same value within the modality",
        FOUND,
        low=0,
        high=1,
    ),
    "map_gain": Metric(
        "any modality's factor",
        "map over that of the same model as trained (with posthoc= or shift=)",
        FOUND,
        low=-1,
        high=1,
    ),
    "ncm": Metric("any modality's factor", "accuracy of the nearest class mean", HALF, low=0, high=1),
    "knn": Metric(
        "object",
        "accuracy of the nearest neighbours, all modalities pooled",
        "the samples that it compares with have one value",
        low=0,
        high=1,
    ),
    "v_measure": Metric(
        "factor", "do clusters of all modalities follow the factor's values? 0 to 1", ONE, low=0, high=1
    ),
    "v_measure_centred": Metric("object", "the same with each modality's mean taken off", ONE, low=0, high=1),
    "nmi": Metric(
        "object", "normalised mutual information of those clusters and the object, 0 to 1", ONE, low=0, high=1
    ),
    "single_modality_clusters": Metric("object", "how many of those clusters hold one modality alone", low=0),
    "neighbour_distance": Metric(
        "object or words", "do values have the same neighbours in image and text? 0 if so", THREE, low=0
    ),
    "neighbour_distance_random": Metric("object or words", "the same with texts shuffled", THREE, low=0),
    "neighbour_distance_published": Metric("object or words", "the same as the published code counts", THREE, low=0),
    "alignment_ideal": Metric("image-text", "alignment of images and captions composed of ideal words", low=-1, high=1),
    "recall@1_ideal": Metric("image-text", "recall@1 of captions composed of ideal words", low=0, high=1),
    "zero_shot_ideal": Metric("image's factor", "zero_shot by ideal words", low=0, high=1),
    "zero_shot_ideal_published": Metric(
        "image's factor", "the same moved by the gap, not normalised, as published", low=0, high=1
    ),
    "loss": Metric("", "contrastive loss on held-out samples, in nats, at the training batch size"),
    "logit_scale": Metric("", "1/τ at the end of training", low=0),
    "logit_bias": Metric("", "the learnt bias at the end of training (loss=siglip)"),
    "rmg_at": Metric(SHARE, "rmg in the course of training", low=0, high=1),
    "l2m_at": Metric(SHARE, "l2m in the course of training", low=0, high=2),
    "loss_at": Metric(SHARE, "the training loss in its course"),
    "entropy_at": Metric(SHARE, "entropy in the course of training", low=0),
    "logit_scale_at": Metric(SHARE, "1/τ in the course of training", low=0),
    "imbalance_bits": Metric(
        "direction, not text's", "bits of the first that the second does not tell: information imbalance", low=0
    ),
    "shared_bits": Metric("pair", "bits that both tell", low=0),
    "text_only_bits": Metric("pair with text", "bits that captions tell and the other does not show", low=0),
    "unshared_bits": Metric("pair", "bits that one of the two does not tell of the other, both ways", low=0),
    "floor_entropy": Metric("direction", "the ideal critic's entropy, in nats", low=0),
    "floor_recall@1": Metric("pair with text", "the ideal critic's recall@1", low=0, high=1),
    "floor_loss": Metric("", "the ideal critic's loss, in nats", low=0),
    "seconds": Metric("part", "what a run took", low=0),
}


def possible(world: World, object: str) -> dict[str, list[str]]:
    """metric → all that a run of this world may have it of, but for shares of training."""
    names, everything = world.space.names, [*world.modalities, TEXT]
    about = {modality: [name for name in names if name in world.shows.get(modality, names)] for modality in everything}
    pairs, directions = list(combinations(everything, 2)), list(permutations(everything, 2))
    by_modality = {m: [("" if m == "image" else f"{m} ") + f for f in factors] for m, factors in about.items()}
    several = [modality for modality in everything if len(about[modality]) > 1]
    valued = {object: len(world.space[object]), "words": sum(len(world.space[factor]) for factor in about["image"])}
    found = {
        "": [""],
        "modality": everything,
        "pair": ["-".join(pair) for pair in pairs],
        "direction": ["-".join(pair) for pair in directions],
        "image-text": [f"image-{TEXT}"],
        "pair with text": [f"{modality}-{TEXT}" for modality in world.modalities],
        "direction, not text's": ["-".join(pair) for pair in directions if pair[0] != TEXT],
        "object": [object],
        "object or words": [of for of, values in valued.items() if values > 2],
        "factor": list(names),
        "image's factor": about["image"],
        "seen or heard factor": [of for modality in world.modalities for of in by_modality[modality]],
        "any modality's factor": [of for some in by_modality.values() for of in some],
        "biased modality": [modality for modality in several if object in about[modality]],
        "biased modality and factor": [f"{modality} {factor}" for modality in several for factor in about[modality]],
        "part": ["", "data", "training", "evaluation"],
    }
    return {name: found[metric.of] for name, metric in METRICS.items() if metric.of != SHARE}


def check(variable: Mapping, where: str, known: Mapping[str, Iterable[str] | None], listed: str) -> None:
    """Raises InputError unless {metric, of} is among `known`: metric → all that it is there of, None if that is not known.

    where: what asks for it. listed: where its reader finds the names.
    """
    metric, of = variable["metric"], variable.get("of", "")
    if metric not in known:
        raise InputError(f"unknown metric {metric!r} in {where}{_hint(metric, known)} ({listed})")
    if "of" not in variable and metric in METRICS and METRICS[metric].of == SHARE:
        return  # its whole course
    for name in [of] if isinstance(of, str) else of:
        if known[metric] is None:
            if METRICS[metric].of == SHARE and not _is_share(name):
                raise InputError(f"{where}: the `of` of {metric} must be {KINDS[SHARE]}, not {name!r}")
        elif name not in known[metric]:
            if not any(known[metric]):
                raise InputError(f"{where}: {metric} is one number a run; leave out of: {name}")
            there = ", ".join(filter(None, known[metric]))
            asked = f"not of {name!r}" if name else "so it needs an 'of'"
            raise InputError(f"{where}: {metric} is there of {there}, {asked}{_hint(name, known[metric])}")


def _hint(name: str, names: Iterable[str]) -> str:
    by_lower = {known.lower(): known for known in names}  # RMG is how papers write it
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def _is_share(name: str) -> bool:
    try:
        return 0 <= float(name) <= 1
    except ValueError:
        return False
