"""One loop for every loss, modality count and temperature; a step depends on its arguments alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import ceil, cos, expm1, isfinite, log, pi

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import softplus

from synthgap.encoders import Encoders
from synthgap.metrics import l2m, logit_entropy, rmg
from synthgap.optimiser import Group, adamw, zero_grad

LARGEST_SCALE = 100.0  # CLIP's clamp
TRAJECTORY = 20  # points kept of a run's course
#: How 1/τ follows from the number that is learnt: (that number for a given τ, the function).
SCALES = {
    "exp": (lambda tau: -log(tau), torch.exp),
    "softplus": (lambda tau: 1 / tau + log(-expm1(-1 / tau)), softplus),
}

Loss = Callable[..., Tensor]  # ({modality: unit-norm [B, D]}, inverse temperature, its settings by name) → a scalar


@dataclass(frozen=True)
class Finetuning:
    """What follows training: other `inputs` and `known`, as of `train`, with a schedule anew to the peak rate `lr`.

    frozen: keep the temperature that training came to. All else goes on, the optimiser's state among it.
    """

    inputs: dict[str, Tensor]
    known: dict[str, Tensor] | None
    epochs: int
    lr: float
    frozen: bool


@dataclass(frozen=True)
class Trained:
    """scale: the logit scale 1/τ at the end. settings: the loss's at the end, with what was learnt of them.

    trajectory: a row each few steps: step, loss, logit_scale, what else is learnt, rmg, l2m and entropy (means over all
    pairs of modalities, entropy in both directions).
    """

    scale: float
    settings: dict
    trajectory: pd.DataFrame


def train(
    model: Encoders,
    inputs: dict[str, Tensor],
    loss: Loss,
    *,
    temperature: dict,
    training: dict,
    settings: dict,
    order: np.random.Generator,
    watched: dict[str, Tensor],
    learnt: Mapping[str, float] = {},
    known: dict[str, Tensor] | None = None,
    chance: torch.Generator | None = None,
    anew: Callable[[int], tuple[dict[str, Tensor], dict[str, Tensor]]] | None = None,
    then: Finetuning | None = None,
    report: Callable[[float], None] = lambda share: None,
    seen: Callable[[dict[str, Tensor]], None] = lambda embeddings: None,
) -> Trained:
    """Train in place on `inputs` {modality: [N, …]}: epochs of full batches in the given order, or so many steps of them.

    temperature, training: the config's sections of those names. settings: the loss's, which `settings_at` brings up to date
    at each step, as it does a fixed temperature that has a schedule (which a frozen one in finetuning follows no longer).
    learnt: those that are trained from where they stand, even where the temperature is fixed → how many times faster than the
    temperature. watched: a small held-out batch on which gap and entropy are measured all along. known: {what: [N, …]}, given
    to the loss as `known` of its batch, if at all. chance: what the loss may draw from, given as it is. anew: epoch → inputs
    and known of that epoch, where they are not the same in all (from epoch 1 on). then: what follows. `report(share of the
    steps done)` is called now and then, and `seen(embeddings of what is watched, {modality: [N, D]})` for each row of the
    trajectory.
    """
    of_tau, scale_of = SCALES[temperature.get("scale", "exp")]
    raw = torch.tensor(of_tau(temperature["init"]), device=training["device"], requires_grad=True)
    if temperature["mode"] == "fixed":
        raw.requires_grad_(False)
    schedule = temperature.get("schedule")
    rates = {name: times * temperature["lr"] for name, times in learnt.items()}
    learnt = {
        name: torch.tensor(float(settings[name]), device=training["device"], requires_grad=True) for name in learnt
    }
    # a worker has a core, so it compiles in one process
    forward = torch.compile(model, options={"compile_threads": 1}) if training.get("compile") else model
    groups = _groups(model, raw, learnt, rates, temperature, training)
    n, batch = len(next(iter(inputs.values()))), training["batch"]
    finetuning = then.epochs if then else 0
    first = training.get("steps") or training["epochs"] * (n // batch)
    epochs, steps = ceil(first / (n // batch)), first + finetuning * (n // batch)
    every, trajectory, step = max(1, steps // TRAJECTORY), [], 0
    last = first / steps if then and then.frozen else 1.0  # the share at which a temperature's course stops

    def follow(share: float) -> None:
        if schedule is not None:
            raw.fill_(of_tau(settings_at({"τ": schedule}, min(share, last))["τ"]))

    for epoch in range(epochs + finetuning):
        if anew and 0 < epoch < epochs:
            inputs, known = anew(epoch)
        if then and epoch == epochs:
            inputs, known = then.inputs, then.known
            raw.requires_grad_(raw.requires_grad and not then.frozen)
            for group in groups:
                group.lr *= then.lr / training["lr"]
        shuffled = torch.from_numpy(order.permutation(n)).to(training["device"])
        left = first - step if epoch < epochs else steps - step
        for rows in shuffled[: min(n // batch, left) * batch].split(batch):
            with torch.autocast(training["device"], torch.bfloat16, enabled=training["bf16"]):
                embeddings = forward({name: x[rows] for name, x in inputs.items()})
            told = {"known": {name: x[rows] for name, x in known.items()}} if known else {}
            told |= {"chance": chance} if chance else {}
            follow(step / steps)
            value = loss(embeddings, scale_of(raw), **settings_at(settings, step / steps) | learnt, **told)
            if step % every == 0 or step == steps - 1:
                now = {"loss": value.item(), "logit_scale": scale_of(raw).item()} | _items(learnt)
                if not isfinite(now["loss"]):
                    raise FloatingPointError(f"the loss is {now['loss']} at step {step}: try a lower training.lr")
                there = embed(model, watched)
                trajectory.append({"step": step} | now | _watch(there, now["logit_scale"]))
                seen(there)
                report(step / steps)
            zero_grad(groups)
            value.backward()
            begun, length = (0, first) if epoch < epochs else (first, steps - first)
            adamw(groups, _rate(step - begun, length, training["warmup"]))
            if raw.requires_grad:
                raw.data.clamp_(max=of_tau(1 / LARGEST_SCALE))
            step += 1
    follow(1.0)
    return Trained(scale_of(raw).item(), settings_at(settings, 1.0) | _items(learnt), pd.DataFrame(trajectory))


def settings_at(settings: dict, share: float) -> dict:
    """A loss's settings when a share of training is done, in [0, 1]: a list [[share, value], …] is a course through those
    points, straight between them and level outside."""
    return {
        name: float(np.interp(share, *np.transpose(value))) if isinstance(value, list) else value
        for name, value in settings.items()
    }


def embed(model: Encoders, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """{modality: [N, …]} → {modality: unit-norm [N, D]} without gradients."""
    return {name: in_blocks(lambda rows, name=name: model({name: rows})[name], x) for name, x in inputs.items()}


def in_blocks(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """function(x) [N, …] without gradients, in blocks of rows that keep the memory flat."""
    with torch.no_grad():
        return torch.cat([function(rows) for rows in x.split(500)])


def _items(numbers: dict[str, Tensor]) -> dict[str, float]:
    return {name: number.item() for name, number in numbers.items()}


def _groups(
    model: Encoders,
    raw: Tensor,
    learnt: dict[str, Tensor],
    rates: dict[str, float],
    temperature: dict,
    training: dict,
) -> list[Group]:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [Group(matrices, training["lr"], training["weight_decay"]), Group(vectors, training["lr"], 0.0)]
    if raw.requires_grad:
        groups.append(Group([raw], temperature["lr"], 0.0))
    return groups + [Group([number], rates[name], 0.0) for name, number in learnt.items()]


def _rate(step: int, steps: int, warmup: float) -> float:
    rising = (step + 1) / (warmup * steps) if warmup else 1.0
    return min(rising, (1 + cos(pi * step / steps)) / 2)


def _watch(embeddings: dict[str, Tensor], scale: float) -> dict[str, float]:
    pairs = list(combinations(embeddings.values(), 2))
    both = [direction for x, y in pairs for direction in ((x, y), (y, x))]
    found = {gap.__name__: float(np.mean([gap(x, y) for x, y in pairs])) for gap in (rmg, l2m)}
    return found | {"entropy": float(np.mean([logit_entropy(x, y, scale) for x, y in both]))}
