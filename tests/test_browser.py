"""Pages in a real browser: without errors, no wider than what they are read on, and readable by keyboard and by weak eyes.

Without Chromium, or the package that drives it, these tests skip.
"""

import re
import shutil
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from synthgap import pages
from synthgap.pages import explorer

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if not BROWSER:
    pytest.skip("no Chromium here to open the pages with", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")

PHONE, LAPTOP, PAPER = 360, 1280, 718  # CSS pixels; paper is A4 less its margins

#: texts whose contrast with what is behind them is under WCAG's AA: 4.5, and 3 of large text
FAINT = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4)
        .reduce((sum, x, i) => sum + x * [.2126, .7152, .0722][i], 0);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const [r, g, b, a = 1] = numbers(getComputedStyle(e).backgroundColor);
            if (a === 1) return [r, g, b];
        }
        return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    };
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement, style = getComputedStyle(element);
        const text = walker.currentNode.textContent.trim();
        if (!text || element.closest("svg, script, style") || !element.checkVisibility()) continue;
        const [a, b] = [light(numbers(style.color)), light(behind(element))].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
        const contrast = (a + .05) / (b + .05);
        if (contrast < (large ? 3 : 4.5)) found.push(`${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
    }
    return found;
}"""
#: numbers and verdicts in tables that are broken into two lines
BROKEN = """() => [...document.querySelectorAll("td, th")].filter(cell => {
    const text = document.createRange();
    text.selectNodeContents(cell);
    const tall = text.getBoundingClientRect().height > 2.2 * parseFloat(getComputedStyle(cell).fontSize);
    return /^([−+-]?[\\d.]+|supported|contradicted|undecided)$/.test(cell.textContent.trim()) && tall;
}).map(cell => cell.textContent)"""
#: where the keyboard is: the element's place in the document, its name, and whether it is seen
FOCUSED = """() => {
    const e = document.activeElement, all = [...document.querySelectorAll("*")], box = e.getBoundingClientRect();
    const name = e.ariaLabel || e.labels?.[0]?.textContent || e.textContent || e.getAttribute("aria-labelledby") || "";
    return [e === document.body ? -1 : all.indexOf(e), name.trim(), box.width > 0 && box.height > 0];
}"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def paths(finished, explored, tmp_path_factory):
    to = tmp_path_factory.mktemp("site")
    (to / "explore.html").write_text(explorer.page(explored, explored.tasks, "synthgap explore"), encoding="utf-8")
    pages.write({}, finished.folder.parent, to)
    study = next(path for path in to.glob("*.html") if path.stem not in ("index", "explore"))
    return {"index": to / "index.html", "study": study, "explorer": to / "explore.html"}


@pytest.mark.parametrize("name", ["index", "study", "explorer"])
def test_a_page_is_readable_everywhere(browser, paths, name):
    page, wrong = browser.new_page(viewport={"width": LAPTOP, "height": 800}), []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(paths[name].as_uri())
    for details in page.query_selector_all("details"):
        details.evaluate("e => { e.open = true }")
    for media, width in (("screen", PHONE), ("screen", LAPTOP), ("print", PAPER)):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(media=media, color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (media, width)
            assert page.evaluate(FAINT) == [], (media, width, scheme)
            assert page.evaluate(BROKEN) == [], (media, width)
    page.emulate_media(media="screen", color_scheme="light")
    before, seen = -1, 0
    page.keyboard.press("Tab")
    while (found := page.evaluate(FOCUSED))[0] > before:
        before, label, visible = found
        assert label and visible, found
        seen += 1
        page.keyboard.press("Tab")
    assert found[0] == -1 or seen >= page.locator("button:visible, input:visible, select:visible").count()
    assert seen > 2
    assert wrong == []
    page.close()


def test_the_explorer_shows_what_was_measured(browser, explored, paths):
    plan = explored
    page = browser.new_page(viewport={"width": LAPTOP, "height": 900})
    page.goto(paths["explorer"].as_uri())
    numbers = [explorer.numbers(explorer.read(plan, task)) for task in plan.tasks]

    def told(metric: str) -> str:
        place = ["rmg", "l2m", "spread", "mean_cosine", "entropy", "temperature", "recall@1"].index(metric)
        return page.locator(".chart b").nth(place).inner_text().replace("−", "-")

    def close(metric: str, value: float) -> bool:
        return abs(float(told(metric)) - value) <= 0.0051

    def move(label: str, key: str) -> None:
        page.get_by_label(label).focus()
        page.keyboard.press(key)

    assert close("l2m", max(some["trained"]["l2m"][-1] for some in numbers)), "it opens where the gap is widest"
    for place, key in enumerate(("Home", "End")):
        move("attributes that captions name", key)
        for metric in ("rmg", "l2m", "spread", "entropy", "temperature", "recall@1"):
            assert close(metric, numbers[place]["trained"][metric][-1]), metric
    assert page.locator(".chart path.before").first.get_attribute("d"), "the course before stays to be compared"
    page.get_by_label("Centre").check()
    assert close("l2m", numbers[1]["centred"]["l2m"][-1])
    move("Step", "Home")
    assert close("rmg", numbers[1]["centred"]["rmg"][0])
    assert "4 dimensions" in page.locator("#projection").inner_text()
    canvas = page.locator("canvas")
    before = canvas.evaluate("e => e.toDataURL()")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    assert canvas.evaluate("e => e.toDataURL()") != before, "it turns by keys"
    page.keyboard.press("p")
    course = explorer.read(plan, plan.tasks[1])
    assert course.words[0] in page.locator("#tip").inner_text()
    page.get_by_role("button", name="Play training").click()
    sync_api.expect(page.locator("#step")).not_to_have_text(re.compile("^0 of"), timeout=30_000)
    page.get_by_role("button", name="Pause").click()
    page.close()


#: as GitHub sets a page of Markdown, in a wider font
GITHUB = """
body { font: 16px/1.5 "DejaVu Sans"; width: 1012px; margin: 0 }
p, ul, table { margin: 0 0 16px } li + li { margin-top: 4px } ul { padding-left: 2em } img { max-width: 100% }
h1, h2 { font-size: 1.5em; margin: 24px 0 16px; padding-bottom: .3em; border-bottom: 1px solid; line-height: 1.25 }
h1 { font-size: 2em } table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto }
td, th { border: 1px solid; padding: 6px 13px }
"""


def test_the_page_on_the_gap_takes_three_screens(browser, tmp_path):
    source = Path(__file__).parents[1] / "figures" / "what-is-the-modality-gap.md"
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(source.read_text(encoding="utf-8"))
    html = html.replace('src="', f'src="{source.parent.as_uri()}/')
    path = tmp_path / "page.html"
    path.write_text(f"<meta charset=utf-8><style>{GITHUB}</style>{html}", encoding="utf-8")
    page = browser.new_page(viewport={"width": 1012, "height": 1080})
    page.goto(path.as_uri(), wait_until="load")
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)"), "a figure is not shown"
    assert page.evaluate("document.body.scrollHeight") <= 3 * 1080
    page.close()
