"""The gap explorer: runs in which embeddings of the same test pairs were kept all along training, as one page to turn and play.

All numbers are those of the runs: what the page computes itself is only where a point is drawn.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jinja2.utils import htmlsafe_json_dumps
from safetensors.torch import load_file
from torch import Tensor

from data_gen import InputError, captions, files
from synthgap import options, runs, studies
from synthgap.metrics import l2m, logit_entropy, mean_cosine, recall_at_k, rmg, spread
from synthgap.observations import observe, policy_of, world_of
from synthgap.pages import html
from synthgap.pages.samples import png
from synthgap.posthoc import centring
from synthgap.runs import Plan, Task
from synthgap.runs.execution import COURSE
from synthgap.study import Study
from synthgap.tables import CASE

SHOWN = ("image", "text")
PAIRS = 120  # drawn of those that are measured; more hide one another
FEWEST = 20
BYTES = 6e6  # of all positions, so that a page is under 10 MB
#: bytes of a pair at a moment: 2 modalities, as trained and centred, 3 × int16, in base 64
POSITION = 2 * 2 * 3 * 2 * 4 / 3
MOMENTS = 21  # of a run's trajectory, or one more
#: what a slider is called, and in the head of a table
LABELS = {
    "captions.attributes": ("attributes that captions name (k)", "k"),
    "temperature": ("temperature τ", "τ"),
    "temperature.init": ("temperature τ", "τ"),
    "encoder.apart": ("how far apart at the start", "start"),
    "encoder.embedding": ("dimensions", "dimensions"),
}

#: What is shown without any override: a cold temperature, CLIP's first, a warm one, and one that is learnt. In 16 dimensions
#: there is room for a gap to stay; in three, which could be shown as they are, it closes in all of these runs.
STUDY = Study(
    name="explore",
    question="How does the modality gap come about?",
    source="",
    grid={"captions.attributes": [1, 2, 3, 4, 5], "encoder.apart": [0.0, 3.0], "seed": [0]},
    cases=(
        *({CASE: f"{tau:g}, fixed", "temperature.mode": "fixed", "temperature.init": tau} for tau in (0.02, 0.07, 0.3)),
        {CASE: "learnt, from 0.07", "temperature.mode": "learnable", "temperature.init": 0.07},
    ),
    presets={
        "quick": {
            "set": {
                "images": "symbolic",
                "encoder.embedding": 16,
                "mad.images": 8000,
                "mad.test_images": 500,
                "training.steps": 400,
            }
        }
    },
    claims=(),
    figure={},
)


@dataclass(frozen=True)
class Course:
    """What was kept of a run. embeddings: {modality: [moments, N, D]}. trajectory: a row a moment. words: the captions of the
    test pairs; codes [N, F]; images: as pictures, where there are any."""

    embeddings: dict[str, Tensor]
    trajectory: pd.DataFrame
    words: list[str]
    equal: np.ndarray
    codes: np.ndarray
    images: np.ndarray | None


def check(overrides: Sequence[str]) -> None:
    """Raises InputError, before any run, where one page cannot show the runs that are asked for."""
    most, number = int(BYTES / POSITION / MOMENTS / FEWEST), len(studies.expand(STUDY, overrides)[1])
    if number > most:
        raise InputError(f"one page shows at most {most} runs, and these are {number}: give fewer values")
    plan = runs.plan(STUDY, overrides)
    spaces = {task.run_id: world_of(task.config, "test").space for task in plan.tasks}
    first = next(iter(spaces.values()))
    for space in spaces.values():
        if (space.names, space.sizes) != (first.names, first.sizes):
            raise InputError(
                "one page shows one world, and these have other factors: "
                f"{', '.join(first.names)}, and {', '.join(space.names)}"
            )
    for task in plan.tasks:
        if task.start is not None:
            done = next(group for group in options.AFTERWARDS if task.config[group]["name"] != "none")
            raise InputError(
                f"{done}={task.config[done]['name']}: what is shown is training, and that is done afterwards; centring is a "
                "switch on the page"
            )


def read(plan: Plan, task: Task) -> Course:
    """What was kept of a finished run. Raises InputError where it is not there."""
    folder = plan.folder / task.run_id
    if not (folder / COURSE).exists():
        raise InputError(
            f"{folder} keeps no embeddings of its training ({COURSE}); delete that folder and explore again"
        )
    kept = load_file(folder / COURSE)
    config, number = task.config, kept[SHOWN[0]].shape[1]
    shown, codes = observe(plan.datasets, options.as_finetuned(config), "test")(0)
    world, tokens = world_of(config, "test"), shown["text"][:number]
    policy = policy_of(options.as_finetuned(config), world.space, "test")
    pictures = shown["image"][:PAIRS] if config["images"] == "pixels" and shown["image"].ndim > 2 else None
    return Course(
        {name: kept[name] for name in SHOWN},
        files.read_parquet(folder / "trajectory.parquet"),
        captions.texts(world.space, tokens, policy),
        captions.equal(tokens),
        codes[:number],
        pictures,
    )


def numbers(course: Course) -> dict[str, dict[str, list[float]]]:
    """{"trained" or "centred": {metric: a value a moment}}, of all pairs that were kept."""
    found: dict[str, dict[str, list[float]]] = {}
    equal = torch.from_numpy(course.equal)
    for variant in ("trained", "centred"):
        rows = []
        for i, scale in enumerate(course.trajectory.logit_scale):
            x, y = _as(variant, {name: z[i] for name, z in course.embeddings.items()}).values()
            both = [logit_entropy(x, y, scale), logit_entropy(y, x, scale)]
            rows.append(
                {
                    "rmg": rmg(x, y),
                    "l2m": l2m(x, y),
                    "spread": spread(x, y),
                    "mean_cosine": mean_cosine(x, y),
                    "entropy": float(np.mean(both)),
                    "recall@1": recall_at_k(x, y, groups=equal),
                    "temperature": 1 / scale,
                }
            )
        found[variant] = {name: [row[name] for row in rows] for name in rows[0]}
    return found


def _as(variant: str, z: Mapping[str, Tensor]) -> dict[str, Tensor]:
    maps = centring(dict(z)) if variant == "centred" else {}
    return {name: maps[name](x) if maps else x for name, x in z.items()}


def axes_of(embeddings: Mapping[str, Tensor]) -> Tensor:
    """Three orthonormal axes, [D, 3], for embeddings {modality: [moments, N, D]}: the space's own, if it has at most three
    dimensions. Else first the direction in which the means lie furthest apart at any moment, then the two principal
    components, at the last moment, of both modalities together, of what is left beside it.
    """
    x, y = (z.double() for z in embeddings.values())
    dimensions = x.shape[-1]
    if dimensions <= 3:
        return torch.eye(dimensions, 3, dtype=torch.double)
    apart = x.mean(1) - y.mean(1)
    gap = torch.nn.functional.normalize(apart[apart.norm(dim=1).argmax()], dim=0)
    pooled = torch.cat([x[-1], y[-1]])
    pooled = pooled - pooled.mean(0)
    _, _, components = torch.linalg.svd(pooled - (pooled @ gap)[:, None] * gap, full_matrices=False)
    components = components[:2] * components[:2].gather(1, components[:2].abs().argmax(1, keepdim=True)).sign()
    return torch.stack([gap, *components], dim=1)


def positions(course: Course, pairs: int) -> tuple[bytes, dict[str, list[float]]]:
    """Where points are drawn, int16 of [−1, 1], [2 variants, moments, 2 modalities, pairs, 3]; and of each variant and moment
    the share of the variance of both modalities together that the three axes show."""
    axes, drawn, shares = axes_of(course.embeddings), [], {}
    for variant in ("trained", "centred"):
        shares[variant] = []
        for i in range(len(course.trajectory)):
            z = _as(variant, {name: x[i].double() for name, x in course.embeddings.items()})
            pooled = torch.cat(list(z.values()))
            pooled = pooled - pooled.mean(0)
            whole = float(pooled.square().sum())
            shares[variant].append(float((pooled @ axes).square().sum()) / whole if whole else 1.0)
            drawn += [x[:pairs] @ axes for x in z.values()]
    return (torch.stack(drawn).clamp(-1, 1).numpy() * 32767).round().astype("<i2").tobytes(), shares


def sliders(tasks: Sequence[Task]) -> tuple[list[dict], list[list[int]]]:
    """What differs between runs, {key, label, short, values}, and of each run the place of its value in each slider."""
    keys = [key for key in tasks[0].swept if len({str(task.swept.get(key)) for task in tasks}) > 1]
    if CASE in keys:
        keys = [CASE, *(key for key in keys if key != CASE and key not in STUDY.of_cases)]
    found = []
    for key in keys:
        values = list(dict.fromkeys(html.plain(task.swept.get(key)) for task in tasks))
        name = "temperature" if key == CASE else key
        label, short = LABELS.get(name, (name, name))
        found.append({"key": name, "label": label, "short": short, "values": values})
    places = [
        [slider["values"].index(html.plain(task.swept.get(key))) for key, slider in zip(keys, found, strict=True)]
        for task in tasks
    ]
    return found, places


def data(plan: Plan, done: Sequence[Task], advance_to) -> dict:
    """All that the page is given: sliders, of each run its numbers and positions, and what its pairs are."""
    pairs = min(PAIRS, int(BYTES / POSITION / MOMENTS / len(done)))
    handles, places = sliders(done)
    space = world_of(done[0].config, "test").space
    about, said, made = [], [], []
    for i, task in enumerate(done):
        course = read(plan, task)
        where, shares = positions(course, pairs)
        number = min(pairs, len(course.codes))
        pictures = [png(image) for image in course.images[:number]] if course.images is not None else None
        codes = {"codes": course.codes[:number].tolist(), "images": pictures}
        words = course.words[:number]
        about += [codes] * (codes not in about)
        said += [words] * (words not in said)
        made.append(
            {
                "id": task.run_id,
                "at": places[i],
                "steps": course.trajectory.step.tolist(),
                "numbers": {name: _rounded(some) for name, some in numbers(course).items()},
                "shares": {name: [round(x, 3) for x in some] for name, some in shares.items()},
                "positions": b64encode(where).decode(),
                "pairs": about.index(codes),
                "captions": said.index(words),
                "dimensions": course.embeddings["image"].shape[-1],
            }
        )
        advance_to(i + 1)
    table = {factor.name: factor.values for factor in space.factors}
    measured = len(course.codes)
    return {
        "sliders": handles,
        "runs": made,
        "pairs": about,
        "captions": said,
        "factors": table,
        "shown": number,
        "measured": measured,
    }


def _rounded(some: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    """What is undefined is null, as JSON has no nan."""
    return {name: [round(x, 4) if np.isfinite(x) else None for x in values] for name, values in some.items()}


def page(plan: Plan, done: Sequence[Task], command: str, advance_to=lambda number: None) -> str:
    """The page of the runs of a plan that are done."""
    found = data(plan, done, advance_to)
    config = done[0].config
    told = {
        key: html.plain(options.get(config, key))
        for key in ("world", "images", "loss", "encoder.embedding", "training.batch", "training.lr", "seed")
        if key not in {slider["key"] for slider in found["sliders"]}
    }
    return html.rendered(
        "explorer.html", data=htmlsafe_json_dumps(found, separators=(",", ":")), d=found, told=told, command=command
    )
