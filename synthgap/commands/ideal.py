"""`synthgap ideal`: the best space that a loss allows, and what it leaves open."""

from synthgap.commands import asked as common

WHAT = "find the best embeddings that a loss allows, without encoders, and how far it leaves the gap open; nothing is trained"
KEPT = "nothing is written, but for points of --figure that were found: the same command goes on from there"
EPILOG = """\
Each image and each caption of the world has a free vector, and the loss is that of the whole population. What counts of a run's
options: world, space, captions, loss (clip, siglip or modgap with its weights; of a course, the last), temperature,
encoder.embedding, training.batch (siglip) and seed.
  synthgap ideal captions.attributes=1
  synthgap ideal captions.attributes=1 temperature.mode=fixed temperature.init=0.02 --within 0.0015
  synthgap ideal captions.attributes=1 loss=siglip
  synthgap ideal captions.attributes=0 loss=modgap loss.align=0.5
  synthgap ideal --figure imbalance    beside a result, as `synthgap run imbalance` left it: at the temperature that the runs
                                       of each point end with; `synthgap show imbalance` then draws a dashed line and a band
  synthgap run imbalance images=free   what else a run measures, of the ideal space

regret      the loss over that of the best critic, in nats: what vectors on a sphere with one temperature cannot say;
            of modgap, over the sum of what each of its terms can reach alone
within      the range of a measure among spaces that cost so much more; it is found by descent, and the true one may be wider
In Python: synthgap.ideal has population, ideal, left_open and measures.
"""


def arguments(command) -> None:
    command.add_argument("overrides", nargs="*", help="name=value, of one run; see `synthgap run --help`")
    what = "for each point of that study's figure, to be drawn there; overrides are then those of its sweep"
    command.add_argument("--figure", metavar="STUDY", help=what)
    what = "nats over the ideal space that others may cost (0.001)"
    command.add_argument("--within", metavar="NATS", type=float, default=0.001, help=what)
    command.add_argument("--starts", metavar="N", type=int, default=3, help="random starts (3)")
    command.add_argument(
        "--steps", metavar="N", type=int, default=100, help="of L-BFGS, for the space and each end (100)"
    )
    command.epilog = EPILOG


def do(asked) -> int:
    return _of_figure(asked) if asked.figure else _of_one(asked)


def _of_figure(asked) -> int:
    """Find what is drawn beside trained models, point after point, and keep what is found: each takes a minute or so."""
    import pandas as pd
    import torch

    from data_gen import InputError
    from synthgap import free, progress, sweep, tables, terminal
    from synthgap.panels import left_open
    from synthgap.runs import variations

    torch.set_num_threads(1)
    plan = sweep.planned(*common.study(asked.figure, asked.overrides))
    folder = variations.place(plan)
    table = tables.read(folder / tables.FILE)
    configs = {task.run_id: task.config for task in plan.tasks}
    configs |= by_settings(table[~table.run_id.isin(configs)], plan.tasks)
    wanted = left_open.points(table[table.run_id.isin(configs)], plan.study).drop_duplicates(left_open.POINT)
    if wanted.empty:
        raise InputError(
            f"the figure of {plan.study.name} draws nothing over levels of which an ideal space could tell"
        )
    found = left_open.read(folder, table, plan.study)
    found = found[found.within == asked.within].drop_duplicates(left_open.POINT)[left_open.COLUMNS]
    settings = list(wanted.groupby(["arm", "x", "temperature"], sort=False))
    with progress.bar("descending", len(settings)) as advance_to:
        for i, ((arm, x, temperature), points) in enumerate(settings):
            advance_to(i)
            if len(points.merge(found, on=left_open.POINT)) == len(points):
                continue
            try:
                there, object, sought = free.beside(configs[points.run_id.iloc[0]], temperature)
            except InputError as error:
                terminal.say(f"{arm or plan.study.name}, {x:g}: {error}")
                continue
            rows = pd.DataFrame(_ranges(there, object, sought, points, asked))
            rows = rows.assign(arm=arm, x=x, temperature=temperature)[left_open.COLUMNS]
            found = pd.concat([found, rows], ignore_index=True) if len(found) else rows
            tables.write(found, folder / left_open.FILE)
        advance_to(len(settings))
    print(f"{folder / left_open.FILE}\nnext: synthgap show {asked.figure}, which draws it")
    return 0


def by_settings(table, tasks) -> dict[str, dict]:
    """run_id → config of the runs of an older synthgap, which called them otherwise: by seed and what was swept."""

    def key(values) -> tuple:
        return tuple(f"{value:.9g}" if isinstance(value, float | int) else str(value) for value in values)

    if table.empty or not (names := [name for name in ("seed", *tasks[0].swept) if name in table]):
        return {}
    configs = {
        key(({"seed": task.config["seed"]} | task.swept).get(name) for name in names): task.config for task in tasks
    }
    runs = table.drop_duplicates("run_id").set_index("run_id")[names]
    found = {
        run: configs.get(key(values)) for run, values in zip(runs.index, runs.itertuples(index=False), strict=True)
    }
    return {run: config for run, config in found.items() if config}


def _ranges(there, object: str, sought: dict, points, asked) -> list[dict]:
    """Of each of the points, which differ in metrics alone: its value in the ideal space, and the range within so many nats."""
    from synthgap import ideal
    from synthgap.panels.left_open import MEASURES

    found, rows = ideal.ideal(there, starts=asked.starts, steps=asked.steps, **sought), []
    measures, alike = ideal.measures(there, object), {"regret": found.regret, "within": asked.within}
    for metric, of in zip(points.metric, points["of"], strict=True):
        measure = measures[MEASURES[metric, of]]
        value = float(measure(found.image, found.text))
        low, high = ideal.left_open(there, found, measure, asked.within, asked.steps)
        rows.append({"metric": metric, "of": of, "value": value, "low": low, "high": high, **alike})
    return rows


def _of_one(asked) -> int:
    from math import log

    import torch

    from data_gen import InputError
    from synthgap import free, ideal, observations, options, progress

    torch.set_num_threads(1)  # the same numbers everywhere, and no slower
    config = options.resolve(asked.overrides)
    for section, name in (("loss", "query"), ("temperature", "schedule")):
        if (given := config[section].get(name)) is not None:
            raise InputError(f"{section}.{name}={given}: an ideal space is of both directions, at one temperature")
    there, object = free.population_of(config), observations.object_of(config, observations.world_of(config).space)
    loss, measures, rows = config["loss"]["name"], ideal.measures(there, object), []
    with progress.bar("descending", 1 + len(measures)) as advance_to:
        found = ideal.ideal(there, starts=asked.starts, steps=asked.steps, **free.sought(config))
        for i, (name, measure) in enumerate(measures.items()):
            advance_to(1 + i)
            ends = ideal.left_open(there, found, measure, asked.within, asked.steps)
            rows.append((name, *(f"{value:.4f}" for value in (float(measure(found.image, found.text)), *ends))))
        advance_to(1 + len(measures))
    images, captions = len(found.image), len(found.text)
    print(f"{images:,} images and {captions:,} captions in {found.image.shape[1]} dimensions, 1/τ = {found.scale:.4g}")
    told = {
        "clip": f"shared {(found.regret - found.value) / log(2):.2f} bits",
        "siglip": f"bias {found.bias:.2f}",
        "modgap": ", ".join(f"{name} {value:g}" for name, value in found.settings.items()),
    }[loss]
    starts = ", ".join(f"{regret:.4f}" for regret in found.starts)
    print(f"{told}, regret {found.regret:.5f} nats (each start after a tenth of the steps: {starts})\n")
    for row in (("measure", "ideal", "from", f"to, within {asked.within:g} nats"), *rows):
        print(f"{row[0]:12} {row[1]:>8} {row[2]:>8}   {row[3]}")
    return 0
