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
# # 2. State a claim, then test it
#
# After this lesson you can read a verdict word by word, compute it from a table, say why three seeds prove nothing, and
# correct for many claims.
#
# It takes about 40 minutes, of which the machine computes about one.
#
# **Before you begin.** On your own machine, install the wheel that your teacher gave you: `pip install
# "WHEEL[lessons]"`, with its path
# in place of WHEEL. On Colab, upload the wheel (the folder symbol on the left), and run the next cell. Then run the
# cells from top to
# bottom. Where a **prediction** is asked for, write yours in place of the `"?"` before you read on.

# %%
import importlib.util
import subprocess
import sys

WHEEL = "synthgap-0.1.0-py3-none-any.whl"
if importlib.util.find_spec("synthgap") is None:  # as on Colab
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", WHEEL], check=True)

import numpy as np
import pandas as pd

from synthgap import statistics
from synthgap.lessons import FULL, check, command, solved

# %% [markdown]
# ## 1. A claim, before the run
#
# In [lesson 1](1-what-is-a-modality-gap.ipynb) the gap of one model with poor captions was larger than that of one
# with rich captions.
# That is an observation. A **claim** says beforehand *what* is measured, *over which levels*, *which way* it goes,
# and *how much* of a
# change matters. This one comes with synthgap, in the study `imbalance`:
#
# ```yaml
# - claim: the modality gap falls as captions tell more
#   metric: rmg
#   of: image-text
#   over: captions.attributes
#   levels: [1, 2, 3, 4, 5]
#   direction: falls
#   matters: 0.05
# ```
#
# `preset=class` trains small models with captions of 1, 3 and 5 attributes, five seeds each. A **seed** decides what
# chance decides: data, weights,
# and the order of batches. Runs that are compared share their seed.
#
# ### Prediction 1
# How large is the RMG with one attribute less that with five? Is it above the 0.05 that matters: `yes` or `no`?

# %%
prediction = "?"

# %%
command("synthgap run imbalance preset=class")

# %% [markdown]
# ## 2. A verdict, word by word

# %%
verdicts = pd.read_parquet("runs/imbalance/verdicts.parquet")
verdict = verdicts[verdicts.claim == "the modality gap falls as captions tell more"].iloc[0]
print(verdict[["claim", "verdict", "effect", "low", "high", "p", "p_floor", "seeds"]].to_string())
check(prediction, "yes" if verdict.effect < -0.05 else "no")

# %% [markdown]
# Everything in that row can be computed by hand from the table of runs. First a matrix: a row a seed, a column a level.

# %%
results = pd.read_parquet("runs/imbalance/results.parquet")
rmg = results[(results.metric == "rmg") & (results.of == "image-text")]
table = rmg.pivot(index="seed", columns="captions.attributes", values="value")
table.round(3)

# %%
change = table[5] - table[1]
low, high = statistics.paired_interval(change)
p = statistics.trend_test(table, "falls")
floor = statistics.smallest_p(seeds=len(table), levels=table.shape[1])
print(f"effect   {change.mean():+.3f}: the mean over seeds of (5 attributes less 1 attribute)")
print(f"interval [{low:+.3f}, {high:+.3f}]: where that mean is likely to be, at 95 %, if there were many more seeds")
print(f"p        {p:.1e}: how often an order as good as this comes by chance, if captions did nothing")
print(f"floor    {floor:.1e}: the smallest p that so few seeds can give: (1/3!)^seeds")

# %% tags=["hide-input"]
assert np.allclose([change.mean()], [verdict.effect])
if FULL:
    assert np.allclose([low, high, floor], [verdict.low, verdict.high, verdict.p_floor]) and np.isclose(p, verdict.p)
    assert verdict.verdict == "supported" and verdict.effect < -0.05 and verdict.high < -0.05 and verdict.p < 0.05

# %% [markdown]
# The claim is **supported**, as three things are true at once: p < 0.05; the whole interval is below 0; and the
# effect is larger
# than what matters. It would be **contradicted** if the opposite were significant, or the effect surely too small to
# matter, and
# **undecided** else.
#
# ### Exercise 1
# If an effect of at least 0.3 mattered, what would the verdict be? Use `statistics.judge(table, "falls", matters=…)`;
# its `.verdict` is the answer.

# %%
answer = "?"
right = statistics.judge(table.to_numpy(), "falls", matters=0.3).verdict
check(answer, right)

# %% [markdown]
# *Solution.*

# %%
strict = statistics.judge(table.to_numpy(), "falls", matters=0.3)
print(strict)
solved(strict.verdict, right)

# %% tags=["hide-input"]
if FULL:
    assert right == "contradicted"

# %% [markdown]
# Contradicted: the effect is there, but all of its interval is smaller than 0.3. Say what matters *before* you look.
#
# ## 3. Why three seeds prove nothing
#
# Suppose that something does **nothing** at all, and you compare two levels. Each seed gives a difference, up or down
# by chance.
#
# ### Prediction 2
# In how many of 100 such experiments do all three seeds point the way you hoped? Give a number.

# %%
prediction = None

# %%
chance = np.random.default_rng(0)
nothing = chance.normal(size=(20_000, 3))
fooled = 100 * (nothing < 0).all(axis=1).mean()
print(f"{fooled:.1f} of 100")
check(prediction, 12.5, within=3)

# %% tags=["hide-input"]
assert abs(fooled - 12.5) < 1

# %% [markdown]
# One in eight (1/2 × 1/2 × 1/2). "All three seeds agree" sounds strong, and happens by chance in one case of eight.
# So the smallest p
# of an exact test with three seeds is 1/8, which is never below 0.05. How many seeds does it take?

# %%
for seeds in range(3, 9):
    floor = statistics.smallest_p(seeds, levels=2)
    print(f"{seeds} seeds: smallest p {floor:.4f}", "can decide" if floor < 0.05 else "can never decide")

# %% tags=["hide-input"]
assert [statistics.smallest_p(n, 2) < 0.05 for n in (3, 4, 5)] == [False, False, True]

# %% [markdown]
# Five, for two levels. More levels in perfect order say more: with three levels, even three seeds can have a p of
# (1/6)³.
#
# And if the effect **is** real? Say that it is as large as the seeds scatter. How often is it found, with 5 seeds and
# with 12?


# %%
def found(seeds, effect, experiments=400):
    """The share of simulated experiments with p < 0.05 in an exact test of two levels."""
    draws = chance.normal(-effect, 1, size=(experiments, seeds))
    return np.mean([statistics.difference_test(row, "falls") < 0.05 for row in draws])


power = {seeds: found(seeds, effect=1.0) for seeds in (3, 5, 12)}
false_alarms = {seeds: found(seeds, effect=0.0) for seeds in (3, 5, 12)}
print(pd.DataFrame({"effect is real": power, "nothing there": false_alarms}))

# %% tags=["hide-input"]
assert power[3] == 0 and 0.2 < power[5] < power[12] and power[12] > 0.85
assert max(false_alarms.values()) < 0.09

# %% [markdown]
# With 3 seeds nothing is ever found. With 5 it is found sometimes, with 12 nearly always; and where nothing is there,
# about one in twenty at most
# is a false alarm. That one in twenty is the next problem.
#
# ## 4. Twenty claims (Holm)
#
# ### Prediction 3
# You test 20 claims. None of them is true. In how many of 100 such studies is at least one p below 0.05?

# %%
prediction = None

# %%
p_values = chance.uniform(size=(5_000, 20))  # what p is where nothing is there
once = 100 * (p_values < 0.05).any(axis=1).mean()
corrected = 100 * np.mean([(statistics.holm(row) < 0.05).any() for row in p_values])
print(f"uncorrected: {once:.0f} of 100; after Holm: {corrected:.1f} of 100")
check(prediction, 100 * (1 - 0.95**20), within=5)

# %% tags=["hide-input"]
assert 60 < once < 68 and 3 < corrected < 7

# %% [markdown]
# About 64 of 100: 1 − 0.95²⁰. **Holm's correction** multiplies the smallest p by the number of claims, the next by
# one less, and so on. Then
# a false alarm in the whole study is as rare as 5 of 100.
#
# ### Exercise 2
# Correct these three by hand: 0.01, 0.04, 0.03. What becomes of the 0.03?

# %%
answer = None
check(answer, statistics.holm([0.01, 0.04, 0.03])[2], within=0.001)

# %% [markdown]
# *Solution.* The smallest: 0.01 × 3 = 0.03. The next: 0.03 × 2 = 0.06. The last: 0.04 × 1, but never below the one
# before: 0.06.

# %%
print(statistics.holm([0.01, 0.04, 0.03]))
solved(0.03 * 2, statistics.holm([0.01, 0.04, 0.03])[2], within=1e-9)

# %% [markdown]
# `synthgap verdicts` corrects the claims of your studies for one another:

# %%
command("synthgap verdicts imbalance")

# %% [markdown]
# **What you have learnt.** A claim is written first; a verdict needs p, an interval, and an effect that matters;
# three seeds cannot decide two
# levels; twenty tries need a correction.
