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
# # 1. What is a modality gap?
#
# After this lesson you can compute the two usual modality gaps and the matching entropy by hand, say what each of
# them sees, and read them off a trained model.
#
# It takes about 30 minutes, of which the machine computes less than one.
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
import torch

from synthgap import metrics
from synthgap.lessons import FULL, check, command, solved

np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## 1. Two matrices
#
# An *encoder* turns an image, or a caption, into a vector of length 1: its *embedding*. Here are four images and
# their four captions,
# in two dimensions, so that each is a point on a circle. Row *i* of one and row *i* of the other are a *pair*. We
# give each point by its
# angle. Captions are images turned by 90 degrees.


# %%
def on_circle(degrees):
    """Angles [N] → unit vectors [N, 2]."""
    angles = np.deg2rad(np.asarray(degrees, dtype=float))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


angles = np.array([-30, -10, 10, 30])
images = on_circle(angles)
texts = on_circle(angles + 90)
images, texts

# %% [markdown]
# **The distance of the means (L2M).** Take the mean of the images, and the mean of the captions, and the distance
# between the two.

# %%
mean_image, mean_text = images.mean(axis=0), texts.mean(axis=0)
l2m = np.linalg.norm(mean_image - mean_text)
print("mean of images", mean_image, " mean of captions", mean_text, f" L2M {l2m:.3f}")

# %% [markdown]
# **The relative modality gap (RMG).** How far are true pairs apart, compared with what lies within a modality? With
# d = (1 − cosine)/2, M is the mean d of the true pairs, I that of all pairs of different images, T that of all pairs
# of different captions:
#
# RMG = M / (M + (I + T)/2)


# %%
def d(x, y):
    """(1 − cosine)/2 of each row of x with each row of y."""
    return (1 - x @ y.T) / 2


def rmg(images, texts):
    others = ~np.eye(len(images), dtype=bool)
    M = np.diag(d(images, texts)).mean()
    I, T = d(images, images)[others].mean(), d(texts, texts)[others].mean()  # noqa: E741
    return M / (M + (I + T) / 2)


print(f"RMG {rmg(images, texts):.3f}")

# %% [markdown]
# ### Prediction 1
# The captions are turned back, until they lie on the images: 90, 60, 30, 0 degrees. Does RMG `fall`, `rise`, or `stay`?

# %%
prediction = "?"

# %%
for turn in (90, 60, 30, 0):
    turned = on_circle(angles + turn)
    distance = np.linalg.norm(images.mean(axis=0) - turned.mean(axis=0))
    print(f"turned by {turn:2}: L2M {distance:.3f}, RMG {rmg(images, turned):.3f}")
check(prediction, "fall")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
gaps = [rmg(images, on_circle(angles + turn)) for turn in (90, 60, 30, 0)]
assert gaps == sorted(gaps, reverse=True) and gaps[0] > 0.8 and abs(gaps[-1]) < 1e-9

# %% [markdown]
# At 90 degrees RMG is above 0.8: pairs are much further apart than images are from one another. When pairs coincide,
# it is 0.
#
# The library computes the same. (It counts M as at least 0.001, so that its RMG of coinciding pairs is a little above
# 0.)

# %%
x, y = torch.tensor(images), torch.tensor(texts)
print(f"L2M {metrics.l2m(x, y):.3f}, RMG {metrics.rmg(x, y):.3f}")
assert np.isclose(metrics.l2m(x, y), l2m) and np.isclose(metrics.rmg(x, y), rmg(images, texts))

# %% [markdown]
# ### Exercise 1
# Captions are in the right place on the circle, but in the wrong order: `texts[::-1]` of captions that lie on their
# images. What is L2M now?

# %%
answer = None
wrong_order = images[::-1]
check(answer, 0.0, within=0.01)

# %% [markdown]
# *Solution.* The means are the same, so L2M is 0. But pairs do not coincide, so RMG is not 0. **The two gaps are not
# the same thing**:
# L2M sees means only, RMG sees pairs.

# %%
solution = float(np.linalg.norm(images.mean(axis=0) - wrong_order.mean(axis=0)))
print(f"L2M {solution:.3f}, RMG {rmg(images, wrong_order):.3f}")
solved(round(solution, 3), 0.0, within=0.01)
assert rmg(images, wrong_order) > 0.2

# %% [markdown]
# ## 2. How sure is an image of its caption? (matching entropy)
#
# CLIP divides cosines by a temperature τ and takes a softmax: of each image, a probability for each caption. The
# entropy of these
# probabilities, in nats, says how many captions the image finds about equally good: e to the power of the entropy.


# %%
def probabilities(images, texts, temperature):
    logits = images @ texts.T / temperature
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def entropy(images, texts, temperature):
    p = probabilities(images, texts, temperature)
    return float(-(p * np.log(p + 1e-300)).sum(axis=1).mean())


texts = images  # captions on their images
print(probabilities(images, texts, temperature=0.07))

# %% [markdown]
# ### Prediction 2
# The temperature is made colder, from 1 to 0.01. Does the entropy `fall` or `rise`?

# %%
prediction = "?"

# %%
for temperature in (1, 0.07, 0.01):
    h = entropy(images, texts, temperature)
    print(f"τ {temperature:<5} entropy {h:.3f} nats: about {np.exp(h):.1f} captions fit")
check(prediction, "fall")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
cold = [entropy(images, texts, t) for t in (1, 0.07, 0.01)]
assert cold == sorted(cold, reverse=True) and np.exp(cold[0]) > 3.9 and np.exp(cold[-1]) < 1.1
assert np.isclose(metrics.logit_entropy(torch.tensor(images), torch.tensor(texts), 1 / 0.07), cold[1])

# %% [markdown]
# At τ = 1 all four fit. At τ = 0.01 it is one, or nearly so.
#
# ### Prediction 3: why nothing in the loss closes the gap
# All captions are moved by the same vector, far away (and for once we do not bring them back to length 1). L2M grows.
# Does the entropy
# from image to caption `fall`, `rise`, or `stay`?

# %%
prediction = "?"

# %%
moved = texts + np.array([0.0, 5.0])
print(
    f"L2M {np.linalg.norm(images.mean(axis=0) - moved.mean(axis=0)):.2f}, "
    f"entropy before {entropy(images, texts, 0.07):.6f}, after {entropy(images, moved, 0.07):.6f}"
)
check(prediction, "stay")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
assert np.isclose(entropy(images, moved, 0.07), entropy(images, texts, 0.07))
assert np.isclose(np.linalg.norm(images.mean(axis=0) - moved.mean(axis=0)), 5)

# %% [markdown]
# It stays. What is the same for all captions adds the same to all logits of an image, and a softmax does not see
# that. So this half of
# the loss has no reason to bring the means together.
#
# ## 3. Two encoders that learn
#
# Now real ones. The world is MAD: digits with five attributes (thickness, swelling, fracture, size, colour).
# `images=symbolic` shows
# the factors themselves in place of pixels, so that a run takes seconds. Two models are trained. In one, captions
# name all five
# attributes; in the other, the digit and one attribute.
#
# ### Prediction 4
# Which model has the larger RMG: that whose captions tell `1`, or `5` attributes? And how many captions fit an image
# there?

# %%
prediction = "?"

# %%
command(
    "synthgap run imbalance images=symbolic captions.attributes=1,5 seed=0 "
    "mad.images=4000 mad.test_images=500 training.batch=128 name=lesson1"
)

# %%
import pandas as pd

import synthgap

table = pd.read_parquet("runs/imbalance+lesson1/results.parquet")
runs = table.drop_duplicates("run_id").set_index("captions.attributes").run_id
models = {k: synthgap.open(f"runs/imbalance/{runs[k]}") for k in (1, 5)}
for k, model in models.items():
    print(k, "attribute(s):", "; ".join(model.captions[:3]))

# %% [markdown]
# The embeddings are matrices as above, of 500 rows. The functions that you know work on them as they are.

# %%
measured = {}
for k, model in models.items():
    images, texts = (model.embeddings[name].double().numpy() for name in ("image", "text"))
    value = model.metrics.set_index(["metric", "of"]).value
    temperature = 1 / value["logit_scale", ""]
    measured[k] = rmg(images, texts), entropy(images, texts, temperature)
    print(
        f"{k} attribute(s): RMG by hand {measured[k][0]:.3f}, in the run's table {value['rmg', 'image-text']:.3f}; "
        f"about {np.exp(measured[k][1]):.0f} captions fit an image at τ = {temperature:.3f}"
    )
    assert np.isclose(measured[k][0], value["rmg", "image-text"], atol=1e-3)
check(prediction, "1")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    assert measured[1][0] > 0.15 > 0.1 > measured[5][0], "RMG"
    assert np.exp(measured[1][1]) > 15 and np.exp(measured[5][1]) < 5, "captions that fit"

# %% [markdown]
# Where captions leave more out, the gap is larger, and many captions fit an image: more than fifteen of 500 with one
# attribute named, fewer than five with
# all five.
#
# Look at it. Both modalities in the plane of their first two principal components, pairs joined by lines:

# %%
import matplotlib.pyplot as plt

_, axes = plt.subplots(1, 2, figsize=(9, 4.2))
for axis, (k, model) in zip(axes, models.items(), strict=True):
    images, texts = (model.embeddings[name].numpy()[:120] for name in ("image", "text"))
    centre = np.concatenate([images, texts]).mean(axis=0)
    directions = np.linalg.svd(np.concatenate([images, texts]) - centre, full_matrices=False)[2][:2].T
    a, b = (images - centre) @ directions, (texts - centre) @ directions
    axis.plot(*np.stack([a, b], axis=1).T, color="lightgray", linewidth=0.6, zorder=0)
    axis.scatter(*a.T, s=12, label="images")
    axis.scatter(*b.T, s=12, marker="^", label="captions")
    axis.set_title(f"captions name {k} of 5 attributes: RMG {measured[k][0]:.2f}")
axes[0].legend()
plt.show()

# %% [markdown]
# ### Exercise 2
# By L2M, how far are the means of the model with one attribute apart? Use `models[1].embeddings` and `metrics.l2m`.

# %%
answer = None
right = metrics.l2m(models[1].embeddings["image"], models[1].embeddings["text"])
check(answer, right, within=0.01)

# %% [markdown]
# *Solution.*

# %%
x, y = models[1].embeddings["image"], models[1].embeddings["text"]
solution = float((x.mean(dim=0) - y.mean(dim=0)).norm())
solved(round(solution, 3), right, within=0.01)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
if FULL:
    assert solution**2 / 4 < 0.1 * np.diag(d(x.numpy(), y.numpy())).mean()

# %% [markdown]
# The means are close: their distance is less than a tenth of what RMG counts in its numerator (L2M²/4 against M). So
# in this model "the modalities lie
# apart" is not what RMG says: what it counts here is that a caption which fits many images cannot lie on all of them.
#
# **What you have learnt.** L2M is about means, RMG about pairs, and entropy about how many captions fit. Captions
# that say less than the
# image shows leave a gap. To *test* such a sentence, with seeds enough for a verdict: `synthgap run imbalance
# preset=class`.
