"""All metrics of one trained model, as tidy rows (metric, of, value)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from math import isfinite, isnan

import numpy as np
import torch
from torch import Tensor

from data_gen import World
from synthgap.encoders import Encoders
from synthgap.metric_names import FILES, METRICS, OF_MODALITY, Metric, places
from synthgap.metrics.embedded import Embedded
from synthgap.observations import known_of
from synthgap.posthoc import Maps
from synthgap.training import Loss, embed

Row = tuple[str, str, float]
TEXT = "text"


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
    own: Sequence[Metric] = (),
) -> list[Row]:
    """Rows of everything that is measured on embeddings. inputs: {modality: [N, …]}, image and text among them; codes:
    [N, F]. Pairs are named in the order of the inputs.

    loss: (embeddings, scale, known=…) → scalar. posthoc: fits what is done to the embeddings before all else, a map a modality.
    own: metrics of the user's, whose rows come last.

    What the samples leave undefined is nan (`METRICS` says where). Raises FloatingPointError for embeddings that are not on
    the sphere: nothing that is measured of them would mean anything.
    """
    z = on_the_sphere(embed(model, inputs))
    maps = posthoc(z) if posthoc else {}

    def mapped(embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: maps[name](x) if name in maps else x for name, x in embeddings.items()}

    z, device = finite(mapped(z)), z["image"].device
    known = known_of(world.space, object, codes, inputs[TEXT].cpu().numpy())
    words = torch.arange(1, len(world.space.words) + 1, device=device)[:, None]
    prompts = embed(model, {TEXT: words})[TEXT]
    if isinstance(model, Encoders):  # free vectors are of captions that are written, of which none may have one word
        finite({"one-word": prompts})
    there = prompts.isfinite().all(1, keepdim=True)  # what has no vector has none after a map either
    seen = Embedded(
        z,
        codes,
        world,
        object,
        tokens=inputs[TEXT],
        known={name: torch.from_numpy(x).to(device) for name, x in known.items()},
        prompts=mapped({TEXT: prompts})[TEXT].where(there, torch.nan),
        scale=scale,
        loss=loss,
        batch=batch,
    )
    return [row for metrics in (*map(_metrics, FILES), own) for row in measured(seen, metrics)]


def within(z: dict[str, Tensor], codes: np.ndarray, world: World, asked: dict[str, Tensor] | None = None) -> list[Row]:
    """Rows of search (`map`, the first samples asking) and classification (`ncm`) within each modality, by factor.

    asked: {modality: [queries, D]}, other representations of the samples that ask; without any, their own embeddings.
    """
    return measured(Embedded(z, codes, world, world.space.names[0], asked=asked or {}), _metrics("intramodal"))


def measured(seen: Embedded, metrics: Iterable[Metric]) -> list[Row]:
    """Rows of the metrics of a file that have a function: of one thing after the other, what is measured of it."""
    there, rows = places(seen.world, seen.object), {}
    for metric in metrics:
        for of, given in there[metric.of].items() if metric.by else ():
            place = given[0] if metric.of in OF_MODALITY else of
            rows.setdefault(place, []).append((metric.name, of, metric.by(seen, *given)))
    return [row for some in rows.values() for row in some]


def _metrics(file: str) -> Sequence[Metric]:
    return import_module(f"synthgap.metrics.{file}").METRICS


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


def check(rows: list[Row], metrics: Mapping[str, Metric] = METRICS) -> list[Row]:
    """The same rows. Raises FloatingPointError for a value that is not finite, but for the nan of a metric that the samples
    can leave undefined."""
    for metric, of, value in rows:
        if not isfinite(value) and not (isnan(value) and metrics[metric].undefined):
            raise FloatingPointError(f"{metric} {of}".strip() + f" is {value}, though it is defined")
    return rows
