"""README's promises: its numbers are those of the committed tables, its example runs as printed."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT, TINY

from synthgap import judging, runs, studies, tables, variables
from synthgap.judging import overview

README = (ROOT / "README.md").read_text()
WORLDS = {"imbalance": "strokes", "imbalance-mnist": "MNIST", "imbalance-symbolic": "symbolic"}


def verdict_rows() -> list[str]:
    """README's table of verdicts, a line a claim: one cell a world, for the learnable temperature."""
    tables = {
        world: pd.read_parquet(ROOT / "figures" / folder / "verdicts.parquet") for folder, world in WORLDS.items()
    }
    rows = []
    for i, claim in enumerate(tables["strokes"].claim):
        if "(τ learnable)" in claim:
            cells = [table.iloc[i] for table in tables.values()]
            shown = [f"**{c.verdict}** {c.effect:+.3f} [{c.low:+.3f}, {c.high:+.3f}]" for c in cells]
            p = max(c.p for c in cells)
            rows.append(
                f"| {claim.split(' (')[0]} | {' | '.join(shown)} | {p:.0e} ({cells[0].p_floor:.0e}) | {cells[0].seeds} |"
            )
    return rows


def test_readme_s_verdicts_are_those_of_the_committed_tables():
    rows = verdict_rows()
    assert len(rows) == 4
    for row in rows:
        assert row in README


def fixed_temperatures() -> str:
    """README's sentence on the arms that the table leaves out."""
    tables = [pd.read_parquet(ROOT / "figures" / folder / "verdicts.parquet") for folder in WORLDS]
    every = pd.concat(tables, ignore_index=True)
    fixed = every[~every.claim.str.contains("(τ learnable)", regex=False)]
    count = fixed.verdict.value_counts()
    return (
        f"At fixed temperatures (0.02, 0.07, 0.3) {count.get('supported', 0)} of {len(fixed)} verdicts are *supported*, "
        f"{count.get('contradicted', 0)} *contradicted*, {count.get('undecided', 0)} *undecided*"
    )


def test_readme_s_count_of_the_other_arms_is_true():
    assert fixed_temperatures() in " ".join(README.split())


def reading_rows() -> list[str]:
    """README's table of who reads whom: a line a kind of digit learnt from, the range over seeds."""
    read, rows = pd.read_csv(ROOT / "figures/handwriting/reading.csv"), []
    for kind, part in read.groupby("trained_on", sort=False):
        name = f"{part.images.iloc[0]:,} {'strokes' if kind == 'strokes' else 'MNIST digits'}"
        cells = [100 * part[part.tested_on == other].accuracy for other in ("mnist", "strokes")]
        rows.append(f"| {name} | {' | '.join(f'{a.min():.1f} to {a.max():.1f} %' for a in cells)} |")
    return rows


def fidelity_rows() -> list[str]:
    """README's table of what a net reads of each factor: a line a digit source and strength, in per cent."""
    read, rows = pd.read_csv(ROOT / "figures/fidelity/accuracy.csv"), []
    for (digits, strength), part in read.groupby(["digits", "strength"], sort=False):
        cells = " | ".join(f"{100 * a:.1f}" for a in part.accuracy)
        rows.append(f"| {'MNIST' if digits == 'mnist' else digits}, {strength} | {cells} |")
    return rows


def speed_rows() -> list[str]:
    """README's table of speeds, a line a way to make images."""
    speeds = pd.read_csv(ROOT / "figures/benchmarks/generator.csv")
    return [f"| {row.what} | {row.images_per_second_and_core:,} |" for row in speeds.itertuples()]


def change_rows() -> list[str]:
    """README's table of what MAD's published faults change: a line a number of attributes."""
    judged = pd.read_parquet(ROOT / "figures/published-mad/verdicts.parquet")
    judged = judged[judged.claim.str.startswith("the published code's faults")]
    k = judged.claim.str.extract(r"\(attributes (\d)\)")[0].astype(int)
    rows = []
    for level, part in judged.groupby(k):
        cells = [f"{c.effect:+.3f} [{c.low:+.3f}, {c.high:+.3f}] {c.verdict}" for c in part.itertuples()]
        rows.append(f"| {level} | {' | '.join(cells)} |")
    return rows


def paper_rows() -> list[str]:
    """README's table beside the published one: a line a case, the published number in brackets."""
    table = pd.read_parquet(ROOT / "figures/groupwise/results.parquet")
    panels = studies.load("groupwise").figure["panels"]
    curves = [curve for panel in panels for curve in panel["curves"] if "published" in curve]
    rows = []
    for case, part in table.groupby("case", sort=False):
        cells = []
        for curve in curves:
            mean = variables.of_runs(part, curve).mean()
            published = curve["published"].get(case)
            cells.append(f"{mean:.3f}" + (f" ({published:.3f})" if published else ""))
        rows.append(f"| {case} | {' | '.join(cells)} |")
    return rows


def claim_rows() -> list[str]:
    """README's table of all verdicts, a line a claim."""
    return overview.markdown(overview.of_all([], ROOT / "figures"), ROOT / "figures").splitlines()


def threshold_rows() -> list[str]:
    """README's table of gaps from which on a measure is under nine tenths of its best: a line an arm."""
    found = pd.read_csv(ROOT / "figures/open-and-close/thresholds.csv")
    rows = []
    for arm, part in found.groupby("arm", sort=False):
        cells = [
            f"{c.x:.2f} [{c.low:.2f}, {c.high:.2f}]"
            if c.seeds_falling == c.seeds
            else f"{c.seeds_falling} of {c.seeds} seeds"
            for c in part.itertuples()
        ]
        rows.append(f"| {arm} | {' | '.join('never' if cell.startswith('0 of') else cell for cell in cells)} |")
    return rows


def query_rows() -> list[str]:
    """README's table of what a query costs, a line a method."""
    found = pd.read_csv(ROOT / "figures/benchmarks/search.csv")
    return [f"| {row.method} | {row.milliseconds:.2f} | {row.ratio:.1f} |" for row in found.itertuples()]


def test_readme_s_table_of_methods_has_each_and_its_file():
    lines = [line for line in README.splitlines() if line.startswith("| ") and "](synthgap/" in line]
    options = " ".join(lines)
    for group in ("loss", "posthoc"):
        for name in options.GROUPS[group]:
            assert f"`{group}={name}`" in options or name == "none", f"{group}={name} is in no line"
    assert "`encoder.share=trunk`" in options
    named = {path for line in lines for path in re.findall(r"\]\((synthgap/[^)]+)\)", line)}
    files = {
        f"synthgap/{room}/{path.name}"
        for room in ("losses", "posthoc")
        for path in (ROOT / "synthgap" / room).glob("*.py")
    }
    assert files - named == {"synthgap/losses/__init__.py", "synthgap/losses/pairs.py", "synthgap/posthoc/__init__.py"}


def three_sentences() -> list[str]:
    """What README says in words of the studies with three modalities."""
    rich, group, faint = (
        pd.read_parquet(ROOT / "figures" / name / "results.parquet")
        for name in ("caption-richness-3", "groupwise", "groupwise-faint")
    )

    def mean(table, metric, of, case, **swept):
        for column, value in swept.items():
            table = table[table[column.replace("_", ".")] == value]
        return variables.of_runs(table[table.case == case], {"metric": metric, "of": of}).mean()

    def v(case, table=rich, **swept):
        return f"{mean(table, 'v_measure', 'digit', case, **swept):.2f}"

    clip, learnt, closed = "CLIP, τ = 0.1", "CLIP, τ learnt", "ATP + CU"
    pace = [f"{100 * mean(group, 'probe', 'audio pace', case):.0f} %" for case in (closed, clip)]
    return [
        f"V-Measure falls from {v(clip, captions_attributes=0)} to {v(clip, captions_attributes=8)} under CLIP at τ = 0.1 "
        f"and to {v(learnt, captions_attributes=8)} where τ is learnt; under ATP + CU it stays at "
        f"{v(closed, captions_attributes=8)}.",
        f"(a probe of the sound reads the pace in {pace[0]} instead of {pace[1]})",
        f"V-Measure is {v(clip, faint)} without and {v(closed, faint)} with ATP + CU",
    ]


FACTORS = ["digit", "thickness", "swelling", "fracture", "size", "colour"]


def method_sentences() -> list[str]:
    """What README says in words of the studies of methods."""
    tables = {
        name: pd.read_parquet(ROOT / "figures" / name / "results.parquet")
        for name in ("sharing-imsep", "neighbours", "isoclip", "translation", "losses")
    }

    def mean(name, metric, of, case="", digits=2, **swept):
        table = tables[name]
        for column, value in (swept | ({"case": case} if case else {})).items():
            table = table[table[column.replace("_", ".")] == value]
        return f"{variables.of_runs(table, {'metric': metric, 'of': of}).mean():.{digits}f}"

    def shared(metric, of, case, shift="none", digits=2):
        return mean("sharing-imsep", metric, of, case, digits, shift=shift)

    two = ("CLIP", "SharedCLIP", "IMSep", "AlignCLIP")
    gaps, read = (
        [shared(m, of, case, digits=d) for case in two]
        for m, of, d in (("rmg", "image-text", 2), ("zero_shot", FACTORS, 3))
    )
    cosines = [shared("alignment", "image-text", case) for case in two]
    ones, shuffled = (shared("zero_shot", FACTORS, f"AlignCLIP, D {which}", digits=3) for which in ("= 1", "shuffled"))
    high = shared("alignment", "image-text", "AlignCLIP, D shuffled")

    def rank(metric, k, of="digit"):
        return mean("neighbours", metric, of, captions_attributes=k)

    def found(of, k, case="cosine"):
        return mean("isoclip", "map", of, case, captions_attributes=k)

    def lost(metric, of, case, k, digits=2):
        return mean("losses", metric, of, case, digits, captions_attributes=k)

    def gap(case, k):
        return lost("rmg", "image-text", case, k)

    accuracy = [lost("zero_shot", FACTORS, case, 1) for case in ("CLIP", "ATP + CU", "AlignCLIP")]
    (moved,) = pd.read_parquet(ROOT / "figures/sharing-imsep-mnist/verdicts.parquet").itertuples()
    top, ignored = "IsoCLIP, top 1", "equal captions ignored"
    return [
        f"from a cosine of {cosines[0]} to {cosines[1]} and {cosines[2]}, together to {cosines[3]}; from an RMG "
        f"of {gaps[0]} to {gaps[1]} and {gaps[2]}, together to {gaps[3]}.",
        f"zero-shot accuracy is {read[0]} under CLIP, {read[1]} with a shared trunk, {read[2]} with "
        f"separation, {read[3]} with both",
        f"True distances read more ({read[3]}) than none ({ones}) or shuffled ones ({shuffled}), though it is shuffled ones "
        f"that give the highest cosine ({high})",
        f"is {rank('neighbour_distance', 1)} at one attribute, and {rank('neighbour_distance_random', 1)} by chance; the "
        f"published computation makes {rank('neighbour_distance_published', 1)} of it",
        f"ATP + CU (an RMG of {gap('ATP + CU', 1)} at one attribute) and AlignCLIP ({gap('AlignCLIP', 1)}) have the smallest "
        f"gaps where CLIP has {gap('CLIP', 1)}, and read less by one-word captions: {accuracy[1]} and {accuracy[2]} instead "
        f"of {accuracy[0]}",
        f"Left out of the negatives they narrow the gap from {gap('CLIP', 0)} to {gap(ignored, 0)} where captions name the "
        f"digit alone, and no more where they name one attribute ({gap('CLIP', 1)} and {gap(ignored, 1)})",
        f"With captions of the digit alone it lowers mAP of the digit from {found('digit', 0)} to {found('digit', 0, top)}; "
        f"with captions that name everything it raises it from {found('digit', 5)} to {found('digit', 5, top)}",
        f"colour gains wherever captions name it now and then (from {found('colour', 3)} to {found('colour', 3, top)} at three "
        f"attributes, to {found('colour', 3, 'IsoCLIP, top 4')} if four directions go)",
        f"Token inversion ({found('digit', 3, 'OTI')} for the digit and {found('colour', 3, 'OTI')} for the colour, against "
        f"plain cosines' {found('digit', 3)} and {found('colour', 3)})",
        f"Where captions name everything, whitening does more for the digit ({found('digit', 5, 'whitened')}), and less for "
        f"the colour ({found('colour', 5, 'whitened')} against IsoCLIP's {found('colour', 5, top)})",
        f"MNIST's digits ({moved.effect:+.3f} [{moved.low:+.3f}, {moved.high:+.3f}])",
    ]


def trigger_sentences() -> list[str]:
    """What README says in words of the studies of "Two Effects, One Trigger"."""
    names = (
        "cone-effect",
        "caption-truncation",
        "entropy-finetune",
        "temperature",
        "reverse-imbalance",
        "robustness-of-the-finding",
    )
    tables = {name: pd.read_parquet(ROOT / "figures" / name / "results.parquet") for name in names}

    def mean(name, metric, of="image-text", digits=3, **swept):
        table = tables[name]
        for column, value in swept.items():
            table = table[table[column.replace("__", ".")] == value]
        return f"{variables.of_runs(table, {'metric': metric, 'of': of}).mean():.{digits}f}"

    lean = pd.read_parquet(ROOT / "figures/caption-presence/verdicts.parquet").set_index("claim").effect
    towards = {name: f"{lean[f'images lean towards the {name} where captions always name it']:.3f}" for name in FACTORS}

    def cone(share, k, apart):
        of = {"metric": "rmg_at", "of": share} if share != "end" else {"metric": "rmg"}
        return mean("cone-effect", **of, captions__attributes=k, encoder__apart=apart)

    def cut(metric, of="image-text", digits=3):
        shares = (1.0, 0.5, 0.25)
        learnt = {"temperature__mode": "learnable"}
        return [mean("caption-truncation", metric, of, digits, captions__fraction=share, **learnt) for share in shares]

    def tuned(metric, of="image-text", digits=3):
        both, quarter = ("learnable", "frozen"), {"finetune__fraction": 0.25}
        return [mean("entropy-finetune", metric, of, digits, finetune__temperature=x, **quarter) for x in both]

    def fixed(metric, of, tau, k=1):
        return mean("temperature", metric, of, captions__attributes=k, temperature__init=tau)

    rmg, found, loss, floor = cut("rmg"), cut("recall@1_instance"), cut("loss", "", 2), cut("floor_loss", "", 2)
    entropy, gap, l2m, scale = tuned("entropy", digits=2), tuned("rmg"), tuned("l2m"), tuned("logit_scale", "", 0)
    crowded = tuned("uniformity", "image", 2)
    assert float(fixed("moad", "image", 1.0, k=5)) < 0
    models = pd.read_parquet(ROOT / "figures/gap-vs-performance/verdicts.parquet")
    tau = [f"{effect:+.2f}" for effect in models.effect]
    assert models.stated_after[8] == 162 and not models.stated_after[:8].any()
    robust = pd.read_parquet(ROOT / "figures/robustness-of-the-finding/verdicts.parquet")
    stands = robust.verdict.eq("supported").groupby(robust.metric, sort=False).agg(["sum", "size"])
    gap_stands, bias_stands = (f"{row['sum']} of {row['size']}" for _, row in stands.iterrows())
    (exception,) = robust[robust.verdict != "supported"].arm

    def bits(k):
        where = dict(case=exception, captions__attributes=k)
        return mean("robustness-of-the-finding", "unshared_bits", digits=1, **where)

    cases = ("nothing is left out", "captions: only digit", "images: only digit")
    whole, captions, images = (mean("reverse-imbalance", "rmg", case=case) for case in cases)
    return [
        f"from {whole} with nothing left out to {captions} with captions of the digit alone and to {images} with images of the "
        "digit alone",
        f"(Kendall's τ of zero-shot accuracy with RMG {tau[0]}, with L2M {tau[1]})",
        f"with the same captions it is {tau[3]}, among those with the same captions and as many images {tau[5]}.",
        f"among all that have seen 30,000 images τ is {tau[8]}.",
        f"the gap falls by 0.05 or more in {gap_stands} arms, the images' object bias in {bias_stands}.",
        f"leave {bits(1)} bits out of one another at one attribute and {bits(5)} at five.",
        f"rises by {towards['digit']} for the digit, {towards['thickness']} for the thickness, {towards['size']} for the size "
        f"and {towards['colour']} for the colour; towards swelling and fracture, which these encoders hardly see, by "
        f"{towards['swelling']} and {towards['fracture']}.",
        f"(an RMG of {float(cone('0', 5, 0.0)):.2f}). Set apart to {float(cone('0', 5, 3.0)):.2f}",
        f"end at {cone('end', 5, 3.0)} where captions name everything and at {cone('end', 1, 3.0)} where they name one "
        f"attribute ({cone('end', 5, 0.0)} and {cone('end', 1, 0.0)} from where they are drawn)",
        f"the gap rises from {rmg[0]} to {rmg[1]} and {rmg[2]}, and R@1 of the instance falls from {found[0]} to {found[1]} "
        f"and {found[2]}",
        f"{loss[0]} against {loss[1]} nats",
        f"loss rises from {floor[0]} to {floor[1]}",
        f"nearly the same entropy ({entropy[0]} and {entropy[1]} nats)",
        f"an RMG of {gap[1]} instead of {gap[0]}, at an L2M of {l2m[1]} instead of {l2m[0]}, while the free scale 1/τ falls "
        f"from {scale[1]} to {scale[0]}",
        f"(a uniformity of images of {crowded[1]} instead of {crowded[0]})",
        f"at one attribute an RMG of {fixed('rmg', 'image-text', 0.01)} at τ = 0.01 and {fixed('rmg', 'image-text', 1.0)} at "
        "τ = 1",
        f"from {fixed('moad', 'image', 0.01)} to {fixed('moad', 'image', 1.0)}; where captions name everything it ends "
        "below zero",
    ]


def test_where_the_gap_starts_is_said_to_matter_at_a_low_fixed_temperature():
    """What `cone-effect` finds is of a temperature that learns; README gives the command that shows the other."""
    paragraph = next(part for part in README.split("\n\n") if "`cone-effect`" in part)
    command = re.search(r"`synthgap run cone-effect ([^`]+)`", paragraph)
    assert "unless a low temperature is fixed" in paragraph and "0.73, and at 1.43" in " ".join(paragraph.split())
    configs = [task.config for task in runs.plan(studies.load("cone-effect"), command[1].split()).tasks]
    assert {c["encoder"]["apart"] for c in configs} == {0, 3} and len(configs) == 16
    assert {(c["temperature"]["mode"], c["temperature"]["init"]) for c in configs} == {("fixed", 0.02)}


@pytest.mark.parametrize("sentences", [trigger_sentences, three_sentences, method_sentences])
def test_what_readme_says_in_words_is_what_was_measured(sentences):
    for sentence in sentences():
        assert sentence in " ".join(README.split())


@pytest.mark.parametrize(
    "rows",
    [
        reading_rows,
        fidelity_rows,
        speed_rows,
        change_rows,
        paper_rows,
        claim_rows,
        threshold_rows,
        query_rows,
    ],
)
def test_readme_s_tables_are_those_that_are_committed(rows):
    assert len(rows()) >= 2
    for row in rows():
        assert row in README


def test_every_study_is_published_with_verdicts_that_its_table_still_comes_to():
    """Each row of the verdicts can be traced: to its claim by the hash, and to runs by the committed table."""
    for name in studies.available():
        folder, study = ROOT / "figures" / name, studies.load(name)
        assert (folder / f"{name}.png").stat().st_size > 10_000, name
        kept = overview.read(folder / "verdicts.parquet")
        assert set(kept.hash) <= {studies.claim_hash(claim) for claim in study.claims}, f"a claim of {name} was edited"
        assert set(kept.hash) <= json.loads((folder / "claims.json").read_text()).keys()
        judged = judging.verdicts(tables.read(folder / "results.parquet"), study)
        pd.testing.assert_frame_equal(kept[judged.columns], judged)


def test_what_readme_links_to_is_there():
    headings = {
        f"#{line.strip('# ').lower().replace(' ', '-')}" for line in README.splitlines() if line.startswith("#")
    }
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert target in headings or (ROOT / target).exists(), target


def test_the_figures_folders_hold_picture_table_and_verdicts():
    for folder in WORLDS:
        results = pd.read_parquet(ROOT / "figures" / folder / "results.parquet")
        assert results.seed.nunique() == 8
        assert results.run_id.nunique() == 192
        assert (ROOT / "figures" / folder / "imbalance.png").stat().st_size > 10_000


@pytest.mark.parametrize("images", ["pixels", "symbolic"])
def test_readme_s_own_world_runs_as_printed(tmp_path, images):
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "FactorSpace" in block)
    (tmp_path / "shapes.py").write_text(code)
    command = next(line for line in README.splitlines() if line.startswith("synthgap run imbalance world=shapes.py"))
    tiny = f"seed=0 images={images} mad.images=1024 mad.test_images=200 training.epochs=1".split()
    arguments = [sys.executable, "-m", *command.split(), *tiny]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = pd.read_parquet(tmp_path / "runs" / "imbalance" / "results.parquet")
    assert set(results[results.metric == "probe"]["of"]) == {"shape", "tint", "place", "size"}
    bits = results[results.metric == "imbalance_bits"].set_index("captions.attributes").value
    assert bits[3] == pytest.approx(0, abs=1e-9)
    assert bits[0] == pytest.approx(1.5 + 1 + 1)  # H(tint) + H(place) + H(size)


def test_readme_s_python_runs_as_printed(capsys):
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "ideal_critic" in block)
    exec(compile(code, "README.md", "exec"), {})
    assert "Information(image=10.7" in capsys.readouterr().out


def own_claims() -> dict[str, str]:
    """The YAML files that README's section shows: file's name → text."""
    section = README.split("## Test your own claim\n", 1)[1].split("\n## ")[0]
    return dict(re.findall(r"`(\w+\.yaml)`:\n\n```yaml\n(.*?)```", section, re.S))


def test_readme_s_own_claims_run_as_printed(synthgap, tmp_path):
    (tmp_path / "figures").symlink_to(ROOT / "figures")
    own = own_claims()
    assert set(own) == {"batch.yaml", "probe.yaml"}
    for name, text in own.items():
        (tmp_path / name).write_text(text)
    few = (o for o in TINY if "batch" not in o and "epochs" not in o)
    trained = synthgap("run", "batch.yaml", *few, "training.steps=4", "workers=1")
    assert trained.returncode == 0, trained.stderr
    assert "finished 15 new runs; 15 in all" in trained.stdout
    read = synthgap("run", "probe.yaml")
    assert read.returncode == 0, read.stderr
    assert "supported" in read.stdout and "192 runs, 8 seeds" in read.stdout
    told = " ".join(synthgap("verdicts").stdout.split())
    assert "batch" in told and "probe" in told
