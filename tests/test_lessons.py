"""Lessons run, tiny, as scripts; their notebooks hold the same cells, were run in full, and can be copied by a command."""

import json
import re
from contextlib import nullcontext

import pytest
from conftest import ROOT

from data_gen import InputError
from synthgap import cli, lessons

FOLDER = ROOT / "experiments" / "lessons"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
ids = [path.stem for path in SCRIPTS]


def cells(script) -> list[tuple[str, str]]:
    """(kind, text) of the cells of a percent script."""
    found = []
    for part in re.split(r"^# %%", script.read_text(encoding="utf-8"), flags=re.M)[1:]:
        head, _, text = part.partition("\n")
        kind = "markdown" if "[markdown]" in head else "code"
        if kind == "markdown":
            text = re.sub(r"^# ?", "", text, flags=re.M)
        found.append((kind, text.strip()))
    return found


def notebook(script) -> dict:
    return json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", SCRIPTS, ids=ids)
def test_a_lesson_runs_as_a_script(script, tmp_path, monkeypatch, in_this_process, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(lessons, "FULL", False)
    monkeypatch.setattr(lessons, "called", lambda words: (cli.main(words), []))
    code = script.read_text(encoding="utf-8").replace("plt.show()", "plt.close()")
    exec(compile(code, script, "exec"), {"__name__": "lesson"})
    said = capsys.readouterr().out
    assert "SYNTHGAP_LESSONS=tiny adds" in said, "it tells that its results say nothing"
    assert "right." in said and "No answer yet" in said, "solutions are right, and empty answers are told"


@pytest.mark.parametrize("script", SCRIPTS, ids=ids)
def test_its_notebook_holds_the_same_cells_and_was_run_in_full(script):
    there = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in notebook(script)["cells"]]
    assert there == cells(script), f"{script.name} was changed after its notebook was run: `make lessons`"
    code = [cell for cell in notebook(script)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert all(cell["execution_count"] for cell in code if "".join(cell["source"]).strip())
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert "SYNTHGAP_LESSONS=tiny" not in json.dumps(outputs)
    assert "\x1b" not in "".join(text for output in outputs for text in output.get("text", [])), "no colours, no bars"


@pytest.mark.parametrize("script", SCRIPTS, ids=ids)
def test_a_lesson_asks_first_has_exercises_and_checks_its_text(script):
    told = "\n".join(text for kind, text in cells(script) if kind == "markdown")
    assert "After this lesson you can" in told and "Prediction" in told
    assert told.count("### Exercise") == told.count("*Solution.*") >= 2
    hidden = [cell for cell in notebook(script)["cells"] if "hide-input" in cell["metadata"].get("tags", [])]
    assert len(hidden) >= 2 and all("assert" in "".join(cell["source"]) for cell in hidden)
    assert all(cell["metadata"]["jupyter"]["source_hidden"] for cell in hidden), "JupyterLab folds them"


@pytest.mark.parametrize(
    ("answer", "right", "within", "good", "said"),
    [
        ("falls", "Falls", 0, True, "right"),
        (" rises", "falls", 0, False, "not so."),
        (0.31, 0.3, 0.02, True, "right"),
        (0.5, 0.3, 0.02, False, "too large"),
        (0.1, 0.3, 0.02, False, "too small"),
        ("?", 0.3, 0.02, False, "No answer yet"),
        (None, "falls", 0, False, "No answer yet"),
        ("many", 0.3, 0.02, False, "a number"),
        (7, "falls", 0, False, "a word"),
    ],
)
def test_an_answer_is_checked(answer, right, within, good, said, capsys):
    lessons.check(answer, right, within)
    assert said in capsys.readouterr().out
    with nullcontext() if good else pytest.raises(AssertionError):
        lessons.solved(answer, right, within)


def test_only_our_command_is_run():
    with pytest.raises(InputError, match="does not begin with synthgap"):
        lessons.command("rm -r runs")


def test_a_command_shows_what_it_says_and_a_mistake_stops_the_lesson(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a notebook's kernel does
    lessons.command("synthgap lessons --help")
    assert "notebooks" in capfd.readouterr().out
    with pytest.raises(RuntimeError, match="exit code 2"):
        lessons.command("synthgap show imbalnce")
    said = capfd.readouterr().out
    assert "did you mean 'imbalance'" in said and "\x1b" not in said


def test_lessons_are_copied_and_answers_are_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lessons"]) == 0
    there = {path.name for path in (tmp_path / "lessons").iterdir()}
    assert there >= {f"{name}.ipynb" for name in ids} | {"README.md", "handout.pdf"}
    mine = tmp_path / "lessons" / f"{ids[0]}.ipynb"
    code = [cell for cell in json.loads(mine.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code), "a prediction comes before its result"
    source = FOLDER / mine.name
    assert [cell["source"] for cell in code] == [
        cell["source"] for cell in json.loads(source.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    mine.write_text("my answers")
    assert cli.main(["lessons", "lessons"]) == 0
    assert mine.read_text() == "my answers" and f"kept   lessons/{mine.name}" in capsys.readouterr().out
    (tmp_path / "a").write_text("")
    assert cli.main(["lessons", "a"]) == 2
    assert "a is a file; give the name of a folder" in capsys.readouterr().err


def test_the_handout_has_two_pages():
    assert len(re.findall(rb"/Type /Page\b", (FOLDER / "handout.pdf").read_bytes())) == 2
