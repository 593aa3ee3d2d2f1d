"""What the lessons of `experiments/lessons` lean on: a command as in a terminal, and a check of one's own answer.

With `SYNTHGAP_LESSONS=tiny` in the environment, studies run with one seed on few images: this shows that a lesson runs, and
its results say nothing. Lessons tell so, and then do not compare their results with their text.
"""

import json
import os
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from data_gen import InputError

#: whether results are those that the text speaks of
FULL = os.environ.get("SYNTHGAP_LESSONS") != "tiny"
TINY = ("seed=0", "mad.images=600", "mad.test_images=200", "training.batch=128", "keep=tables")


def folder() -> Path:
    """Where the lessons are: in the installed package, or in a checkout."""
    installed = Path(str(files("synthgap") / "experiments"))
    return (installed if installed.is_dir() else Path(__file__).parents[1] / "experiments") / "lessons"


def unsolved(notebook: Path) -> bytes:
    """A notebook without its results, which would give away what is to be predicted."""
    told = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in told["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
            cell["metadata"].pop("execution", None)  # when it ran
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


def command(line: str) -> None:
    """Run `synthgap …` as a terminal would, and show what it says, and the figure that it draws.

    Raises InputError for another command, and RuntimeError if it fails.
    """
    words = shlex.split(line)
    if words[:1] != ["synthgap"]:
        raise InputError(f"{line!r} does not begin with synthgap; for other commands, use a terminal")
    print(f"$ {line}")
    if not FULL and words[1:2] == ["run"]:
        words += TINY
        print(f"(SYNTHGAP_LESSONS=tiny adds {' '.join(TINY)}: the results say nothing)")
    code, said = called(words[1:])
    if code:
        raise RuntimeError(f"{line}: exit code {code}; what it said stands above")
    for text in said:
        if text.startswith("figure "):
            _show(text.removeprefix("figure ").strip())


def called(words: list[str]) -> tuple[int, list[str]]:
    """The exit code of `synthgap` with these arguments, and the lines that it said, which are shown as they come."""
    # a notebook's kernel asks for colours and bars, which its page cannot show
    plain = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    environment = plain | {"NO_COLOR": "1", "COLUMNS": "110", "PYTHONUNBUFFERED": "1"}
    said = []
    arguments = [sys.executable, "-m", "synthgap", *words]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", env=environment
    ) as process:
        for text in process.stdout:
            said.append(text.rstrip())
            print(said[-1], flush=True)
    return process.returncode, said


def check(answer, right, within: float = 0.0) -> None:
    """Say whether an answer is right: a word, or a number that may be `within` off. None or "?": no answer yet."""
    print(_judged(answer, right, within)[1])


def solved(answer, right, within: float = 0.0) -> None:
    """The same of a lesson's own solution. Raises AssertionError if it is not right."""
    good, said = _judged(answer, right, within)
    print(said)
    assert good, said


def _judged(answer, right, within: float) -> tuple[bool, str]:
    if answer is None or answer == "?":
        return False, "No answer yet: write yours in place of the ? or None, and run the cell again."
    if isinstance(answer, str) != isinstance(right, str):
        return False, f"{answer}: not so. The answer is {'a word' if isinstance(right, str) else 'a number'}."
    if isinstance(right, str):
        good, hint = answer.strip().casefold() == right.casefold(), ""
    else:
        good = abs(answer - right) <= within
        hint = " It is too large." if answer > right else " It is too small."
    return good, f"{answer}: right." if good else f"{answer}: not so.{hint}"


def _show(path: str) -> None:
    """The figure, where this runs in a notebook."""
    try:
        from IPython import get_ipython
        from IPython.display import Image, display
    except ImportError:
        return
    if get_ipython() is not None:
        display(Image(path, width=900))
