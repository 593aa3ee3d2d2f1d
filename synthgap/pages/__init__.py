"""HTML pages of results, a file each that needs no other: of each study, and an index over several."""

import sys
from collections.abc import Mapping
from pathlib import Path

from data_gen import InputError, files
from synthgap import progress
from synthgap.judging import overview
from synthgap.pages import html
from synthgap.pages.result import Result, read


def write(folders: Mapping[str, str], out: Path, to: Path) -> Path:
    """Write into `to` a page of each result in `out`, and an index where they are not one; returns the page to begin with.

    folders: of the results in `out`, each with the study as it was given; if none, all that there are. Those that cannot be
    shown are then left out, with a line. Raises InputError.
    """
    named = folders or {path.parent.name: "" for path in sorted(out.glob("*/verdicts.parquet"))}
    if not named:
        raise InputError(
            f"no results in {out} yet; `synthgap run STUDY` makes some, and `synthgap studies` lists studies"
        )
    if to.exists() and not to.is_dir():
        raise InputError(f"--to {to}: it is a file; name a folder")
    results: list[Result] = []
    for name, given in named.items():
        try:
            results.append(read(out, name, given))
        except InputError as error:
            if folders or len(named) == 1:
                raise
            print(f"synthgap: left out: {name}: {error}", file=sys.stderr)
    if not results:
        raise InputError(f"no result in {out} can be shown")
    site = len(results) > 1 or not folders
    with files.locked(to / ".locks" / "report"), progress.bar("pages", len(results)) as advance_to:
        files.sweep_up(to)
        for i, result in enumerate(results):
            page = _save(to / f"{result.name}.html", html.of_study(result, site))
            advance_to(i + 1)
        if site:
            told = [result.name for result in results if len(result.judged)]
            page = _save(to / "index.html", html.of_all(results, overview.of_all(told, out) if told else None))
    return page


def _save(path: Path, text: str) -> Path:
    with files.whole(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return path
