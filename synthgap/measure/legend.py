"""What the numbers of `synthgap measure` mean, a line each, and how to ask for them. Nothing to import: `--help` is quick."""

#: metric → what it says; {k} stands for a number in its name
MEANINGS = {
    "rmg": "relative modality gap: distance of pairs against that within modalities; 0 to 1, 0.5 if alike",
    "l2m": "distance between the two means, 0 to 2",
    "l2i": "mean distance of the true pairs, 0 to 2",
    "alignment": "mean cosine of the true pairs, -1 to 1",
    "effective_rank": "how many dimensions a modality fills, 1 to D",
    "gap_share@{k}": "share of l2m² in the k dimensions that hold most of it",
    "separability_means": "how well a line tells the modalities apart in each one's dimension of largest mean; 0.5 = chance",
    "separability_differences": "the same in the two dimensions in which the means differ most",
    "uniformity": "how evenly a modality fills the sphere, -8 to 0, lower is more even (sample)",
    "entropy": "how unsure the softmax over all candidates is, in nats, 0 to ln(candidates) (sample)",
    "recall@1_instance": "share of queries whose nearest candidate is their own partner, or one of them (sample)",
    "recall@5_instance": "the same among the five nearest",
    "recall@10_instance": "the same among the ten nearest",
    "median_rank": "median over queries of the place, from 1, of the nearest right candidate (sample)",
    "map": "mean average precision of finding the same value within the modality (sample)",
    "ncm": "accuracy on half the sample of the nearest class mean of the other half; also across modalities",
    "knn": "accuracy of the five nearest neighbours, both modalities pooled (sample)",
    "v_measure": "do clusters of both modalities follow the labels? 0 to 1; factors of up to 200 values (sample, ≤ 2,000)",
    "v_measure_centred": "the same with each modality's mean taken off: is it the gap alone that hides them?",
    "recall@1_class": "share of queries whose nearest candidate has the same value (sample)",
    "moad": "object bias: how much further apart the object's values are kept than those of the other factors",
    "moad_pooled": "the same with attributes pooled, as in published numbers",
}

EXAMPLES = """\
examples:
  synthgap measure image.npy text.npy
  synthgap measure clip.npz:image clip.npz:text --out clip --scale 100
  synthgap measure image.safetensors text.parquet:embedding --names image text
  synthgap measure image.npy text.npy --labels factors.csv --object colour
  synthgap measure image.npy captions.npy --groups image-ids.csv caption-ids.csv
  synthgap measure image.npy prompts.npy --groups classes.csv:class prompts.csv:class

X and Y: one row an item, row i of both a true pair unless --pairs or --groups say which are
  .npy                 a matrix [N, D]
  .npz, .safetensors   the only matrix inside, or FILE:NAME
  .pt, .pth            a tensor, or a dict of tensors as above; anything else inside is not loaded (weights_only)
  .parquet             the only column of equally long lists, or FILE:COLUMN; without lists, all columns (of one type)
  one file alone       an array [2, N, D] of both
  whole numbers and floats of 16, 32 or 64 bits, bfloat16 too; rows that are not of length 1 are brought to it, and told.
  Columns that count the rows, or hold whole numbers beside fractions, are refused: they are no dimensions.
labels, pairs and ids: .csv or .tsv, .parquet, .npy [N] or [N, F]; whole numbers or strings, a row as in X
  a CSV begins with a line of names (--no-header: it does not); its separator is that of comma, semicolon and tab which gives
  every line the same number of fields. What could be meant in two ways is refused; what was read is told.
N ≠ M, as with several captions an image or prompts of classes: --pairs, or --groups with an id a row. Recall counts any
  partner as right, and leaves out queries without one; with prompts, recall@1_instance is the zero-shot accuracy.

what is measured on all rows costs a pass or two; what compares rows with rows is taken on a random sample of them
(--sample), the same of X and Y (where pairs are given, of the larger of both, and of the other all that go with these), after
fitting on all rows whatever is fitted. Entropy and recall depend on the number of candidates, which is the sample's: compare
them at the same --sample only.

written into --out: metrics.csv (metric, of, value, rows_used); ablation.csv (gap, recall and, with labels, accuracy without
the 1, 2, 4, … dimensions of largest gap, or as many random ones); dimensions.csv, spectrum.csv and points.csv; and what
all of them look like, measure.png.

what each number means:
"""


def epilog() -> str:
    """The help below the options."""
    names = {name.format(k="k"): what for name, what in MEANINGS.items()}
    after = "rmg, l2m and recall@1_instance also after each modality's mean is taken off (centring) and after both are moved\n"
    after += "onto one centre (translation)."
    return EXAMPLES + "\n".join(f"  {name:25} {what}" for name, what in names.items()) + f"\n\n{after}"
