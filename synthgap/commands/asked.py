"""What several commands are asked for: a study or a variation of one, overrides, and how many workers."""

import os
from functools import cache
from pathlib import Path

from data_gen import InputError
from data_gen.errors import unknown

OVERRIDES = """\
overrides are name=value pairs in Hydra's syntax; several values make a sweep:
  preset=full                          the study's larger grid
  seed=0,1,2  captions.attributes=1,5  other values of what the study sweeps
  digits=idx digits.root=DIR           MNIST (or its kin) from IDX files instead of generated strokes
  images=symbolic                      the factors themselves instead of pixels: seconds a run
  images=free                          no encoders: the best vectors that the loss allows, as `synthgap ideal` finds them
  captions.object=colour               another factor always named
  space.hidden=[colour]                images in gray, though captions may name the colour
  space.rho=0.5                        a colour that goes with the digit
  space.held_out=0.2                   combinations that training never shows
  mad.strength=strong                  operations that can be seen; mad.variant=published: the published faults
  world=avmnist                        digits seen and spoken, by synthesised voices
  speech=recordings speech.root=DIR    by people, from WAV files named {digit}_{speaker}_{index}.wav
  image.components=10 audio.snr_db=0   how little is left to see and to hear
  world=my_world.py                    a world of your own
  encoder.image=my_encoder.py          an encoder of your own; loss, posthoc and captions take files, too
  out=DIR                              where runs are kept (runs)
  workers=N                            processes, one core each (auto: all cores)
  engine=submitit workers=N            as N jobs of a Slurm cluster; engine.slurm_partition=NAME and so on, as submitit
  engine=ray                           as tasks of the Ray cluster at engine.address=HOST:PORT or $RAY_ADDRESS; else of one here
  figure.format=png,svg,pdf            what run and show draw, one or several (png)
  'figure.panel=TITLE'                 also that panel of the figure alone
  name=NAME                            keep the result in OUT/STUDY+NAME

variations: overrides that change a study make a variation of it. Its runs are kept in OUT/STUDY, with those of the study.
Its table, figure and verdicts say what was changed. They never replace those of the study: they go to OUT/STUDY+NAME, or,
without name=NAME, to a folder that is named after the change. show, plan, status and verdicts take such a folder's name
in place of a study's, as in `synthgap show imbalance+images=symbolic`.
"""
STUDY = "a study (`synthgap studies` lists them), your own YAML file, or a variation, STUDY+NAME"


@cache
def overrides_help() -> str:
    """The examples above, then every option with its default and its meaning."""
    from data_gen.digits import strokes
    from synthgap import options

    names = {group: (next(iter(some)), f"one of {', '.join(some)}") for group, some in options.GROUPS.items()}
    for group, some in options.GROUPS.items():
        for option in some:
            names |= {**options.keys({group: option}), **names}  # where several have it, the default's wording
    told = [f"  {key + '=' + _default(default):38} {why}" for key, (default, why) in names.items()]
    latents = [f"  digits.style.{name:25} {x.meaning}; {x.low:g} to {x.high:g}" for name, x in strokes.LATENTS.items()]
    every = [OVERRIDES, "every option, its default and its meaning:", *told, ""]
    return "\n".join([*every, "latents of the handwriting (those with _0 are one of several):", *latents])


def _default(default) -> str:
    text = "" if default is None or default == "???" else str(default)
    return "{seed}" if text == "${seed}" else text


def study_arguments(command) -> None:
    command.add_argument("study", help=STUDY)
    command.add_argument("overrides", nargs="*", help="name=value, see below")


def workers(overrides: list[str]) -> tuple[list[str], int]:
    """The other overrides, and N of workers=N: the number of cores, if it is auto, or not given. Raises InputError."""
    given = ["auto", *(o.removeprefix("workers=") for o in overrides if o.startswith("workers="))][-1]
    if given != "auto" and (not given.isdecimal() or int(given) < 1):
        raise InputError(f"workers={given}: it must be auto, or a whole number of at least 1")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [o for o in overrides if not o.startswith("workers=")], cores if given == "auto" else int(given)


def engine(overrides: list[str]) -> tuple[list[str], str, dict[str, str]]:
    """The other overrides, the engine of engine=NAME (local), and its settings engine.NAME=VALUE. Raises InputError."""
    from synthgap.runs import engines

    given = {o.partition("=")[0]: o.partition("=")[2] for o in overrides if o.startswith(("engine=", "engine."))}
    settings = {key.removeprefix("engine."): text for key, text in given.items() if key != "engine"}
    name = given.get("engine", "local")
    engines.check(name, settings)
    return [o for o in overrides if o.partition("=")[0] not in given], name, settings


def figures(overrides: list[str]):
    """The other overrides, and what those say that are about how figures are drawn. Raises InputError."""
    from synthgap.conclusion import Figures
    from synthgap.panels.style import FORMATS

    given = {o.partition("=")[0]: o.partition("=")[2] for o in overrides if o.startswith("figure.") and "=" in o}
    for key in given:
        if key not in ("figure.format", "figure.panel"):
            raise unknown("override", key, ("figure.format", "figure.panel"))
    formats = tuple(given.get("figure.format", FORMATS[0]).strip("[]").replace(" ", "").split(","))
    for kind in formats:
        if kind not in FORMATS:
            raise unknown("figure.format", kind, FORMATS)
    rest = [o for o in overrides if o.partition("=")[0] not in given]
    return rest, Figures(formats, given.get("figure.panel", "").strip("'\""))


def study(name: str, overrides: list[str]):
    """The study that is asked for, and the overrides: of a variation STUDY+NAME, with name=NAME.

    If it reads another's table, that is looked for where that one's runs are kept. Raises InputError.
    """
    from synthgap import options, studies
    from synthgap.runs import variations

    out, own = options.folder(overrides), options.files_of_metrics(overrides)
    of, plus, variation = name.partition("+")
    if not plus or Path(name).exists():
        return studies.load(name, out, own), overrides
    if of not in studies.available() and Path(f"{of}.yaml").exists():
        of = f"{of}.yaml"
    study = studies.load(of, out, own)
    variations.check_there(study, out, variation)
    return study, [*overrides, f"name={variation}"]


def results(given: list[str]) -> tuple[dict[str, str], list[str]]:
    """The folders of studies, and of variations, that are asked for, each with the study as it was given; and the overrides,
    but for name=NAME, which is in the folders' names. Raises InputError."""
    overrides = [each for each in given if "=" in each.partition("+")[0]]  # imbalance+images=symbolic is a folder
    variations = [each.removeprefix("name=") for each in overrides if each.startswith("name=")]
    names = [each for each in given if each not in overrides]
    if variations and not names:
        raise InputError(f"name={variations[-1]}: of which study? write STUDY name={variations[-1]}")
    of = {name: Path(name).stem if name.endswith((".yaml", ".yml")) else name for name in names}
    folders = {f"{stem}+{variations[-1]}" if variations else stem: name for name, stem in of.items()}
    return folders, [each for each in overrides if not each.startswith("name=")]


def trained(asked):
    """The study that is asked for, its overrides and the workers; None, and a line, of one that trains nothing."""
    from synthgap import terminal

    overrides, number = workers(asked.overrides)
    overrides, *_ = engine(overrides)
    found, overrides = study(asked.study, overrides)
    if found.table:
        terminal.say(f"{found.name} reads {found.table} and trains nothing")
        return None
    return found, overrides, number
