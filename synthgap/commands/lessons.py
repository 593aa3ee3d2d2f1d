"""`synthgap lessons`: the notebooks of the lessons, in a folder of one's own."""

from pathlib import Path

from data_gen import InputError, files

WHAT = "copy the lessons into a folder: notebooks, a page for teachers and a handout"
EPILOG = """\
  synthgap lessons                 into the folder lessons
  synthgap lessons class-of-today  into another one
  jupyter lab lessons              opens them (pip install jupyterlab)

Notebooks are copied without results, so that a prediction comes before what it predicts: run their cells one by one.
A file that is there already is left as it is: it may hold a learner's answers. Lessons need the extra `lessons`:
pip install "synthgap[lessons]", or the wheel's path in place of synthgap.
"""


def arguments(command) -> None:
    command.add_argument("folder", nargs="?", default="lessons", help="where they go (lessons)")
    command.epilog = EPILOG


def do(asked) -> int:
    from synthgap import lessons

    place = Path(asked.folder)
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is a file; give the name of a folder")
    place.mkdir(parents=True, exist_ok=True)
    for source in sorted(lessons.folder().iterdir()):
        if source.suffix not in (".ipynb", ".md", ".pdf"):
            continue
        target = place / source.name
        if target.exists():
            print(f"kept   {target}")
        else:
            with files.whole(target) as beside:
                beside.write_bytes(lessons.unsolved(source) if source.suffix == ".ipynb" else source.read_bytes())
            print(f"wrote  {target}")
    return 0
