"""Generated study files and overrides, valid and wrong: planned as they are written, or refused in one line.

SYNTHGAP_FUZZ sets the number of cases of all `test_fuzz_*.py`, a quarter of them here; `make fuzz` runs ten times as many.
"""

import copy
import os

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_gen.errors import InputError
from synthgap import config, runs, studies, sweep, variations, yaml_file

CASES = int(os.environ.get("SYNTHGAP_FUZZ", 2000)) // 4
usual = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def told(read) -> tuple[object, str]:
    """What is read, or the one line that says why not."""
    try:
        return read(), ""
    except InputError as error:
        line = str(error)
    assert line.strip() and len(line.splitlines()) == 1 and len(line) < 3000
    return None, line


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder to be in, which stays empty but for the study."""
    here = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("empty"))
    yield
    os.chdir(here)


# ---- overrides

LONG = "9" * 400
NUMBERS = ["0", "1", "2", "5", "-1", "007", "0x10", "1e-3", "8e-3", "1e3", "1_000", "1.", ".5", "1e400", "-1e400", "inf", "nan", "2024-01-01", "2024_01", LONG]  # fmt: skip
WORDS = ["", "x", "yes", "on", "true", "null", "~", "a b", "ü", "é:è", "'quoted'", '"q"', "'half", "a,b", "a=b", "$HOME", "${seed}", "${oc.env:HOME}", "@x", "\\", "\t", "\0", "\n", "\u2028", "x\ny", "#x", "!!str", "../x", "/", "C:\\x"]  # fmt: skip
CALLS = ["range(0,3)", "range(0,3000000)", "range(3,0)", "range(0,1,0)", "range(a,b)", "range(0,inf)", "interval(0,1)", "interval(0,3)", "glob(*)", "choice(1,2)", "choice()", "sort(2,1)", "sort(2,1,reverse=true)", "shuffle(1,2)", "shuffle(range(0,3))", "tag(a,1)", "int(3.5)", "int(x)", "float(1)", "str(1)", "bool(maybe)", "json_str(1)", "extend_list(1)", "nothing(1)", "str([1,2])", "choice(choice(1,2))", "int(" + LONG + ")"]  # fmt: skip
NESTED = ["[clip]", "[clip,gram]", "[]", "{}", "{a:1}", "{digit:0.5}", "[[0,1],[1,2]]", "[[0.5,1],[1,2]]", "[1", "]", "{a", "[" * 30 + "]" * 30, "[" * 3000, "{a:" * 25 + "1" + "}" * 25, "[digit,colour]", "[1,{a:b}]", "(1)", "(("]  # fmt: skip
texts = st.sampled_from(NUMBERS) | st.sampled_from(WORDS) | st.sampled_from(CALLS) | st.sampled_from(NESTED)
texts |= st.lists(texts, min_size=2, max_size=3).map(",".join) | st.text(max_size=12)
texts |= st.integers(-3, 2**70).map(str) | st.floats().map(str)
KEYS = [*config.types(), *config.GROUPS]
keys = st.sampled_from(["seed", "out", "loss", "captions", "captions.attributes", "training.lr", "training.epochs"])
keys |= st.sampled_from(KEYS) | st.sampled_from(["digits.style.slant", "captions.probability.digit", "preset"])
odd_keys = st.sampled_from(["", "sed", "hydra", "hydra.run.dir", "seed@x", "loss@a.b", "+seed", "++seed", "~seed", "~", "defaults", "a.b.c", "seed.x", "=", "case", "study", "name"])  # fmt: skip
overrides = st.builds("{}={}".format, keys, texts) | st.builds("{}={}".format, odd_keys | st.text(max_size=5), texts)
overrides |= odd_keys | texts | st.builds("{}={}".format, st.sampled_from(list(config.GROUPS)), st.sampled_from([n for g in config.GROUPS.values() for n in g]))  # fmt: skip


@settings(usual, max_examples=CASES // 2)
@given(given_=st.lists(overrides, min_size=1, max_size=3), planned=st.integers(0, 5))
def test_overrides_are_read_or_refused_in_one_line(given_, planned, folder):
    study = studies.load("imbalance")
    parsed, why = told(lambda: config.parse(given_))
    if parsed is not None:
        for override in parsed:
            values = config.values(override)
            assert 1 <= len(values) <= config.MOST_RUNS
            key, _, text = override.input_line.partition("=")
            if key == "out" and values:
                (path,) = values
                said = next(o for o in reversed(given_) if o.startswith("out=")).removeprefix("out=")
                assert isinstance(path, str) and (path == said or said[:1] in "'\"") and path
    place, why_not = told(lambda: config.folder(given_))
    outs = [o for o in given_ if o.startswith("out=")]
    if place is not None and outs and parsed is not None:
        assert str(place) == str(type(place)(parsed[given_.index(outs[-1])].value()))
        assert told(lambda: sweep.folder_of(study, outs))[0] == place / study.name
    expanded, why_not = told(lambda: studies.expand(study, given_))
    if expanded is not None:
        told(lambda: variations.of(runs.Plan(study, None, None, (), tuple(given_))))
        _, cells, constant = expanded
        if not planned:  # to compose a config takes a tenth of a second
            told(
                lambda: [config.resolve(constant, {k: x for k, x in cell.items() if k != "case"}) for cell in cells[:2]]
            )
    assert not os.listdir()
