"""What the READMEs promise: their numbers are those of the committed tables, their examples run, their links resolve."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, TINY
from markdown_it import MarkdownIt

from data_gen import InputError
from synthgap import cli, judging, options, publish, runs, studies, sweep, tables
from synthgap.judging import overview

README = (ROOT / "README.md").read_text()
PAGES = publish.pages()
TEXTS = {page: page.read_text() for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]}
TEACHING = [ROOT / folder / "README.md" for folder in (".", "data_gen", "synthgap", "experiments")]
MARKDOWN = MarkdownIt("commonmark").enable("table")
STUDIES = sorted(path.parent for path in (ROOT / "figures").glob("*/verdicts.parquet"))


def blocks(text: str, language: str = "") -> list[str]:
    """Code blocks of a language, without their indentation."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", text, re.S | re.M)
    return [re.sub(rf"^{indent}", "", code, flags=re.M) for indent, of, code in found if of == language]


def commands(page: Path) -> list[list[str]]:
    """The `synthgap` commands that a page shows, in blocks and in text, but for those that only name their arguments."""
    lines = [line for block in blocks(TEXTS[page]) for line in block.splitlines()]
    lines += re.findall(r"`(synthgap \w+ [^`]+)`", re.sub(r"```.*?```", "", TEXTS[page], flags=re.S))
    lines = [
        line for line in lines if line.startswith("synthgap ") and not re.search(r"STUDY|RUN|WORLD|IMAGES|--help", line)
    ]
    return [shlex.split(line)[1:] for line in lines]


def saved(page: Path) -> dict[str, str]:
    """The files that a page tells its reader to save: name → text."""
    return {name: text for name, _, text in re.findall(r"`([\w.]+)`:\n\n```(\w+)\n(.*?)```", TEXTS[page], re.S)}


# ---- length and links


def test_the_readme_can_be_read_in_minutes():
    assert len(README.splitlines()) <= 220
    assert len(README.encode()) <= 14_000


def anchors(text: str) -> set[str]:
    """What one can link to in a page: its headings, as GitHub names them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_resolves(page):
    for target in re.findall(r"\]\((?!http)([^)]+)\)", TEXTS[page]):
        place, _, anchor = target.partition("#")
        linked = (page.parent / place).resolve() if place else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text()), target


def test_the_constraints_name_the_one_version_of_torch_that_the_readme_sends_its_readers_to():
    assert "in the version that `constraints.txt` names" in " ".join(README.split())
    assert len(re.findall(r"^torch==\d+\.\d+\.\d+$", (ROOT / "constraints.txt").read_text(), re.M)) == 1


def test_the_two_commands_are_targets_of_make():
    named = re.findall(r"^make (\w+)", README, re.M)
    assert named == ["demo", "test"]
    assert set(named) <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))


# ---- what is generated


def test_what_is_generated_is_what_the_committed_tables_say():
    stale = [str(page.relative_to(ROOT)) for page in PAGES if publish.renewed(page) != TEXTS[page]]
    assert not stale, "`python -m synthgap.publish` writes them anew"


def test_every_number_in_a_generated_part_comes_from_the_table(tmp_path, monkeypatch):
    """A number that someone edits by hand is replaced, and so is a sentence's verdict count: nothing else changes."""
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    monkeypatch.setattr(publish, "FIGURES", ROOT / "figures")
    page = tmp_path / "README.md"
    told = "falls to <!-- mean rmg image-text captions.attributes=5 temperature.init=0.3 in=imbalance -->{}<!-- / -->, in all "
    told += "<!-- count contradicted in=imbalance -->{}<!-- / --> of <!-- count in=imbalance -->{}<!-- / --> arms"
    page.write_text(told.format(9.99, 7, ""))
    assert publish.renewed(page) == told.format("0.07", 1, 16)


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("meen rmg", "unknown generated part 'meen'; did you mean 'mean'?"),
        ("mean rgm image-text", "unknown metric 'rgm'; did you mean 'rmg'?"),
        ("mean rmg image-txt", "did you mean 'image-text'?"),
        ("mean rmg image-text captions.attributes=9", "unknown value of captions.attributes '9'"),
        (
            "mean rmg image-text caption.attributes=5",
            "unknown column 'caption.attributes'; did you mean 'captions.attributes'?",
        ),
        ("mean", "missing 1 required positional argument: 'metric'"),
        ("effect hash=7c69ca3e", "4 verdicts, not one"),
    ],
)
def test_a_part_that_cannot_be_made_is_one_line_that_says_where(tmp_path, monkeypatch, part, line):
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text(f"a <!-- {part} in=imbalance -->1<!-- / -->")
    with pytest.raises(InputError, match=re.escape(line)) as error:
        publish.renewed(tmp_path / "README.md")
    assert str(error.value).startswith(f"README.md: <!-- {part}") and "\n" not in str(error.value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_reader_sees_nothing_of_the_comments(page):
    """What is opened is closed, and no comment cuts a paragraph, as one that begins a line of prose would."""
    text = TEXTS[page]
    opened = len(re.findall(rf"<!-- ({'|'.join(publish.KINDS)})[ ]", text))
    assert opened == text.count("<!-- / -->") == len(publish.MARK.findall(text))
    seen, plain = (re.sub(r"\n<!--.*?-->(?=\n)|<!--.*?-->", "", t) for t in (MARKDOWN.render(text), text))
    assert seen.split() == MARKDOWN.render(plain).split()


RIVALS = """
interventions:
  more: {study: gap-parts, claim: the distance of the means (L2M) falls as captions tell more, arm: "τ = 0.02"}
  more learnt: {study: gap-parts, claim: the distance of the means (L2M) falls as captions tell more, arm: τ learnt}
  later: {study: not-run-yet, claim: it falls}
theories:
  Right: {more: falls, more learnt: stays}
  Wrong: {more: rises, later: falls}
"""


def test_rivals_are_compared_with_what_a_verdict_says_was_measured(tmp_path):
    (tmp_path / "rivals.yaml").write_text(RIVALS)
    heads, _, *rows = publish.rivals([tmp_path], "rivals.yaml").splitlines()
    assert heads == "|  | more | more learnt | later |"
    measured, right, wrong = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows)
    assert measured[1].endswith("(↓)") and measured[2].endswith("(0)") and measured[3] == "not measured"
    assert right == ["Right", "↓ **yes**", "0 **yes**", ""] and wrong == ["Wrong", "↑ **no**", "", "↓"]
    (tmp_path / "rivals.yaml").write_text(RIVALS.replace("more: rises", "mroe: rises"))
    with pytest.raises(InputError, match="unknown intervention 'mroe'; did you mean 'more'"):
        publish.rivals([tmp_path], "rivals.yaml")


def test_the_parts_of_the_gap_that_are_drawn_are_those_that_runs_measured():
    spec = importlib.util.spec_from_file_location("gap", ROOT / "experiments" / "gap.py")
    gap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gap)
    found = gap.parts(gap.runs("gap-parts"))
    assert len(found) == 144 and (found.rest > 0).all()
    np.testing.assert_allclose(found.means / (found.means + found.rest), found.centroid_share, atol=1e-4)


def test_outside_a_checkout_there_is_nothing_to_publish(monkeypatch, tmp_path):
    monkeypatch.setattr(publish, "FIGURES", tmp_path)
    with pytest.raises(InputError, match="works in a checkout"):
        publish.pages()


@pytest.mark.parametrize("group", publish.HOMES)
def test_the_tables_of_options_have_each_with_its_file(group):
    rows = publish.options_of([], group).splitlines()[2:]
    for name, row in zip([name for name in options.GROUPS[group] if name != "none"], rows, strict=True):
        assert row.startswith(f"| `{group}={name}` |")
        assert len(row.split(" | ")[1]) > 10, f"{group}={name} does not say what it does"
        (file,) = re.findall(r"\]\(\.\./([^)]+)\) \|$", row)
        assert (ROOT / file).exists()


# ---- what is published


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_a_study_s_command_asks_for_the_runs_that_its_table_has(folder):
    (said,) = re.findall(r"<!-- study (.+) -->", TEXTS[folder / "README.md"])
    name, *overrides = said.split()
    _, cells, _ = studies.expand(studies.load(name), overrides)
    assert len(cells) == tables.read(folder / "results.parquet").run_id.nunique()


@pytest.mark.parametrize("name", studies.available())
def test_every_study_is_published_with_verdicts_that_its_table_still_comes_to(name):
    """Each row of the verdicts can be traced: to its claim by the hash, and to runs by the committed table."""
    folder, study = ROOT / "figures" / name, studies.load(name)
    assert (folder / f"{name}.png").stat().st_size > 10_000
    kept = overview.read(folder / "verdicts.parquet")
    assert set(kept.hash) <= {studies.claim_hash(claim) for claim in study.claims}, "a claim was edited"
    assert set(kept.hash) <= json.loads((folder / "claims.json").read_text()).keys()
    judged = judging.verdicts(tables.read(folder / "results.parquet"), study)
    pd.testing.assert_frame_equal(kept[judged.columns], judged)


def test_where_the_gap_starts_is_said_to_matter_at_a_low_fixed_temperature():
    """What `cone-effect` finds is of a temperature that learns; its README gives the command that shows the other."""
    text = TEXTS[ROOT / "figures" / "cone-effect" / "README.md"]
    (command,) = (line for line in text.splitlines() if "temperature.init=0.02" in line)
    assert "unless a low temperature is fixed" in text and "0.73 from where they are drawn and at 1.43" in text
    configs = [task.config for task in runs.plan(studies.load("cone-effect"), command.split()[3:]).tasks]
    assert {c["encoder"]["apart"] for c in configs} == {0, 3} and len(configs) == 16
    assert {(c["temperature"]["mode"], c["temperature"]["init"]) for c in configs} == {("fixed", 0.02)}


# ---- what runs


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_can_be_pasted_into_any_shell(page):
    """zsh, macOS's shell, has its own ideas of brackets and ~, and takes a comment behind a command for arguments."""
    for line in "".join(blocks(TEXTS[page])).splitlines():
        assert not re.search(r"[][{}*?#]|(?<!\S)~", re.sub(r"'[^']*'|\"[^\"]*\"", "", line)), line


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with the committed figures beside."""
    (tmp_path / "figures").symlink_to(ROOT / "figures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", TEACHING, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_sweep_that_is_shown_can_be_planned(page, here):
    """Names, values and combinations are checked as before any run, of the command as it is printed but for its seeds."""
    for name, text in saved(page).items():
        Path(name).write_text(text)
    for command, study, *overrides in (c for c in commands(page) if c[0] in ("run", "show")):
        asked = studies.load(study)
        if asked.table:
            continue
        assert studies.expand(asked, overrides)[1]
        if command == "run" and not any("DIR" in option or "preset" in option for option in overrides):
            few = [] if "captions.attributes" in " ".join(overrides) else ["captions.attributes=1"]
            assert runs.plan(asked, [*overrides, *few * (study == "imbalance"), "seed=0"]).tasks


def test_the_readme_s_world_runs(here):
    Path("shapes.py").write_text(saved(ROOT / "README.md")["shapes.py"])
    (command,) = (c for c in commands(ROOT / "README.md") if "world=shapes.py" in c)
    tiny = ["captions.attributes=0,3", "seed=0", "mad.images=512", "mad.test_images=200", "training.epochs=1"]
    assert sweep.run(studies.load(command[1]), [*command[2:], *tiny]) == 0
    (table,) = Path("runs").glob("*/results.parquet")
    results = pd.read_parquet(table)
    assert set(results[results.metric == "probe"]["of"]) == {"shape", "tint", "place", "size"}
    bits = results[results.metric == "imbalance_bits"].set_index("captions.attributes").value
    assert bits[3] == pytest.approx(0, abs=1e-9)
    assert bits[0] == pytest.approx(1.5 + 1 + 1)  # H(tint) + H(place) + H(size)


#: of a study that trains: what makes it a matter of seconds
FEW = {
    "batch.yaml": ["training.batch=128,256", "training.steps=4", "seed=0,1"],
    "colours.yaml": ["training.epochs=1", "training.batch=256", "captions.attributes=1,5", "seed=0"],
}


def test_the_studies_that_are_shown_run(here, capsys):
    shown = saved(ROOT / "README.md") | saved(ROOT / "experiments" / "README.md")
    shown = {name: text for name, text in shown.items() if name.endswith(".yaml")}
    assert set(shown) == {"batch.yaml", "colours.yaml", "probe.yaml", "why.yaml"}
    few = [option for option in TINY if "batch" not in option and "epochs" not in option]
    for name, text in shown.items():
        Path(name).write_text(text)
        assert sweep.run(studies.load(name), [*few, *FEW[name]] if name in FEW else []) == 0
    told = capsys.readouterr().out
    assert "finished 4 new runs; 4 in all" in told
    assert "supported" in told and "192 runs, 8 seeds" in told
    assert cli.main(["verdicts"]) == 0
    told = capsys.readouterr().out
    assert all(name.removesuffix(".yaml") in told for name in shown)


def test_the_python_that_is_shown_runs(capsys):
    (code,) = blocks(TEXTS[ROOT / "data_gen" / "README.md"], "python")
    exec(compile(code, "README.md", "exec"), {})
    assert "Information(image=10.7" in capsys.readouterr().out


def test_the_other_commands_that_are_shown_run(here, capsys):
    """What makes datasets, measures files or looks things up: as printed, with fewer images and rows."""
    x = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    for name in ("image", "text", "captions"):
        np.save(f"{name}.npy", x + len(name))
    colours = ["red", "blue", "green"] * 20
    pd.DataFrame({"colour": colours, "size": ["large", "small"] * 30}).to_csv("factors.csv", index=False)
    for name in ("images", "of"):
        pd.DataFrame({"id": np.arange(60) // 2}).to_csv(f"{name}.csv", index=False)
    small = {"make": ["mad.images=200", "mad.test_images=200", "workers=1"], "measure": ["--sample", "50"]}
    shown = {tuple(command): None for page in TEACHING for command in commands(page) if command[0] in small}
    shown = [command for command in shown if "avmnist" not in command and "DIR" not in " ".join(command)]
    assert {command[0] for command in shown} == set(small)
    for command in shown:
        assert cli.main([*command, *small[command[0]]]) == 0, command
