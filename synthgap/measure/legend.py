"""What the numbers of `synthgap measure` mean, a line each, and how to ask for them. Quick to import, for `--help`."""

from synthgap.metric_names import METRICS

#: what is measured as a run measures it, or nearly so → how it differs
_AS_IN_RUNS = {
    "rmg": "",
    "l2m": "",
    "l2i": "",
    "alignment": "",
    "spread": "",
    "mean_cosine": "",
    "effective_scale": "",
    "centroid_share": "",
    "distribution_gap": "",
    "distribution_gap_normalised": "",
    "frechet": "",
    "principal_angle": "",
    "modality_auc": " (sample)",
    "robustness": " (sample, of which at most 500 ask)",
    "effective_rank": "",
    "mean_within_cosine": "",
    "separability_means": "",
    "separability_differences": "",
    "uniformity": " (sample)",
    "entropy": " (sample)",
    "recall@1_instance": ", or one of them (sample)",
    "map": " (sample)",
    "ncm": ", fitted on half the sample; also across modalities",
    "knn": " (sample)",
    "v_measure": "; factors of up to 200 values (sample, at most 2,000)",
    "v_measure_centred": ": is it the gap alone that hides them?",
    "moad": "",
    "moad_pooled": "",
}
#: metric → what it says; {k} stands for a number in its name
MEANINGS = {name: METRICS[name].meaning + differs for name, differs in _AS_IN_RUNS.items()} | {
    "gap_share@{k}": "share of l2m² in the k dimensions that hold most of it",
    "recall@5_instance": "recall@1_instance among the five nearest",
    "recall@10_instance": "the same among the ten nearest",
    "median_rank": "median over queries of the place, from 1, of the nearest right candidate (sample)",
    "recall@1_class": "share of queries whose nearest candidate has the same value (sample)",
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
fitting everything on all rows. Entropy and recall depend on the number of candidates, which is the sample's: compare
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
