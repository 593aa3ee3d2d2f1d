"""All metrics of one trained model, as tidy rows (metric, of, value)."""

from collections.abc import Callable, Iterator
from itertools import combinations
from math import isfinite, isnan, nan

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import FactorSpace, World, captions
from data_gen.captions import Policy
from data_gen.information import critic_on, ideal_critic, information
from data_gen.seeds import generator
from synthgap import metrics
from synthgap.encoders import Encoders
from synthgap.metric_names import METRICS
from synthgap.observations import known_of
from synthgap.posthoc import (
    Maps,
    effective_rank,
    gap_share,
    ideal_words,
    largest_differences,
    largest_means,
    neighbour_distance,
    prototypes,
    published_neighbour_distance,
    published_prototypes,
    random_neighbour_distance,
    separability,
)
from synthgap.training import Loss, embed

Row = tuple[str, str, float]
TEXT = "text"
QUERIES = 1000  # that search within a modality: the first samples, among all


def evaluate(
    model: Encoders,
    inputs: dict[str, Tensor],
    codes: np.ndarray,
    world: World,
    *,
    object: str,
    loss: Loss,
    scale: float,
    batch: int,
    posthoc: Callable[[dict[str, Tensor]], Maps] | None = None,
) -> list[Row]:
    """Rows of everything that is measured on embeddings. inputs: {modality: [N, …]}, image and text among them; codes:
    [N, F]. Pairs are named in the order of the inputs.

    loss: (embeddings, scale, known=…) → scalar. The held-out loss is taken on batches of the training size, as InfoNCE grows
    with the batch. posthoc: fits what is done to the embeddings before all else, a map a modality.

    What the samples leave undefined is nan (`METRICS` says where). Raises FloatingPointError for embeddings that are not on
    the sphere: nothing that is measured of them would mean anything.
    """
    space, z = world.space, on_the_sphere(embed(model, inputs))
    maps = posthoc(z) if posthoc else {}

    def mapped(embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: maps[name](x) if name in maps else x for name, x in embeddings.items()}

    z = finite(mapped(z))
    pairs, device = list(combinations(z, 2)), z["image"].device
    told = known_of(space, object, codes, inputs[TEXT].cpu().numpy())
    told = {name: torch.from_numpy(x).to(device) for name, x in told.items()}
    batches = list(zip(_batches(z, batch), _batches(told, batch), strict=True))[: max(1, len(codes) // batch)]
    rows = [
        (gap.__name__, f"{a}-{b}", gap(z[a], z[b]))
        for a, b in pairs
        for gap in (metrics.rmg, metrics.l2m, metrics.l2i, metrics.alignment)
    ]
    rows += [
        ("logit_scale", "", scale),
        ("loss", "", float(np.mean([float(loss(x, torch.tensor(scale), known=known)) for x, known in batches]))),
    ]
    for name, embedding in z.items():
        about = _about(world, name)
        factors = FactorSpace([space.factors[f] for f in about])
        rows.append(("uniformity", name, metrics.uniformity(embedding)))
        if len(about) > 1:  # of a recording nothing is known but the digit: it has no attributes to be biased against
            towards = dict(zip(factors.names, metrics.moads(embedding, codes[:, about], factors), strict=True))
            if object in towards:
                pooled = metrics.moad_pooled(embedding, codes[:, about], factors, object)
                rows += [("moad", name, towards[object]), ("moad_pooled", name, pooled)]
            rows += [("moad_towards", f"{name} {factor}", value) for factor, value in towards.items()]
    for query, candidate in [direction for a, b in pairs for direction in ((a, b), (b, a))]:
        of, asked, there = f"{query}-{candidate}", z[query], z[candidate]
        rows += [
            ("entropy", of, metrics.logit_entropy(asked, there, scale)),
            ("recall@1", of, metrics.recall_at_k(asked, there, 1, told["caption"])),
            ("recall@1_instance", of, metrics.recall_at_k(asked, there, 1)),
            ("recall@1_class", of, metrics.recall_at_k(asked, there, 1, told["object"])),
        ]
    words = torch.arange(1, len(space.words) + 1, device=device)[:, None]
    prompts = mapped(embed(model, {TEXT: words}))[TEXT]
    for modality in (name for name in z if name != TEXT):
        x, of_modality = z[modality], "" if modality == "image" else f"{modality} "
        for f in _about(world, modality):
            factor, of_factor = space.factors[f], slice(space.offsets[f], space.offsets[f] + len(space.factors[f]))
            of = of_modality + factor.name
            rows.append(("zero_shot", of, metrics.zero_shot(x, prompts[of_factor], codes[:, f])))
            rows.append(("probe", of, metrics.linear_probe(x, codes[:, f], len(x) // 2)))
    rows += grouping(z, codes, space, object)
    rows += composition(z, prompts, told, inputs[TEXT], world, object)
    return rows + by_dimension(z) + within(z, codes, world)


def finite(z: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same embeddings {modality: [N, D]}. Raises FloatingPointError for nan and infinities."""
    return _none_lost(z, "nan or infinite", lambda x: ~x.isfinite().all(1))


def on_the_sphere(z: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same embeddings of a model. Raises FloatingPointError as `finite` does, and for rows of 0, as which those end whose
    length is beyond what a float holds."""
    return _none_lost(finite(z), "of length 0", lambda x: ~x.any(1))


def _none_lost(z: dict[str, Tensor], how: str, lost: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    for name, x in z.items():
        if n := int(lost(x).sum()):
            raise FloatingPointError(f"{n} of {len(x)} {name} embeddings are {how}: try a lower training.lr")
    return z


def check(rows: list[Row]) -> list[Row]:
    """The same rows. Raises FloatingPointError for a value that is not finite, but for the nan of a metric that the samples
    can leave undefined."""
    for metric, of, value in rows:
        if not isfinite(value) and not (isnan(value) and METRICS[metric].undefined):
            raise FloatingPointError(f"{metric} {of}".strip() + f" is {value}, though it is defined")
    return rows


def _batches(given: dict[str, Tensor], size: int) -> Iterator[dict[str, Tensor]]:
    return (
        dict(zip(given, parts, strict=True)) for parts in zip(*(x.split(size) for x in given.values()), strict=True)
    )


def _about(world: World, modality: str) -> np.ndarray:
    """Indices of the factors that a modality is about: all, hidden ones too, unless the world says what each shows."""
    return np.flatnonzero(world.space.mask(world.shows.get(modality, world.space.names)))


def grouping(z: dict[str, Tensor], codes: np.ndarray, space: FactorSpace, object: str) -> list[Row]:
    """Rows of how well all modalities' embeddings group by the object; and by each of the other factors, in as many
    clusters as it has values."""
    classes, k = codes[:, space.index(object)], len(space[object])
    found = metrics.clusters(z, k)
    rows = [
        ("v_measure", object, metrics.v_measure(found, classes)),
        ("v_measure_centred", object, metrics.v_measure(metrics.clusters(metrics.centred(z), k), classes)),
        ("nmi", object, metrics.nmi(found, classes)),
        ("single_modality_clusters", object, metrics.single_modality_clusters(found)),
        ("knn", object, metrics.knn(z, classes)),
    ]
    for f, factor in enumerate(space.factors):
        if factor.name != object:
            of_factor = metrics.clusters(z, len(factor))
            rows.append(("v_measure", factor.name, metrics.v_measure(of_factor, codes[:, f])))
    return rows


def composition(
    z: dict[str, Tensor], prompts: Tensor, told: dict[str, Tensor], tokens: Tensor, world: World, object: str
) -> list[Row]:
    """Rows of how images and texts lay out what they mean: are the neighbours of a value the same values in both, among
    those of the object and among all words (`random`: texts shuffled; `published`: as the published code counts); and what
    do ideal words, composed of the captions' embeddings, read of the images (`published`: moved by the gap, not normalised).

    prompts: unit-norm one-word captions of all the space's words, [words, D]. told: what is known of the samples, as
    `known_of` has it. tokens: their captions, [N, L].
    """
    space, image, about, rows = world.space, z["image"], _about(world, "image"), []
    of_factor = [slice(first, first + len(factor)) for first, factor in zip(space.offsets, space.factors, strict=True)]
    means = [_means(image, told["factors"][:, f], len(factor)) for f, factor in enumerate(space.factors)]
    for of, factors in ((object, [space.index(object)]), ("words", about)):
        x, y = (torch.cat([part[f] for f in factors]) for part in (means, [prompts[words] for words in of_factor]))
        if len(x) < 3:
            continue  # two have no order
        there = x.isfinite().all(1)
        for how, distance in (
            ("", neighbour_distance),
            ("_random", random_neighbour_distance),
            ("_published", published_neighbour_distance),
        ):
            value = distance(x[there], y[there]) if there.sum() > 2 else nan
            rows.append((f"neighbour_distance{how}", of, value))
    groups = np.repeat(np.arange(-1, len(space)), [1, *map(len, space.factors)])  # the first is the padding's
    centre, words = ideal_words(z[TEXT], tokens, torch.from_numpy(groups))
    composed = prototypes(centre, words, tokens)
    rows += [
        ("alignment_ideal", f"image-{TEXT}", metrics.alignment(image, composed)),
        ("recall@1_ideal", f"image-{TEXT}", metrics.recall_at_k(image, composed, 1, told["caption"])),
    ]
    alone = torch.arange(1, len(space.words) + 1, device=tokens.device)[:, None]
    gap = image.mean(0) - z[TEXT].mean(0)
    ideal, published = prototypes(centre, words, alone), published_prototypes(centre, words, alone, gap)
    for f in about:
        codes = told["factors"][:, f].cpu()
        rows += [
            ("zero_shot_ideal", space.names[f], metrics.zero_shot(image, ideal[of_factor[f]], codes)),
            ("zero_shot_ideal_published", space.names[f], metrics.zero_shot(image, published[of_factor[f]], codes)),
        ]
    return rows


def _means(x: Tensor, codes: Tensor, values: int) -> Tensor:
    """Unit-norm mean of the rows of each value, [values, D]; nan where there are none."""
    sums = x.new_zeros(values, x.shape[1]).index_add_(0, codes, x)
    return torch.where(torch.bincount(codes, minlength=values)[:, None] > 0, normalize(sums, dim=1), torch.nan)


def by_dimension(z: dict[str, Tensor]) -> list[Row]:
    """Rows of single dimensions: how much of the gap the first and the first four hold (`gap_share@k`), how well two tell
    the modalities apart (of the largest means, and of the largest differences of means), and how many each modality uses."""
    rows = [("effective_rank", name, effective_rank(x)) for name, x in z.items()]
    for a, b in combinations(z, 2):
        x, y, of = z[a], z[b], f"{a}-{b}"
        rows += [(f"gap_share@{k}", of, gap_share(x, y, k) if k <= x.shape[1] else nan) for k in (1, 4)]
        for which, dimensions in (("means", largest_means), ("differences", largest_differences)):
            value = separability(x, y, dimensions(x, y)) if x.shape[1] > 1 else nan
            rows.append((f"separability_{which}", of, value))
    return rows


def within(z: dict[str, Tensor], codes: np.ndarray, world: World, asked: dict[str, Tensor] | None = None) -> list[Row]:
    """Rows of search (`map`, the first samples asking) and classification (`ncm`) within each modality, by factor.

    asked: {modality: [QUERIES, D]}, other representations of the samples that ask; without any, their own embeddings.
    """
    rows = []
    for name, x in z.items():
        about = _about(world, name)
        queries = (asked or {}).get(name, x[:QUERIES])
        found = metrics.mean_average_precision(x, codes[:, about], queries)
        of = [("" if name == "image" else f"{name} ") + world.space.names[f] for f in about]
        rows += [("map", of[i], value) for i, value in enumerate(found)]
        rows += [("ncm", of[i], metrics.nearest_class_mean(x, codes[:, f], len(x) // 2)) for i, f in enumerate(about)]
    return rows


def floors(
    world: World, tested: World, policy: Policy, codes: np.ndarray, tokens: np.ndarray, batch: int, anchor: str | None
) -> list[Row]:
    """What one modality could tell of another: bits, and the ideal critic's loss at the training batch size, both of the
    world that training shows; and its entropy and R@1 on the very samples (codes [N, F], their captions tokens [N, L]) of
    the tested world.

    A modality that is not text tells of another as a caption would that names all it shows. The loss of all is the mean
    over the pairs with the anchor (or over all pairs), as InfoNCE's is.
    """
    rows, losses = [], []
    for a, b in combinations((*world.modalities, TEXT), 2):
        told, there = (policy, tokens) if b == TEXT else _full(world, b, codes)
        seen = world.shown_by(a)
        bits = information(world.space, told, seen)
        here = critic_on(tested.space, codes, there, tested.shown_by(a))
        rows += [
            ("imbalance_bits", f"{a}-{b}", bits.imbalance),
            ("shared_bits", f"{a}-{b}", bits.shared),
            ("unshared_bits", f"{a}-{b}", bits.imbalance + bits.text_only),
            ("floor_entropy", f"{a}-{b}", here.entropy),
            ("floor_entropy", f"{b}-{a}", here.entropy_text),
        ]
        if b == TEXT:
            rows += [("text_only_bits", f"{a}-{b}", bits.text_only), ("floor_recall@1", f"{a}-{b}", here.recall)]
        else:  # what a caption says beyond the image is, of a sound, what the image leaves out of it
            rows.append(("imbalance_bits", f"{b}-{a}", bits.text_only))
        if anchor is None or anchor in (a, b):
            chance = generator(0, "ideal critic")
            losses.append(ideal_critic(world.space, told, batch, chance, visible=seen).loss)
    return [*rows, ("floor_loss", "", float(np.mean(losses)))]


def _full(world: World, modality: str, codes: np.ndarray) -> tuple[Policy, np.ndarray]:
    """The captions that name all that a modality shows, and those of codes [N, F]."""
    shown = world.shown_by(modality)
    names = [name for name, is_shown in zip(world.space.names, shown, strict=True) if is_shown]
    return captions.fixed(world.space, names, shuffled=False), (1 + world.space.offsets + codes)[:, shown]
