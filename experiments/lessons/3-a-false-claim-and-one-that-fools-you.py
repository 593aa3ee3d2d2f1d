# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. A claim that is false, and one that fools you
#
# After this lesson you can tell a claim that is contradicted from one that is undecided, ask what else changed with
# what you varied, and see a correlation that turns round when something is held fixed.
#
# It takes about 45 minutes, of which the machine computes about four.
#
# **Before you begin.** On your own machine, install the wheel that your teacher gave you: `pip install
# "WHEEL[lessons]"`, with its path in place of WHEEL. On Colab, upload the wheel (the folder symbol on the left), and
# run the next cell. Then run the cells from top to bottom. Where a **prediction** is asked for, write yours in place
# of the `"?"` before you read on.

# %%
import importlib.util
import subprocess
import sys

WHEEL = "synthgap-0.1.0-py3-none-any.whl"
if importlib.util.find_spec("synthgap") is None:  # as on Colab
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", WHEEL], check=True)

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from synthgap import statistics
from synthgap.lessons import FULL, check, command, solved

# %% [markdown]
# All studies here are small: images are symbolic (the factors themselves in place of pixels), 4000 of them for
# training. They share these lines:

# %%
small = """
presets:
  small:
    set: {images: symbolic, mad.images: 4000, mad.test_images: 500, keep: tables}
"""


def values(study, metric, over, of="image-text"):
    """A metric of a study's runs: a row for each seed, a column for each level."""
    results = pd.read_parquet(f"runs/{study}/results.parquet")
    results = results[(results.metric == metric) & (results.of == of)]
    return results.pivot(index="seed", columns=over, values="value")


# %% [markdown]
# ## 1. A claim that is false
#
# "A wider embedding has more room. So images and captions need not stay apart, and the right caption is found more
# often." It sounds plausible. We vary the number of dimensions, with captions that name three of five attributes.
#
# ### Prediction 1
# From 16 to 256 dimensions, does the RMG `fall`, `rise`, or change by less than 0.02 (`stay`)?

# %%
prediction_rmg = "?"

# %% [markdown]
# ### Prediction 2
# And R@1, does it `fall`, `rise`, or change by less than 0.05 (`stay`)?

# %%
prediction_recall = "?"

# %%
wider = """
question: Does a wider embedding close the gap?
grid:
  encoder.embedding: [16, 64, 256]
  captions.attributes: [3]
  training.batch: [128]
  seed: [0, 1, 2, 3, 4]
claims:
  - claim: the gap falls with the number of dimensions
    metric: rmg
    of: image-text
    over: encoder.embedding
    levels: [16, 64, 256]
    direction: falls
    matters: 0.02
  - claim: R@1 rises with the number of dimensions
    metric: recall@1
    of: image-text
    over: encoder.embedding
    levels: [16, 64, 256]
    direction: rises
    matters: 0.05
"""
_ = Path("wider.yaml").write_text(wider + small)
command("synthgap run wider.yaml")

# %%
rmg, recall = (values("wider", metric, "encoder.embedding") for metric in ("rmg", "recall@1"))
print(f"RMG\n{rmg.round(3)}\n\nR@1\n{recall.round(3)}\n")
check(prediction_rmg, "rise")
check(prediction_recall, "stay")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    judged = statistics.judge(rmg, "falls", 0.02), statistics.judge(recall, "rises", 0.05)
    assert [one.verdict for one in judged] == ["contradicted", "contradicted"]
    assert judged[0].low > 0.02 and statistics.trend_test(rmg, "rises") < 0.001
    assert judged[1].low < 0 < judged[1].high < 0.05

# %% [markdown]
# Both claims are **contradicted**, but for different reasons:
#
# * The RMG goes in the **other direction**. It *rises* with the number of dimensions, in all seeds, and by more than
#   0.02.
# * R@1 hardly moves. Its interval contains 0, but that alone would be *undecided*. It is contradicted because the
#   **whole interval lies below 0.05**: whatever change there is, it is too small to matter.
#
# Contradicted is evidence against a claim. Undecided is no evidence.
#
# ### Exercise 1
# What was found about R@1 can be said as a claim of its own: "R@1 stays, within 0.05". Is that supported? Use
# `statistics.judge(recall, "stays", matters=0.05).verdict`. Then try "stays, within 0.005", too.

# %%
answer = "?"
right = statistics.judge(recall, "stays", matters=0.05).verdict
check(answer, right)

# %% [markdown]
# *Solution.*

# %%
for matters in (0.05, 0.005):
    found = statistics.judge(recall, "stays", matters=matters)
    print(f"stays within {matters}: {found.verdict} (largest change {found.effect:+.3f}, p {found.p:.2g})")
solved(statistics.judge(recall, "stays", matters=0.05).verdict, right)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    assert right == "supported" and statistics.judge(recall, "stays", matters=0.005).verdict == "undecided"

# %% [markdown]
# Supported within 0.05, undecided within 0.005: five seeds with 500 test images cannot tell such small changes from
# none. "No effect" can be supported only if one says how small is nothing.
#
# ## 2. A claim that fools you
#
# "A larger batch has more wrong captions to push away, so it opens the gap." Each model sees all training images four
# times (4 *epochs*, the usual setting). Captions name all five attributes.
#
# ### Prediction 3
# From 64 to 512 pairs in a batch, does the RMG `fall`, `rise`, or change by less than 0.02 (`stay`)?

# %%
prediction = "?"

# %%
batch = """
question: Does a larger batch open the gap?
grid:
  training.batch: [64, 256, 512]
  seed: [0, 1, 2, 3, 4]
claims:
  - claim: the gap rises with the batch
    metric: rmg
    of: image-text
    over: training.batch
    levels: [64, 256, 512]
    direction: rises
    matters: 0.02
"""
_ = Path("batch.yaml").write_text(batch + small)
command("synthgap run batch.yaml name=epochs")

# %%
by_epochs = values("batch+epochs", "rmg", "training.batch")
print(by_epochs.round(3))
check(prediction, "rise")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    judged = statistics.judge(by_epochs, "rises", 0.02)
    assert judged.verdict == "supported" and judged.low > 0.03 and (np.diff(by_epochs, axis=1) > 0).all()

# %% [markdown]
# **Supported**: every seed, a p at its floor, an effect well beyond what matters. Would you publish it?
#
# First ask: *what else changed with the batch?* Each run keeps the course of its training. Let us count the steps of
# the optimiser.

# %%
results = pd.read_parquet("runs/batch+epochs/results.parquet")
first_seed = results[results.seed == 0].drop_duplicates("run_id").set_index("training.batch").run_id
steps = {
    size: int(pd.read_parquet(f"runs/batch/{run}/trajectory.parquet").step.max()) + 1
    for size, run in first_seed.sort_index().items()
}
for size, number in steps.items():
    print(f"batch {size:3}: {number:3} steps")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    assert steps == {size: 4 * (4000 // size) for size in (64, 256, 512)}

# %% [markdown]
# An epoch of 4000 images is 62 batches of 64, but only 7 of 512. With the epochs held fixed, **a larger batch trains
# in fewer steps**: 248, 60 and 28. Batch and steps change together, so this study cannot tell which of the two opens
# the gap. They are *confounded*.
#
# So hold the steps fixed, at 60 for all. The claim stays as it is, word for word.
#
# ### Prediction 4
# With 60 steps each, from 64 to 512 pairs in a batch: does the RMG `fall`, `rise`, or `stay`?

# %%
prediction = "?"

# %%
command("synthgap run batch.yaml training.steps=60 name=steps")

# %%
by_steps = values("batch+steps", "rmg", "training.batch")
both = {"4 epochs each": by_epochs.mean(), "60 steps each": by_steps.mean()}
print(pd.DataFrame(both).T.round(3))
check(prediction, "fall")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    judged = statistics.judge(by_steps, "rises", 0.02)
    assert judged.verdict == "contradicted" and judged.high < -0.03 and (np.diff(by_steps, axis=1) < 0).all()
    assert np.allclose(by_steps[256], by_epochs[256], atol=1e-3)

# %% [markdown]
# **Contradicted**: the same claim, the same seeds, the opposite direction, and again in every seed. (With 256 pairs, 4
# epochs are 60 steps, so that the middle column is the same in both.)
#
# ### Exercise 2
# So what do the steps do? At a batch of 64, by how much does the RMG change from 60 steps to 248? Take the means over
# seeds of `by_steps` and `by_epochs`.

# %%
answer = None
smallest = by_epochs.columns[0]
right = by_epochs[smallest].mean() - by_steps[smallest].mean()
check(answer, right, within=0.005)

# %% [markdown]
# *Solution.*

# %%
change = (by_epochs - by_steps)[smallest]
low, high = statistics.paired_interval(change)
print(f"change {change.mean():+.3f}, interval [{low:+.3f}, {high:+.3f}]")
solved(round(change.mean(), 3), right, within=0.001)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    assert high < -0.03

# %% [markdown]
# More steps close the gap. That is what fooled us: with the epochs held, the model with the large batch had simply been
# trained for fewer steps.
#
# Is "60 steps each" then the right comparison? Something else changes there: 60 batches of 512 are 30,720 pairs, eight
# times as many as 60 batches of 64. One cannot hold batch, steps and pairs seen fixed, and vary the batch. So the claim
# has no verdict until it says **what is held**: "at equal epochs, the gap rises with the batch" is true here, and "at
# equal steps, it falls" is true as well. Who reads only "a larger batch opens the gap" is misled.
#
# ## 3. Simpson's paradox over models
#
# Now many models that differ in two ways at once, as published models do. The captions name 2, 3, 4 or 5 attributes,
# and the temperature is fixed at 0.02, 0.025 or 0.03. Training is short. How well does a model read the digit
# (*zero-shot accuracy*: is the nearest one-word caption that of the right digit)? Is a larger gap good or bad for it?
#
# ### Prediction 5
# Over all 12 kinds of models: does a larger RMG go with a `better` or a `worse` reading of the digit?

# %%
prediction_all = "?"

# %% [markdown]
# ### Prediction 6
# Among models whose captions name equally many attributes: `better` or `worse`?

# %%
prediction_within = "?"

# %%
models = """
question: Do models with a larger gap read the digit better?
grid:
  captions.attributes: [2, 3, 4, 5]
  temperature.mode: [fixed]
  temperature.init: [0.02, 0.025, 0.03]
  training.batch: [128]
  training.steps: [40]
  seed: [0, 1, 2, 3, 4]
claims:
  - claim: over all models, a larger gap goes with a better reading
    metric: zero_shot
    of: digit
    explained_by: {metric: rmg, of: image-text}
    test: kendall
    direction: rises
    matters: 0.1
  - claim: among models with equally rich captions, it does so too
    metric: zero_shot
    of: digit
    explained_by: {metric: rmg, of: image-text}
    test: kendall
    held: [captions.attributes]
    direction: rises
    matters: 0.1
"""
_ = Path("models.yaml").write_text(models + small)
fewer = "" if FULL else " captions.attributes=2,5 temperature.init=0.02,0.03"  # only where this lesson is tried out
command("synthgap run models.yaml" + fewer)

# %% [markdown]
# The effect is now **Kendall's τ**: take all pairs of models; how often do gap and accuracy differ in the same
# direction, less how often in opposite directions? 1 is always the same, −1 always the opposite. The second claim
# counts only pairs that agree in what is `held`. What is shuffled for p are the 12 kinds of models.

# %%
both = ["captions.attributes", "temperature.init"]
gap, reading = (values("models", metric, both, of) for metric, of in (("rmg", "image-text"), ("zero_shot", "digit")))
attributes, temperature = (gap.columns.get_level_values(name).to_numpy() for name in both)
tau_all = statistics.kendall(reading, gap).mean()
tau_within = statistics.kendall(reading, gap, strata=attributes).mean()
print(f"τ over all models                    {tau_all:+.2f}")
print(f"τ among models with equal captions   {tau_within:+.2f}")
check(prediction_all, "better")
check(prediction_within, "worse")

# %%
x, y = gap.mean(), reading.mean()
_, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
axes[0].scatter(x, y, color="black")
axes[0].plot(
    np.sort(x), np.polyval(np.polyfit(x, y, 1), np.sort(x)), color="black", linestyle="--", label="straight line"
)
axes[0].set(title=f"all models: τ = {tau_all:+.2f}", xlabel="RMG", ylabel="zero-shot accuracy of the digit")
for k, marker in zip(np.unique(attributes), "osD^", strict=False):
    axes[1].plot(x[attributes == k], y[attributes == k], marker=marker, label=f"{k} attributes")
axes[1].set(title=f"equal captions: τ = {tau_within:+.2f}", xlabel="RMG")
axes[0].set_ylim(top=1.02)
axes[0].legend()
axes[1].legend(title="captions name")
plt.tight_layout()
plt.show()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    judged = pd.read_parquet("runs/models/verdicts.parquet")
    assert list(judged.verdict) == ["supported", "contradicted"]
    assert np.allclose(judged.effect, [tau_all, tau_within]) and tau_all > 0.3 and tau_within < -0.7
    assert y[attributes == 2].min() > 0.99
    for k in (3, 4, 5):
        assert x[attributes == k].is_monotonic_decreasing and y[attributes == k].is_monotonic_increasing

# %% [markdown]
# The two answers are opposite. This is **Simpson's paradox**: a correlation over all turns round within each group.
# The figure shows how it comes about:
#
# * **Captions that name fewer attributes** leave a larger gap (lesson 1), *and* the digit is read better, probably as it
#   is then most of what a caption says. So the groups climb to the upper right.
# * **A colder temperature** also leaves a larger gap, but the digit is read worse. So within a group, it goes down to
#   the right. (With 2 attributes nearly all is right at all three temperatures, and the line is almost flat.)
#
# ### Exercise 3
# And among models of the same **temperature**, what is τ? Hold `strata=temperature` in place of `attributes`. Predict
# its sign first.

# %%
answer = None
right = statistics.kendall(reading, gap, strata=temperature).mean()
check(answer, right, within=0.02)

# %% [markdown]
# *Solution.*

# %%
tau_temperature = statistics.kendall(reading, gap, strata=temperature).mean()
print(f"τ among models of equal temperature  {tau_temperature:+.2f}")
solved(round(tau_temperature, 2), right, within=0.01)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    assert right > 0.9

# %% [markdown]
# Now it is positive, and stronger than over all. So which is the true one: +, − or +? None of them is "the effect of
# the gap". Nothing here sets the gap directly: captions move it, or the temperature does, and each does other things
# beside. What you hold fixed decides which of the two you look at. **Ask what moved the gap**, before you ask what
# the gap does.
#
# This happens outside of lessons, too. Over 98 published models, a larger gap went with *better* performance, because
# models of other sizes were pooled. Among models of the same training data, most of these correlations turned negative
# (Schrodi et al., *Two Effects, One Trigger*, ICLR 2025).
#
# **What you have learnt.** A claim can be contradicted by the opposite, or by an effect that is surely too small. A
# verdict of *supported* says that something changed, not why: ask what else changed with it, and say what is held. A
# correlation over models can turn round within groups.
