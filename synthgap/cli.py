"""The `synthgap` command: ask a question, watch it run, read the verdict."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from data_gen import InputError
from data_gen.errors import DrawingFailedError, one_line, unknown
from synthgap import interrupts
from synthgap.measure import legend

OVERRIDES = """\
overrides are name=value pairs in Hydra's syntax; several values make a sweep:
  preset=full                          the study's larger grid
  seed=0,1,2  captions.attributes=1,5  other values of what the study sweeps
  digits=idx digits.root=DIR           MNIST (or its kin) from IDX files instead of generated strokes
  images=symbolic                      the factors themselves instead of pixels: seconds a run
  captions.object=colour               another factor always named
  space.hidden=[colour]                images in gray, though captions may name the colour
  space.rho=0.5                        a colour that goes with the digit
  space.held_out=0.2                   combinations that training never shows
  mad.strength=strong                  operations that can be seen; mad.variant=published: the published faults
  world=avmnist                        digits seen and spoken, by synthesised voices
  speech=recordings speech.root=DIR    by people, from WAV files named {digit}_{speaker}_{index}.wav
  image.components=10 audio.snr_db=0   how little is left to see and to hear
  world=my_world.py                    a world of your own
  out=DIR                              where runs are kept (runs)
  workers=N                            processes, one core each (all cores)
  figure.format=png,svg,pdf            what run and show draw, one or several (png)
  'figure.panel=TITLE'                 also that panel of the figure alone

every option, its default and its why:
"""
VERDICTS = """\
name studies to see only theirs; out=DIR looks into another folder than runs

  supported      p < 0.05 in the claimed direction, the 95 % interval of the effect on that side of 0, and the effect at
                 least what the study says matters
  contradicted   the same in the other direction; or the whole interval below what matters
  undecided      anything else: not evidence against the claim. It says about how many seeds would tell

  test           trend: Page's, of three or more levels; difference: sign flips, of two; equivalence: two t tests that
                 something stays, within what matters; partial, matched, kendall: that one thing explains another
  p (floor)      the smallest p that so many seeds can give: (1/levels!)^seeds, 1/256 of two levels at 8 seeds
  p (Holm)       p corrected for all claims of its study, and for all that are shown: of those under 0.05, any is wrong
                 with a chance of at most 5 %. Where a supported claim is not under it, in brackets about how many seeds
                 would let it stand there
  the claim      with a hash of all that decides what is tested: a claim that is edited has another, and one that was
                 stated when runs were there already says after how many. One about a variation of the study, with
                 other overrides than it was written with, says with which, and has another hash
"""


CODES = """\
exit codes: 0 done, 1 some run failed, 2 a mistake in what was asked, 130 interrupted (Ctrl-C), 143 ended by SIGTERM,
129 by SIGHUP
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code, as `CODES` has it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has not
            stream.reconfigure(errors="replace")  # a → is no reason to crash where the terminal is not UTF-8
    parser = _parser()
    asked, more = parser.parse_known_args(arguments)  # overrides behind an option, which argparse takes for strangers
    many = next((name for name in ("overrides", "studies", "matrices") if hasattr(asked, name)), None)
    if any(argument.startswith("-") for argument in more) or (more and not many):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:
        setattr(asked, many, getattr(asked, many) + more)
    return guarded(lambda: asked.do(asked), kept=getattr(asked, "kept", interrupts.KEPT))


def guarded(do: Callable[[], int], kept: str = interrupts.KEPT) -> int:
    """The exit code of `do()`; what a user can mend is told in a line, and so is a signal that ended it, with what is kept."""
    heard: list[int] = []
    try:
        with interrupts.raised(heard):
            return do()
    except BaseException as error:
        if heard or isinstance(error, KeyboardInterrupt):  # or what a library made of it
            number = heard[0] if heard else signal.SIGINT
            with suppress(OSError):  # the terminal is gone
                print(interrupts.line(number, kept), file=sys.stderr, flush=True)
            return interrupts.exit_code(number)
        if isinstance(error, InputError):
            return _complain(str(error))
        if isinstance(error, DrawingFailedError):
            _complain(str(error))
            return 1
        if isinstance(error, OSError) and error.errno is not None:
            where = f": {error.filename}" if error.filename else ""
            hint = "ask its owner" if isinstance(error, PermissionError) else "is the output folder roomy enough?"
            return _complain(f"{error.strerror}{where} ({hint})")
        raise


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="synthgap",
        description="Controlled synthetic data for the science of the modality gap: factors in, evidence out.",
        epilog=f"start with: synthgap run imbalance preset=quick\n\n{CODES}",
        formatter_class=raw,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, do, what, arguments in (
        ("studies", _studies, "the studies, their claims, and what is done", ["overrides"]),
        ("run", _run, "sweep (resuming), then table, figure and verdicts", ["study", "overrides"]),
        (
            "show",
            _show,
            "the same from the table on disk; with overrides, from the runs they ask for",
            ["study", "overrides"],
        ),
        ("verdicts", _verdicts, "the verdicts of all studies that have run, in one table", ["studies"]),
        ("make", _make, "generate or reuse a dataset, and print its folder", ["world", "overrides"]),
    ):
        epilog = OVERRIDES + _all_options() if name in ("run", "show", "make") else "out=DIR looks into another folder"
        epilog = VERDICTS if name == "verdicts" else epilog
        command = commands.add_parser(name, help=what, description=what, epilog=epilog, formatter_class=raw)
        for argument in arguments:
            help = {
                "study": "a study's name (see `synthgap studies`) or your own YAML file",
                "world": "mad, avmnist, or a Python file that defines `world`",
                "studies": "studies that have run (all), and out=DIR",
                "overrides": "name=value, see below",
            }[argument]
            command.add_argument(argument, help=help, nargs="*" if argument in ("studies", "overrides") else None)
        if name == "studies":
            command.add_argument(
                "--metrics", action="store_true", help="instead, what can be claimed about: all metrics"
            )
        if name == "verdicts":
            forms = command.add_mutually_exclusive_group()
            for form, what in (
                ("markdown", "a row a claim, with its source and minutes"),
                ("latex", "the same in LaTeX"),
            ):
                help = f"for a paper: {what}"
                forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, default="", help=help)
        if name == "make":
            sheet = "only draw some samples with captions and bits, and write their sounds as WAV files beside"
            command.add_argument("--sheet", action="store_true", help=sheet)
            what = "also write them for other tools: image files with metadata.csv, or Parquet with PNGs inside"
            command.add_argument("--export", choices=("folder", "parquet"), help=what)
            command.add_argument("--to", metavar="DIR", help="where exports go (beside the datasets)")
        command.set_defaults(do=do)
    what = "gap, dimensions, entropy, retrieval and bias of two matrices of your own"
    _measure_arguments(
        commands.add_parser("measure", help=what, description=what, epilog=legend.epilog(), formatter_class=raw)
    )
    return parser


def _measure_arguments(command: argparse.ArgumentParser) -> None:
    what = "X and Y, each embeddings, a row an item; or one array of both; see below"
    command.add_argument("matrices", metavar="FILE", nargs="+", help=what)
    command.add_argument("--out", metavar="DIR", default="measured", help="where tables and figure go (measured)")
    what = "what the items are, a column a factor; FILE:COLUMN takes one of them"
    command.add_argument("--labels", metavar="FILE", help=what)
    what = "which rows are pairs: a column of rows of X, from 0, and one of rows of Y (row i of both)"
    command.add_argument("--pairs", metavar="FILE", help=what)
    what = "the same by an id a row of X, and an id a row of Y: rows of equal ids are pairs"
    command.add_argument("--groups", nargs=2, metavar=("X_IDS", "Y_IDS"), help=what)
    what = "the first line of CSVs is a row too, not names"
    command.add_argument("--no-header", dest="header", action="store_false", help=what)
    command.add_argument("--object", metavar="NAME", help="the factor whose bias is measured (the first)")
    command.add_argument("--names", nargs=2, metavar=("X", "Y"), help="what the modalities are called (by their files)")
    command.add_argument(
        "--scale", type=float, default=100, help="1/τ of the softmax, for entropy (100, CLIP's largest)"
    )
    command.add_argument("--sample", metavar="N", type=int, default=5000, help="rows compared with rows (5000)")
    command.add_argument("--seed", type=int, default=0, help="of the sample and of random ablation (0)")
    command.set_defaults(do=_measure, kept="nothing is written")


def _all_options() -> str:
    from data_gen.digits import strokes
    from synthgap import options

    names = {group: (next(iter(some)), f"one of {', '.join(some)}") for group, some in options.GROUPS.items()}
    for group, some in options.GROUPS.items():
        for option in some:
            names |= {**options.keys({group: option}), **names}  # where several have it, the default's wording
    told = [f"  {key + '=' + _show_default(default):38} {why}" for key, (default, why) in names.items()]
    latents = [f"  digits.style.{name:25} {x.meaning}; {x.low:g} to {x.high:g}" for name, x in strokes.LATENTS.items()]
    return "\n".join([*told, "", "latents of the handwriting (those with _0 are one of several):", *latents])


def _show_default(default) -> str:
    text = "" if default is None or default == "???" else str(default)
    return "{seed}" if text == "${seed}" else text


def _studies(asked) -> int:
    from synthgap import report, studies

    if asked.metrics:
        report.metrics()
        return 0
    out = _out(asked.overrides)
    for name in studies.available():
        report.introduce(studies.load(name, out), out)
    return 0


def _run(asked) -> int:
    from synthgap import sweep
    from synthgap.runs import pool

    overrides, workers = _workers(asked.overrides)
    overrides, figures = _figures(overrides)
    return sweep.run(_study(asked.study, overrides), overrides, lambda plan: pool.sweep(plan, workers), figures)


def _show(asked) -> int:
    from synthgap import sweep

    overrides, _ = _workers(asked.overrides)
    overrides, figures = _figures(overrides)
    return sweep.show(_study(asked.study, overrides), overrides, figures)


def _verdicts(asked) -> int:
    from synthgap import report

    where = [name for name in asked.studies if "=" in name.partition("+")[0]]  # imbalance+images=symbolic is a folder
    named = [name for name in asked.studies if name not in where]
    names = [Path(name).stem if name.endswith((".yaml", ".yml")) else name for name in named]
    report.all_verdicts(names, _out(where), asked.form)
    return 0


def _make(asked) -> int:
    from functools import partial

    from data_gen import captions, export, store
    from synthgap import observations, options, progress

    overrides, workers = _workers([f"world={asked.world}", *asked.overrides])
    # the batch of 2 fits any size: nothing trains here
    c, root = options.resolve(overrides, {"training.batch": 2}), options.folder(overrides, "runs/datasets")
    if c["images"] == "symbolic":
        raise InputError("images=symbolic has no pixels to make; leave it out")
    if asked.to and not asked.export:
        raise InputError("--to says where exports go; add --export folder or --export parquet")
    worlds = {split: observations.world_of(c, split) for split in observations.splits_of(c)}
    if asked.sheet or asked.export:
        _fit_captions(c, worlds["train"].space, overrides)
        observations.policy_of(c, worlds["train"].space)
    exports = {}
    if asked.export:
        folder, ending = Path(asked.to or f"{root}-{asked.export}"), ".parquet" if asked.export == "parquet" else ""
        exports = {split: export.free(folder / f"{split}{ending}") for split in worlds}
    if asked.sheet:
        for path in _sheet(c, worlds["train"], root):
            print(path)
        if not asked.export:
            return 0
    unit = "images" if worlds["train"].modalities == ("image",) else "samples"
    for split, world in worlds.items():
        wanted = (world, *observations.dataset_of(c, split)[1:])
        place = store.place(root, store.recipe(*wanted))
        if place.exists():
            store.load(place, mapped=True)
        else:
            again = partial(observations.world_of, c, split)
            with progress.bar(f"{split} {unit}", wanted[1], unit=unit) as advance_to:
                store.make(root, *wanted, report=advance_to, workers=workers, again=again)
        print(place)
        if split in exports:
            dataset = store.load(place, mapped=True)
            codes = world.space.codes(dataset.table)
            texts = captions.texts(world.space, observations.captions_of(c, codes, split))
            with progress.bar(f"{split} export", len(codes), unit=unit) as advance_to:
                print(export.FORMATS[asked.export](dataset, texts, exports[split], report=advance_to))
    return 0


def _fit_captions(c: dict, space, overrides: list[str]) -> None:
    """Where nobody says how many attributes captions name, at most as many as the world has."""
    from synthgap import options

    asked = any(override.key_or_group == "captions.attributes" for override in options.parse(overrides))
    if c["captions"]["policy"] == "attributes" and not asked:
        c["captions"]["attributes"] = min(c["captions"]["attributes"], len(space) - 1)


def _measure(asked) -> int:
    from synthgap.measure import measures

    names = ("labels", "pairs", "groups", "header", "names", "object", "scale", "sample", "seed")
    return measures.run(tuple(asked.matrices), asked.out, **{name: getattr(asked, name) for name in names})


def _sheet(c: dict, world, root: Path) -> list[Path]:
    """Draw the first training samples of what `c` describes, the very ones that a whole dataset would begin with, and write
    their sounds, where the world gives them."""
    from functools import partial

    from data_gen import files, sheet, store
    from data_gen.seeds import generator
    from synthgap import observations

    n, seed = 30, c["seeds"]["data"]
    codes = world.space.sample(store.BLOCK, generator(seed, "factors", "train"))
    chance = partial(generator, seed, "render", "train", 0)
    observed = {modality: values[:n] for modality, values in store.draw(world, codes, chance())[0].items()}
    tokens = observations.captions_of(c, codes, "train")[:n]
    name = f"sheet-{store.digest({'config': c})}"
    path, policy = root / f"{name}.png", observations.policy_of(c, world.space)
    with files.locked(root / f"{name}.lock"):
        for left in (name, f"{name}.wavs"):
            files.sweep_up(root, left)
        paths = [sheet.draw(world, policy, observed, codes[:n], tokens, path)]
        if world.listen:
            waves = store.listen(world, codes, chance())[:n]
            paths.append(sheet.save_sounds(world, waves, codes[:n], path.with_suffix(".wavs")))
    return paths


def _workers(overrides: list[str]) -> tuple[list[str], int]:
    given = [o.removeprefix("workers=") for o in overrides if o.startswith("workers=")]
    if given and (not given[-1].isdecimal() or int(given[-1]) < 1):
        raise InputError(f"workers={given[-1]}: it must be a whole number of at least 1")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [o for o in overrides if not o.startswith("workers=")], int(given[-1]) if given else cores


def _figures(overrides: list[str]):
    """Overrides without those that say how figures are drawn, which are no part of a run; and what they say."""
    from synthgap.panels.style import FORMATS
    from synthgap.report import Figures

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


def _study(name: str, overrides: list[str]):
    """The study that is asked for; if it reads another's table, from where that one's runs are kept."""
    from synthgap import options, studies

    return studies.load(name, options.folder(overrides), options.files_of_metrics(overrides))


def _out(overrides: list[str]) -> Path:
    from synthgap import options

    for override in overrides:
        if not override.startswith("out="):
            raise InputError(f"{override!r}: only out=DIR is understood here")
    return options.folder(overrides)


def _complain(line: str) -> int:
    print(f"synthgap: error: {one_line(line)}", file=sys.stderr)
    return 2
