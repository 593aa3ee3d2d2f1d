"""How far embeddings lie from the mean of their modality."""

from synthgap.metric_names import Metric


def radius(seen, modality):
    x = seen.z[modality]
    return (x - x.mean(0)).norm(dim=1).mean()


METRICS = [
    Metric("radius", "modality", "mean distance from the modality's mean, 0 to 2", low=0, high=2, by=radius),
]
