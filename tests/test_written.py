"""Captions as somebody wrote them: which are read, which of several is drawn, and what they are estimated to tell."""

import numpy as np
import pandas as pd
import pytest
from test_own_data import SMALL, drawn, own  # noqa: F401  (fixtures)

from data_gen import Factor, FactorSpace, InputError, captions, written
from data_gen.information import critic_on, ideal_critic, information
from data_gen.seeds import generator
from data_gen.worlds import own_data
from synthgap import cli, observations, runs, studies

STUDY = """\
question: Do captions that somebody wrote tell as much as those that name every factor?
cases:
  named: {captions: fixed, captions.factors: [shape, colour, size]}
  as written: {captions: written}
grid: {seed: [0, 1, 2, 3, 4]}
claims:
  - claim: images are less well told apart by captions as written
    metric: imbalance_bits
    of: image-text
    over: case
    levels: [named, as written]
    direction: rises
    matters: 0.1
figure:
  x: {metric: imbalance_bits, of: image-text}
  panels:
    - {title: modality gap, curves: [{metric: rmg, of: image-text}]}
"""
SPACE = FactorSpace([Factor("shape", ["disc", "square"]), Factor("tint", ["light blue", "blue", "red"])])
POLICY = captions.independent(SPACE, {"shape": 1.0, "tint": 0.5})


def corpus(tell, images=400, seed=0):
    """The space with the frequencies of some images, and their captions as written: tell(values, i) of each."""
    codes = SPACE.sample(images, generator(seed, "images"))
    joint = np.zeros(SPACE.sizes)
    np.add.at(joint, tuple(codes.T), 1 / images)
    values = [[f.values[c] for f, c in zip(SPACE.factors, row, strict=True)] for row in codes]
    told = [[tell(row, i)] for i, row in enumerate(values)]
    space = FactorSpace(SPACE.factors, joint / joint.sum())
    return space, written.read(space, {"train": told}, {"train": codes})["train"]


def test_words_are_read_and_a_factors_word_of_several_is_one():
    told = {
        "train": [["A light-blue SQUARE!", "blue, light blue"], ["the disc's"]],
        "test": [["a green disc"], ["Wow"]],
    }
    codes = {"train": np.array([[1, 0], [0, 1]]), "test": np.array([[0, 1], [0, 1]])}
    found = written.read(SPACE, told, codes)
    texts = {split: captions.texts(SPACE, part.tokens, written.Written(part)) for split, part in found.items()}
    assert texts["train"] == ["a light-blue square", "blue light blue", "the disc's"]
    words = found["train"].words
    assert words[:5] == SPACE.words and words[-1] == written.UNKNOWN
    light_blue = 1 + words.index("light blue")
    assert found["train"].tokens[1].tolist()[:2] == [1 + words.index("blue"), light_blue], (
        "one word, as the factor has it"
    )
    assert texts["test"] == ["a disc", "?"], (
        "what no training caption says is left out; of nothing left, a word remains"
    )
    assert found["train"].of.tolist() == [0, 0, 1]


def test_of_several_captions_one_is_drawn_and_the_same_for_the_same_seed():
    told = {"train": [["one", "two", "three"], ["only"]]}
    texts = written.read(SPACE, told, {"train": np.array([[0, 0], [1, 1]])})["train"]
    images = np.array([0] * 3000 + [1] * 10)

    def said(seed, rows=images):
        tokens = captions.write(SPACE, written.Written(texts), texts.codes[rows], generator(seed, "captions"), rows)
        return captions.texts(SPACE, tokens, written.Written(texts))

    first = said(0)
    shares = pd.Series(first[:3000]).value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx({"one": 1 / 3, "two": 1 / 3, "three": 1 / 3}, abs=0.04)
    assert first[3000:] == ["only"] * 10 and said(0) == first != said(1)
    assert said(0, images[:40]) == first[:40], "a row does not depend on how many there are"


def test_words_stand_as_they_are_written_or_in_random_order():
    texts = written.read(SPACE, {"train": [["b c d a"]]}, {"train": np.array([[0, 0]])})["train"]
    images = np.zeros(50, dtype=int)
    kept, mixed = (
        captions.write(SPACE, captions.written(SPACE, texts, shuffled), texts.codes[images], generator(0), images)
        for shuffled in (False, True)
    )
    assert (kept == texts.tokens[0]).all() and len(np.unique(mixed, axis=0)) > 10
    assert (np.sort(mixed, axis=1) == np.sort(kept, axis=1)).all()


def test_the_estimate_of_captions_whose_information_is_known():
    """Captions that are written by a policy whose bits are exact: it comes near, and from below but for chance."""
    u = generator(0, "named").random(400)
    space, texts = corpus(lambda v, i: f"a {v[0]} that is {v[1]}" if u[i] < 0.5 else f"some {v[0]}")
    exact, found = information(space, POLICY), information(space, written.Written(texts))
    assert found.image == exact.image and exact.error is None
    assert exact.shared - 0.15 < found.shared < exact.shared + 2 * found.error
    assert found.imbalance == found.image - found.shared and 0 < found.error < 0.1


@pytest.mark.parametrize("tell", [lambda v, i: "a picture", lambda v, i: f"picture number {i}"])
def test_captions_that_tell_nothing_are_estimated_to_tell_nothing(tell):
    """Even if each is another: counted as they are, they would tell all there is."""
    space, texts = corpus(tell)
    assert information(space, written.Written(texts)).shared < 0.02


def test_what_captions_say_of_factors_that_images_do_not_show():
    space, texts = corpus(lambda v, i: f"{v[0]} {v[1]}")
    found = information(space, written.Written(texts), ["shape"])
    exact = information(space, captions.fixed(space, ["shape", "tint"]), ["shape"])
    assert found.shared == pytest.approx(exact.shared, abs=0.05)
    assert found.text_only == pytest.approx(exact.text_only, abs=0.1)


def test_the_estimated_critic_comes_near_the_ideal_one_where_captions_name_factors():
    space, texts = corpus(lambda v, i: f"a {v[1]} {v[0]}")
    codes = SPACE.sample(300, generator(1))
    named = captions.write(space, captions.fixed(space, ["shape", "tint"], shuffled=False), codes, generator(0))
    ideal, found = critic_on(space, codes, named), critic_on(space, codes, named, policy=written.Written(texts))
    assert ideal.loss < found.loss < ideal.loss + 0.1 and found.recall == pytest.approx(ideal.recall, abs=0.02)


def test_a_sweep_over_captions_as_written_and_named_gets_its_verdict(own, tmp_path, capsys):  # noqa: F811
    (tmp_path / "mine.yaml").write_text(STUDY)
    asked = ["world=pictures", "data.factors=[shape,colour,size]", *SMALL]
    study = studies.load("mine.yaml")
    plan = runs.plan(study, asked)
    runs.prepare(plan)
    runs.work(plan)
    assert not runs.failures(plan)
    assert cli.main(["show", "mine.yaml", *asked]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "bits and floors are estimates in 5 of 10 runs, of captions as written" in said
    assert "bits left out (estimated)" in said
    (path,) = (tmp_path / "runs").glob("mine*/verdicts.parquet")
    verdict = pd.read_parquet(path).iloc[0]
    assert verdict.verdict == "supported" and verdict.effect > 1, "captions never say the size: 1.58 bits"
    table = pd.read_parquet(path.with_name("results.parquet"))
    assert set(table[table.metric == "probe"].of) == {"shape", "colour", "size"} and table.run_id.nunique() == 10
    assert set(table[table.metric == "bits_error"].case) == {"as written"}
    assert (table[table.metric == "bits_error"].value < 0.1).all()


def test_each_sample_has_a_caption_of_its_own_image_and_symbols_one_of_their_combination(own):  # noqa: F811
    world = own_data.world("pictures", "test", factors=("shape", "colour"))
    for images in ("pixels", "symbolic"):
        config = resolved(f"images={images}")
        shown, codes = observations.observe(own.parent / "datasets", config, "test")(0)
        policy = observations.policy_of(config, world.space)
        said = captions.texts(world.space, shown["text"], policy)
        values = world.space.table(codes)
        for caption, shape, colour in zip(said, values["shape"], values["colour"], strict=True):
            assert caption in (f"a {colour} {shape}", f"{shape} {colour}")
        assert len(set(said)) > 6, "of both captions of an image"


def resolved(*overrides):
    study = studies.Study("own", "?", "", {"seed": [0]}, [{}], {"quick": {}}, (), {})
    asked = [*SMALL, "world=pictures", "data.factors=[shape,colour]", "captions=written", *overrides]
    return runs.plan(study, asked).tasks[0].config


def test_an_edited_caption_is_another_run_where_captions_are_read_and_only_there(own):  # noqa: F811
    def ids():
        study = studies.Study("own", "?", "", {"seed": [0]}, [{}], {"quick": {}}, (), {})
        asked = [*SMALL, "world=pictures"]
        return [
            runs.plan(study, [*asked, *captions]).tasks[0].run_id
            for captions in (["captions=written"], ["captions.attributes=1"])
        ]

    before = ids()
    path = own / "metadata.csv"
    path.write_text(path.read_text().replace("a red square", "one red square", 1))
    own_data._read.cache_clear()  # a file's time may be the same
    own_data._texts.cache_clear()
    after = ids()
    assert after[0] != before[0] and after[1] == before[1]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("a red square", '" ?! "', "row 1: its caption has no word, but is ' ?! '"),
        ("a red square", "", "row 1: its caption has no word, but is nan"),
        ("title", "words", "has no column of captions (caption, captions, title, text), as captions=written needs"),
    ],
)
def test_a_caption_that_cannot_be_read_is_told_with_its_row(own, old, new, told, capsys):  # noqa: F811
    path = own / "metadata.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    asked = ["world=pictures", "data.factors=[shape,colour]", "captions=written", *SMALL]
    assert cli.main(["plan", "imbalance", "~captions.attributes", *asked]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and told in error, error


def test_other_worlds_have_no_captions_as_written(capsys):
    assert cli.main(["plan", "imbalance", "~captions.attributes", "captions=written"]) == 2
    assert "captions=written reads the captions of images of your own" in capsys.readouterr().err


def test_what_cannot_occur_and_a_critic_that_has_seen_the_captions_are_refused():
    space, texts = corpus(lambda v, i: v[0])
    with pytest.raises(InputError, match="critic_on estimates it on captions of the test"):
        ideal_critic(space, written.Written(texts), 10, generator(0))
    impossible = FactorSpace(SPACE.factors, np.eye(2, 3) / 2)
    with pytest.raises(InputError, match="an image shows what cannot occur"):
        critic_on(impossible, np.array([[0, 2]]), texts.tokens[:1], policy=written.Written(texts))
