"""Plain names of metrics, for the axes of figures."""

from collections.abc import Mapping, Sequence

from synthgap.metric_names import METRICS, Metric

#: metric → its name on an axis; of others, what `METRICS` says up to its first comma or colon
_NAMES = {
    "rmg": "relative modality gap (RMG)",
    "l2m": "distance of the means (L2M)",
    "l2i": "distance of true pairs (L2I)",
    "alignment": "cosine of true pairs",
    "spread": "spread within modalities",
    "mean_cosine": "cosine of the means",
    "effective_scale": "effective scale (spread/τ)",
    "centroid_share": "share of the means in the gap",
    "distribution_gap": "distance of pairs, centred",
    "distribution_gap_normalised": "distance of pairs, centred and normalised",
    "modality_auc": "AUC of telling modalities apart",
    "frechet": "squared Fréchet distance",
    "principal_angle": "smallest principal angle (degrees)",
    "mean_within_cosine": "cosine within the modality",
    "robustness": "nearest candidate kept under noise",
    "uniformity": "uniformity (lower: more even)",
    "effective_rank": "effective rank (dimensions)",
    "gap_share@1": "share of the squared gap",
    "gap_share@4": "share of the squared gap",
    "separability_means": "accuracy of telling modalities apart",
    "separability_differences": "accuracy of telling modalities apart",
    "moad": "object bias (MOAD)",
    "moad_pooled": "object bias (MOAD, pooled)",
    "moad_towards": "bias towards the factor (MOAD)",
    "entropy": "entropy (nats)",
    "floor_entropy": "entropy (nats)",
    "entropy_at": "entropy (nats)",
    "recall@1": "R@1, same caption",
    "floor_recall@1": "R@1, same caption",
    "recall@1_ideal": "R@1, same caption",
    "recall@1_instance": "R@1, own partner",
    "recall@1_class": "R@1, same object",
    "zero_shot": "zero-shot accuracy",
    "zero_shot_ideal": "zero-shot accuracy",
    "zero_shot_ideal_published": "zero-shot accuracy",
    "probe": "linear probe accuracy",
    "map": "mAP within the modality",
    "map_gain": "gain in mAP",
    "ncm": "nearest class mean accuracy",
    "knn": "nearest neighbours accuracy",
    "v_measure": "V-Measure",
    "v_measure_centred": "V-Measure, centred",
    "nmi": "normalised mutual information",
    "single_modality_clusters": "clusters of one modality",
    "neighbour_distance": "distance of neighbourhoods",
    "neighbour_distance_random": "distance of neighbourhoods",
    "neighbour_distance_published": "distance of neighbourhoods",
    "alignment_ideal": "cosine of true pairs",
    "loss": "loss (nats)",
    "loss_at": "loss (nats)",
    "floor_loss": "loss (nats)",
    "logit_scale": "1/τ",
    "logit_scale_at": "1/τ",
    "logit_bias": "learnt bias",
    "rmg_at": "relative modality gap (RMG)",
    "l2m_at": "distance of the means (L2M)",
    "imbalance_bits": "information imbalance (bits)",
    "shared_bits": "shared (bits)",
    "text_only_bits": "told by captions alone (bits)",
    "unshared_bits": "not shared (bits)",
    "seconds": "seconds",
}


def plain(metrics: Sequence[str], known: Mapping[str, Metric] = METRICS) -> str:
    """What an axis of these metrics is called. known: their declarations."""
    names = {_NAMES.get(metric) or known[metric].meaning for metric in metrics if metric in known}
    unknown = [metric for metric in metrics if metric not in known]
    return ", ".join(dict.fromkeys([*sorted(names), *unknown]))
