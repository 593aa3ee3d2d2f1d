"""The explorer shows what runs kept of their training, and what it shows is what they measured."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EXPLORED

from data_gen import InputError
from synthgap import cli, runs
from synthgap.pages import explorer
from synthgap.runs.execution import COURSE, WATCHED


@pytest.fixture(scope="module")
def course(explored):
    return explorer.read(explored, explored.tasks[0])


def test_a_run_that_keeps_its_course_has_the_numbers_of_one_that_does_not(explored, tmp_path):
    few = [each for each in EXPLORED if not each.startswith("captions")]
    plan = runs.plan(explorer.STUDY, [*few, "captions.attributes=1", f"out={tmp_path}"])
    (task,) = plan.tasks
    assert task.run_id == explored.tasks[0].run_id
    runs.work(plan)
    assert not (plan.folder / task.run_id / COURSE).exists()
    for name in ("metrics", "trajectory"):
        one, other = (pd.read_parquet(p.folder / task.run_id / f"{name}.parquet") for p in (plan, explored))
        kept = one.metric != "seconds" if name == "metrics" else slice(None)
        pd.testing.assert_frame_equal(one[kept], other[kept], check_exact=True)


def test_what_is_kept_is_what_was_watched(course):
    """The numbers on the page are those of the trajectory, which training itself wrote down."""
    found = explorer.numbers(course)["trained"]
    for name in ("rmg", "l2m", "entropy"):
        assert found[name] == pytest.approx(course.trajectory[name].tolist(), abs=1e-6)
    assert course.embeddings["text"].shape == (len(course.trajectory), min(WATCHED, 200), 4)
    assert found["temperature"][-1] == pytest.approx(1 / course.trajectory.logit_scale.iloc[-1])


def test_three_dimensions_are_shown_as_they_are_and_more_by_a_projection_that_says_what_it_loses(course):
    def drawn(some):
        where, shares = explorer.positions(some, 7)
        shape = (2, len(course.trajectory), 2, 7, 3)
        return np.frombuffer(where, "<i2").reshape(shape) / 32767, shares

    flat = {name: torch.nn.functional.normalize(z[..., :3], dim=-1) for name, z in course.embeddings.items()}
    where, shares = drawn(replace(course, embeddings=flat))
    assert np.abs(where[0, -1, 1] - flat["text"][-1, :7].numpy()).max() < 1e-4
    assert shares["trained"] == pytest.approx([1.0] * len(course.trajectory))
    axes = explorer.axes_of(course.embeddings)
    assert torch.allclose(axes.T @ axes, torch.eye(3, dtype=axes.dtype), atol=1e-6)
    image, text = (z.double().mean(1) for z in course.embeddings.values())
    widest = (image - text)[(image - text).norm(dim=1).argmax()]
    assert float((widest @ axes[:, 0]).abs()) == pytest.approx(float(widest.norm())), (
        "the first axis is that of the gap"
    )
    x = torch.cat([z[-1] for z in course.embeddings.values()]).double()
    x = x - x.mean(0)
    share = float((x @ axes).square().sum() / x.square().sum())
    assert drawn(course)[1]["trained"][-1] == pytest.approx(share) and 0.3 < share < 1


def test_the_command_writes_one_page_that_needs_no_network(tmp_path, monkeypatch, capsys, in_this_process):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["explore", *EXPLORED, "--to", "gap.html"]) == 0
    assert capsys.readouterr().out.endswith("gap.html\n")
    text = (tmp_path / "gap.html").read_text()
    assert "default-src 'none'" in text and not re.search(r"https?://(?!www\.w3\.org)", text) and len(text) < 10e6
    found = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert [slider["values"] for slider in found["sliders"]] == [["1", "5"]]
    assert [run["at"] for run in found["runs"]] == [[0], [1]]
    moments = len(found["runs"][0]["steps"])
    assert len(base64.b64decode(found["runs"][0]["positions"])) == 2 * moments * 2 * found["shown"] * 3 * 2
    assert set(found["factors"]) == {"digit", "thickness", "swelling", "fracture", "size", "colour"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["captions.attribute=1"], "did you mean 'captions.attributes'"),
        (["seed=range(0,1000)"], "one page shows at most"),
        (["posthoc=none,centring"], "centring is a switch on the page"),
        (["keep=tables"], "'keep=tables' is not understood here"),
        (["--to", "page.txt"], "--to page.txt: it is to be a file, as explore.html"),
    ],
)
def test_a_mistake_ends_in_one_line(tmp_path, monkeypatch, capsys, given, said):
    monkeypatch.chdir(tmp_path)
    fixed = ["captions.attributes=1", "encoder.apart=0", "temperature.mode=learnable"]
    assert cli.main(["explore", *fixed, *given]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and said in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_kept_no_course_is_told(explored, tmp_path):
    with pytest.raises(InputError, match="keeps no embeddings of its training"):
        explorer.read(replace(explored, folder=tmp_path), explored.tasks[0])
