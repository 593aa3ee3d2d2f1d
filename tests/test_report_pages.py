"""Pages of results: whole without a network, readable without a mouse, and with nothing in them that was not found."""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from synthgap import cli, pages, runs, studies
from synthgap.judging import overview
from synthgap.pages import html
from synthgap.pages.result import read
from synthgap.pages.sentences import sentence
from synthgap.study import Claim

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = ("meta", "input", "img", "br")


class Page(HTMLParser):
    """tags: (name, attributes, names of those around) of all elements. words: all text that is neither style nor script."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.around, self.words = [], [], ""
        self.feed(text)
        assert not self.around, f"never closed: {self.around}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.around)))
        self.around += [] if tag in VOID else [tag]

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.around)))

    def handle_endtag(self, tag):
        assert self.around.pop() == tag

    def handle_data(self, text):
        self.words += text * (not {"style", "script"} & {*self.around})

    def all(self, *names):
        return [(attributes, around) for tag, attributes, around in self.tags if tag in names]


@pytest.fixture(scope="module")
def site(finished, tmp_path_factory):
    """The pages of a finished sweep: its own and an index."""
    to = tmp_path_factory.mktemp("site")
    assert pages.write({}, finished.folder.parent, to) == to / "index.html"
    return to


@pytest.fixture(scope="module")
def result(finished):
    return read(finished.folder.parent, "imbalance")


@pytest.fixture
def undrawn(monkeypatch):
    """Figures take a second, and not every test needs them."""
    monkeypatch.setattr(html, "_figures", lambda result: ([], pd.DataFrame(), pd.DataFrame()))


@pytest.mark.parametrize("name", ["imbalance", "index"])
def test_a_page_needs_no_other_file_and_no_network(site, name):
    text = (site / f"{name}.html").read_text()
    page = Page(text)
    for tag, attributes, _ in page.tags:
        for target in (attributes[key] for key in ("src", "href", "xlink:href") if key in attributes):
            there = target.startswith(("data:image/png;base64,", "#")) or (site / unquote(target)).is_file()
            assert there, f"<{tag}> needs {target}"
    assert "default-src 'none'" in text and not re.search(r"@import|url\((?!#)", text)
    assert len(text) < 10e6


@pytest.mark.parametrize("name", ["imbalance", "index"])
def test_a_page_can_be_read_by_anyone(site, name):
    """Each heading is a step from the last, tables have captions and heads, controls have names, and ids are unique."""
    page = Page((site / f"{name}.html").read_text())
    ids = [attributes["id"] for _, attributes, _ in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes["aria-labelledby"] for _, attributes, _ in page.tags if "aria-labelledby" in attributes}
    assert named and named <= set(ids)
    levels = [int(tag[1]) for tag, _, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("table")) == len(page.all("caption")) > 0
    assert all(attributes["scope"] == ("col" if "thead" in around else "row") for attributes, around in page.all("th"))
    assert all("label" in around for _, around in page.all("input", "select"))
    assert sum("th" in around for _, around in page.all("button")) == sum("thead" in a for _, a in page.all("th"))
    assert all(attributes["alt"] for attributes, _ in page.all("img"))


def test_a_page_tells_what_was_claimed_and_found_and_how_it_was_made(site, finished):
    text = " ".join(Page((site / "imbalance.html").read_text()).words.split())
    assert finished.study.question in text and finished.study.source in text
    judged = overview.read(finished.folder / "verdicts.parquet")
    assert text.count("Undecided: over captions.attributes, from 1 to 5") == len(judged) == 4
    for row in judged.itertuples():
        assert row.claim in text and row.hash in text
        assert f"changes by {row.effect:+.3f}".replace("-", "−") in text
    assert f"{len(judged)} undecided" in text, "two seeds decide nothing"
    assert "too few seeds to decide it" in text and text.count("after 4 runs") == len(finished.study.claims)
    assert re.search(r"Seeds ?0, 1\b", text) and "World: mad · symbolic" in text
    table = pd.read_parquet(finished.folder / "results.parquet")
    assert all(run in text for run in table.run_id.unique())
    done = json.loads((finished.folder / table.run_id[0] / "done.json").read_text())
    assert all(f"{package} {version}" in text for package, version in done["versions"].items())
    assert "training.batch" in text and "pairs a step; a larger one holds more equal captions" in text
    assert "images 10.71 bits, captions tell" in text, "of the samples, which are symbols here"


def test_the_command_on_a_page_asks_for_the_runs_of_its_table(result, site):
    assert result.command in Page((site / "imbalance.html").read_text()).words
    *command, study = shlex.split(result.command)[:3]
    assert (command, study) == (["synthgap", "run"], "imbalance")
    plan = runs.plan(result.study, shlex.split(result.command)[3:])
    assert {task.run_id for task in plan.tasks} == {*result.table.run_id}


def test_samples_are_those_that_the_model_is_shown(result):
    """Pictures with the caption and the factors of the dataset's first samples; how much captions tell differs here."""
    config = result.configs[0] | {"images": "pixels"}
    few, many = html._samples(replace(result, configs=[config, result.configs[1] | {"images": "pixels"}]))[0]
    assert "captions.attributes=1" in few[0] and "captions.attributes=5" in many[0]
    for (pictures, less, values), (same, more, _) in zip(few[1].rows, many[1].rows, strict=True):
        assert pictures == same and pictures["image"].startswith("data:image/png;base64,iVBOR")
        assert (
            len(less.split("-")) == 2
            and len(more.split("-")) == 6
            and less.split("-")[0] in (values[0], *less.split("-"))
        )
    assert html._samples(replace(result, configs=[config | {"world": "gone.py"}]))[1].startswith("world=gone.py")


def test_what_a_study_says_is_text_whatever_it_looks_like(result, undrawn):
    nasty = "<script>alert('&amp;')</script>"
    claims = {hash: replace(claim, claim=nasty, source=nasty) for hash, claim in result.claims.items()}
    judged = result.judged.assign(claim=nasty, arm=nasty)
    text = html.of_study(
        replace(result, study=replace(result.study, question=nasty), claims=claims, judged=judged), True
    )
    assert nasty not in text and text.count("<script>") == 1
    assert Page(text).words.count(nasty) > 2 * len(claims)
    assert escape(nasty, quote=False).replace("'", "&#39;") in text
    assert sum(template.read_text().count("|safe") for template in Path(html.__file__).parent.glob("templates/*")) == 1


def test_an_index_leads_to_all_results_and_says_what_is_left_out(copied, tmp_path, undrawn, capsys):
    out, to = copied.folder.parent, tmp_path / "site"
    for name in ("imbalance+a <b>=1", "broken"):
        (out / name).mkdir()
        for file in ("results.parquet", "verdicts.parquet"):
            shutil.copy(copied.folder / file, out / name / file)
    (out / "broken" / "verdicts.parquet").write_bytes(b"PAR1")
    assert cli.main(["report", f"out={out}", "--to", str(to)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == str(to / "index.html")
    assert "left out: broken: " in told.err and "`synthgap show broken` writes it anew" in told.err
    page = Page((to / "index.html").read_text())
    links = {unquote(attributes["href"]) for attributes, _ in page.all("a")}
    assert links == {"imbalance.html", "imbalance+a <b>=1.html"} == {p.name for p in to.glob("*.html")} - {"index.html"}
    assert f"{2 * len(copied.study.claims)} claims: 0 supported" in page.words


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (["imbalanse"], "unknown study, or result in {out}, 'imbalanse'; did you mean 'imbalance'?"),
        (["losses"], "losses has no result in {out} yet; `synthgap run losses` makes one"),
        (["imbalance+other"], "imbalance+other has no result"),
        (["imbalance", "name=other"], "imbalance+other has no result"),
        (["imbalance", "seed=7", "images=symbolic"], "no result of imbalance"),
        (["seed=7"], "'seed=7': give one study with it"),
        (["name=other"], "name=other: of which study?"),
        (["imbalance", "--to", "{out}/imbalance/results.parquet"], "it is a file; name a folder"),
    ],
)
def test_what_cannot_be_shown_is_one_line(finished, capsys, said, line):
    out = str(finished.folder.parent)
    assert cli.main(["report", *(each.format(out=out) for each in said), f"out={out}"]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert line.format(out=out) in told


def test_a_table_that_is_damaged_or_not_of_these_claims_is_one_line(copied, capsys):
    folder, out = copied.folder, f"out={copied.folder.parent}"

    def line() -> str:
        assert cli.main(["report", "imbalance", out]) == 2
        (told,) = capsys.readouterr().err.splitlines()
        return told

    path = folder / "verdicts.parquet"
    judged, kept = pd.read_parquet(path), path.read_bytes()
    judged.assign(hash=["0" * 8, *judged.hash[1:]]).to_parquet(path)
    assert f"{judged.claim[0]!r} of imbalance was edited after its verdict" in line()
    judged[1:].to_parquet(path)
    assert f"{judged.claim[0]!r} of imbalance has no verdict in {folder}; `synthgap show imbalance`" in line()
    judged.drop(columns="hash").to_parquet(path)
    assert "from an older synthgap" in line()
    path.write_bytes(kept[:-9])
    assert "is damaged" in line()
    path.write_bytes(kept)
    table = folder / "results.parquet"
    pd.read_parquet(table).drop(columns="run_id").to_parquet(table)
    assert "it has no column run_id" in line()
    (folder / "claims.json").write_text("[]")
    table.unlink()
    assert "cannot be read" in line()


@pytest.mark.parametrize("name", ["imbalance-mnist", "groupwise-faint"])
def test_a_published_table_tells_how_it_was_made(name):
    """The README beside it has the command; the world of the first needs files that are not here."""
    found = read(ROOT / "figures", name)
    (said,) = re.findall(r"<!-- study (.+) -->", (ROOT / "figures" / name / "README.md").read_text())
    assert found.command == f"synthgap run {said}" and len(found.configs) == 2
    assert (
        found.world == {"imbalance-mnist": "mad · pixels · idx", "groupwise-faint": "avmnist · pixels · strokes"}[name]
    )


CLAIM = Claim("it falls", "rmg", "image-text", "falls", 0.05, "own", over="captions.attributes", levels=(1, 3, 5))


@pytest.mark.parametrize(
    ("claim", "row", "says"),
    [
        (
            CLAIM,
            ("supported", -0.2, -0.3, -0.1),
            "over captions.attributes, from 1 to 5, rmg image-text changes by −0.200 (95 % interval −0.300 to "
            "−0.100, 8 seeds), so it falls, by at least the 0.05 that matters.",
        ),
        (CLAIM, ("contradicted", 0.2, 0.1, 0.3), "so it rises instead."),
        (CLAIM, ("contradicted", -0.02, -0.03, -0.01), "so if it falls at all, it is by less than the 0.05 that matters."),
        (CLAIM, ("contradicted", 0.02, 0.01, 0.03), "so if it falls at all, it is by less than the 0.05 that matters."),
        (CLAIM, ("undecided", -0.2, -0.5, 0.1), "8 seeds). That decides nothing; about 20 seeds would."),
        (replace(CLAIM, direction="stays"), ("supported", 0.0, -0.01, 0.01), "so it stays: the change is surely less than"),
        (
            replace(CLAIM, direction="stays", over="case", levels=("a", "b"), change={"over": "k", "levels": [1, 5]}),
            ("contradicted", 0.2, 0.1, 0.3),
            "over case, from a to b, the change of rmg image-text from k = 1 to 5 differs by +0.200 (95 % interval +0.100 to "
            "+0.300, 8 seeds), so it does not stay: the difference is surely more than the 0.05 that matters.",
        ),
        (replace(CLAIM, direction="rises", matters=0), ("supported", 0.2, 0.1, 0.3), "8 seeds), so it rises."),
        (replace(CLAIM, seeds=9), ("undecided", -0.2, -0.3, -0.1), "too few seeds to decide it: the claim asks for 9."),
        (
            replace(CLAIM, over="", levels=(), explained_by={"metric": "l2m", "of": "image-text"}),
            ("supported", -0.5, -0.6, -0.4),
            "the partial rank correlation of rmg image-text with l2m image-text is −0.500",
        ),
        (replace(CLAIM, over="of", levels=("image", "text")), ("undecided", 0, np.nan, np.nan), "is +0.000 (8 seeds)"),
    ],
)  # fmt: skip
def test_a_verdict_is_a_sentence(claim, row, says):
    verdict, effect, low, high = row
    test = "partial" if claim.explained_by else "trend"
    row = SimpleNamespace(verdict=verdict, effect=effect, low=low, high=high, seeds=8, seeds_needed=20.0, test=test)
    assert says.replace("is +0", "changes by +0" if claim.over == "of" else "is +0") in sentence(row, claim)


@pytest.mark.skipif(not BROWSER, reason="no Chromium here to open the pages with")
def test_a_browser_sorts_and_filters_and_no_page_is_wider_than_a_phone(site, tmp_path):
    """What scripts find in the pages, in frames as wide as a phone, is sent to the page around them."""
    script = """<script>
        const box = document.querySelector("#verdicts"), rows = () => [...box.querySelectorAll("tbody tr:not([hidden])")];
        const head = [...box.querySelectorAll("thead button")].find(b => b.textContent === "effect");
        const at = head.parentNode.cellIndex, effects = () => rows().map(row => +row.cells[at].dataset.value);
        const type = (field, value) => { field.value = value; field.dispatchEvent(new Event("input", {bubbles: true})); };
        const wide = document.documentElement.scrollWidth, found = {wide};
        head.click(); found.up = effects(); found.sort = head.parentNode.getAttribute("aria-sort");
        head.click(); found.down = effects();
        type(box.querySelector("input"), "OBJECT bias"); found.words = rows().length;
        found.told = box.querySelector("output").textContent;
        type(box.querySelector("input"), ""); type(box.querySelector("select[data-column]:last-of-type"), "");
        const verdict = [...box.querySelectorAll("select")].find(s => [...s.options].some(o => o.value === "=undecided"));
        verdict.add(new Option("supported", "=supported")); type(verdict, "=supported"); found.none = rows().length;
        type(verdict, "=undecided"); found.all = rows().length;
        parent.postMessage(JSON.stringify(found), "*");
    </script></body>"""
    frames = ""
    for name in ("imbalance", "index"):
        (tmp_path / f"{name}.html").write_text((site / f"{name}.html").read_text().replace("</body>", script))
        frames += f'<iframe src="{name}.html" width="390" height="800"></iframe>'
    hear = "Object.assign(document.createElement('i'), {title: said.data})"
    hear = f"<script>onmessage = said => document.body.append({hear})</script>"
    (tmp_path / "around.html").write_text(f"<!DOCTYPE html><html><body>{hear}{frames}</body></html>")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    command = [BROWSER, *options, f"--user-data-dir={tmp_path / 'user'}", (tmp_path / "around.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    told = [json.loads(attributes["title"]) for attributes, _ in Page(dom.strip()).all("i")]
    assert len(told) == 2
    claims = len(studies.load("imbalance").claims)
    for found in told:
        assert found["wide"] <= 390
        assert found["up"] == sorted(found["up"]) == found["down"][::-1] and len(found["up"]) == claims
        assert found["sort"] == "ascending" and found["told"] == f"2 of {claims} rows" and found["words"] == 2
        assert (found["none"], found["all"]) == (0, claims)
