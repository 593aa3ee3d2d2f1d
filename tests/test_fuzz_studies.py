"""Generated study files and overrides, valid and wrong: planned as they are written, or refused in one line.

SYNTHGAP_FUZZ sets the number of cases of all `test_fuzz_*.py`, a quarter of them here; `make fuzz` runs ten times as many.
"""

import os
from pathlib import Path

import pytest
import yaml
from conftest import told
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from synthgap import options, runs, studies, sweep
from synthgap.runs import variations

CASES = int(os.environ.get("SYNTHGAP_FUZZ", 2000)) // 4
usual = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)


@pytest.fixture(scope="module")
def imbalance(tmp_path_factory):
    """A study, in an empty folder that stays empty but for a study's file."""
    here = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("empty"))
    yield studies.load("imbalance")
    os.chdir(here)


# ---- overrides

LONG = "9" * 400
VALUES = r"""
0 1 2 5 -1 007 0x10 1e-3 8e-3 1e3 1_000 1. .5 1e400 -1e400 inf nan 2024-01-01 2024_01 yes on true null ~ x ü é:è 'quoted' "q"
'half a,b a=b $HOME ${seed} ${oc.env:HOME} @x \ #x !!str ../x / C:\x range(0,3) range(0,3000000) range(3,0) range(0,1,0)
range(a,b) range(0,inf) interval(0,1) interval(0,3) glob(*) choice(1,2) choice() sort(2,1) sort(2,1,reverse=true)
shuffle(1,2) shuffle(range(0,3)) tag(a,1) int(3.5) int(x) float(1) str(1) bool(maybe) json_str(1) extend_list(1) nothing(1)
str([1,2]) choice(choice(1,2)) [clip] [clip,gram] [] {} {a:1} {digit:0.5} [[0,1],[1,2]] [[0.5,1],[1,2]] [1 ] {a
[digit,colour] [1,{a:b}] (1) ((
""".split()  # noqa: SIM905
VALUES += ["", "a b", "\t", "\0", "\n", "\u2028", "x\ny", LONG, f"int({LONG})", f"range(0,{LONG})"]
VALUES += ["[" * 30 + "]" * 30, "[" * 3000, "{a:" * 25 + "1" + "}" * 25]
texts = st.sampled_from(VALUES) | st.text(max_size=12) | st.integers(-3, 2**70).map(str) | st.floats().map(str)
texts |= st.lists(st.sampled_from(VALUES), min_size=2, max_size=3).map(",".join)
keys = st.sampled_from(["seed", "out", "loss", "captions", "captions.attributes", "training.lr", "training.epochs"])
keys |= st.sampled_from(
    [*options.types(), *options.GROUPS, "digits.style.slant", "captions.probability.digit", "preset"]
)
ODD = "sed hydra hydra.run.dir seed@x loss@a.b +seed ++seed ~seed ~ defaults a.b.c seed.x = case study name".split()  # noqa: SIM905
odd_keys = st.sampled_from(ODD) | st.text(max_size=5)
choices = st.sampled_from([f"{group}={name}" for group, names in options.GROUPS.items() for name in names])
overrides = st.builds("{}={}".format, keys, texts) | st.builds("{}={}".format, odd_keys, texts) | odd_keys | choices


@settings(usual, max_examples=CASES // 2)
@given(asked=st.lists(overrides, min_size=1, max_size=3), composed=st.integers(0, 9).map(lambda n: n == 5))
def test_overrides_are_read_or_refused_in_one_line(asked, composed, imbalance):
    study, out = imbalance, [override for override in asked if override.startswith("out=")]
    parsed, _ = told(lambda: options.parse(asked))
    for override in parsed or ():
        assert 1 <= len(options.values(override)) <= options.MOST_RUNS
    place, _ = told(lambda: options.folder(asked))
    if out and place is not None:
        said = out[-1].removeprefix("out=").strip()
        assert str(place) == str(Path(said)) or said[:1] in ("'", '"')
        assert told(lambda: sweep.folder_of(study, out))[0] == place / study.name
    expanded, _ = told(lambda: studies.expand(study, asked))
    if expanded:
        told(lambda: variations.of(runs.Plan(study, None, None, (), tuple(asked))))
    if expanded and composed:  # a tenth of a second
        _, cells, constant = expanded
        told(lambda: options.resolve(constant, {key: x for key, x in cells[0].items() if key != "case"}))
    assert not os.listdir()


# ---- study files

OWN = """\
question: Does it?
source: me
grid: {captions.attributes: [0, 1, 2], training.lr: [1e-3, 8e-3], seed: [0, 1, 2, 3, 4]}
cases:
  warm: {temperature.mode: learnable}
  cold: {temperature.mode: fixed, temperature.init: 0.3}
presets:
  quick: {set: {images: symbolic, training.epochs: 1}}
  full: {grid: {seed: [0, 1, 2, 3, 4, 5]}, set: {images: symbolic}}
claims:
  - {claim: f, metric: rmg, of: image-text, over: captions.attributes, levels: [0, 1, 2], direction: falls, matters: 0.1}
  - claim: cases differ
    metric: rmg
    of: image-text
    over: case
    levels: [warm, cold]
    direction: rises
    where: {training.lr: 1e-3}
  - {claim: one tells the other, metric: rmg, of: image-text, explained_by: captions.attributes, direction: falls}
figure:
  title: gap
  x: {over: captions.attributes}
  panels:
    - {title: gap, curves: [{metric: rmg, of: image-text}]}
    - {title: $x$, kind: cases, curves: [{metric: l2m, of: image-text}]}
"""
SOUND = yaml.safe_load(OWN.replace("1e-3", "0.001").replace("8e-3", "0.008"))
#: what may stand where a value is: as YAML
PIECES = r"""
null true yes on off ~ 3 -1.5 1e-3 1e400 0o17 010 0x1F 1_000 .inf -.inf .nan 1:30 2024-01-01 2024-01-01T10:00:00Z "" x case
metric seed of [] {} [1] [[1]] [~,~] {a:} {metric: rmg} !!python/object:os.system !!binary aGk= !!timestamp 2024-01-01 !!set {a}
!x *none &a [*a] @x `x` %x "\x" "\ud800" "\U00110000" 'it''s' $x$ $\frac$ $ {<<:[]} ? |- > - glob(*) interval(0,1) range(0,3)
[clip] clip alignclip {digit:0.5} rmg image-text falls stays learnable 0 1 2
""".split()  # noqa: SIM905
PIECES += ["[1, 2, 3]", "{a: 1, a: 2}", "[0, 1, 2", "{<<: {seed: [0]}}", "? [a, b]\n: c", LONG, "[" * 60 + "]" * 60]
PIECES += ["\t", "\0", "x: y"]
pieces = st.sampled_from(PIECES) | st.text(max_size=10) | st.integers(-5, 2**70).map(str) | st.floats().map(str)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
WHOLE = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"- a",
    b"a: b: c",
    BOMB.encode(),
    b"question: " + b"[" * 5000,
    b"a" * 100_001,
    b"&a [*a]",
]
edits = st.one_of(
    st.tuples(st.just("value"), st.integers(0, 999), pieces),
    st.tuples(st.just("value"), st.integers(0, 999), pieces),
    st.tuples(st.just("token"), st.integers(0, 999), pieces),
    st.tuples(st.just("line"), st.integers(0, 99), st.sampled_from(["twice", "gone", "indented", *OWN.splitlines()])),
    st.tuples(st.just("byte"), st.integers(0, 2000), st.integers(0, 255)),
    st.tuples(st.just("cut"), st.integers(0, 2000), st.none()),
    st.tuples(st.just("whole"), st.just(0), st.sampled_from(WHOLE) | st.binary(max_size=30)),
)
NO_NAMES = ["imbalance", "datasets", "a+b", "a=b", ".own", "-own", "x" * 120, "a\nb"]
names = st.sampled_from(["own"] * 12 + ["ü", "own.b", *NO_NAMES])


def places(node, at=()):
    """The way to every node under this one."""
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield (*at, key)
        yield from places(node[key], (*at, key))


PLACES = list(places(SOUND))


def edited(content: bytes, edit) -> bytes:
    kind, at, what = edit
    text = content.decode("utf-8", "surrogateescape")
    lines = text.splitlines(keepends=True) or [""]
    line = at % len(lines)
    match kind:
        case "value":  # of the sound study, so that the rest of it stays
            *way, last = PLACES[at % len(PLACES)]
            changed = yaml.safe_load(yaml.safe_dump(SOUND))
            node = changed
            for key in way:
                node = node[key]
            node[last] = "HERE"
            text = yaml.safe_dump(changed, width=10_000).replace("HERE", what)
        case "token":
            words = text.split(" ")
            words[at % len(words)] = what
            text = " ".join(words)
        case "line":
            new = {"twice": 2 * lines[line], "gone": "", "indented": "  " + lines[line]}.get(what, what + "\n")
            text = "".join((*lines[:line], new, *lines[line + 1 :]))
        case "byte":
            at %= max(1, len(content))
            return content[:at] + bytes([what]) + content[at + 1 :]
        case "cut":
            return content[: at % max(1, len(content))]
        case _:
            return what
    return text.encode("utf-8", "surrogatepass" if kind != "byte" else "strict")


@settings(usual, max_examples=CASES - CASES // 2)
@given(edits=st.lists(edits, max_size=2), name=names)
def test_study_files_are_planned_as_written_or_refused_in_one_line(edits, name, imbalance):
    content = OWN.encode()
    for edit in edits:
        content = edited(content, edit)
    path = Path(f"{name}.yaml")
    path.write_bytes(content)
    try:
        study, why = told(lambda: studies.load(str(path)))
        assert name not in NO_NAMES or why
        if name == "own" and not edits:
            assert not why and study.grid == SOUND["grid"] and study.presets == SOUND["presets"]
            assert {case["case"]: case for case in study.cases} == {
                k: {"case": k} | x for k, x in SOUND["cases"].items()
            }
        if study:
            plan, why = told(lambda: runs.plan(study, [f"preset={next(iter(study.presets))}", "out=out"], most=1))
            assert plan or edits
            for key, values in study.grid.items():
                for value in values:
                    assert options.typed(key, value) == value or value != value
        assert os.listdir() == [path.name] and path.read_bytes() == content
    finally:
        path.unlink()
