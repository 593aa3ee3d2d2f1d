"""What a query costs in a search within images: as embedded, by IsoCLIP, and by token inversion, side by side in one run.

    python experiments/benchmarks/search.py [--queries 200] [--gallery 3000] [--out FILE]

One core, untrained encoders of the default size (what they know does not change what they cost), queries one at a time:
embedded from pixels, changed, and ranked against the gallery. A line a method, with its time over that of plain cosines.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import pandas as pd
import torch
from torch.nn.functional import normalize

from data_gen import MAD
from synthgap import cli, options
from synthgap.encoders import build, initialise
from synthgap.posthoc import heads, isoclip, search, text_components, whitening
from synthgap.posthoc.inversion import invert
from synthgap.posthoc.search import free_input
from synthgap.training import embed


def seconds(ask, queries: torch.Tensor) -> float:
    """The median of what one query takes."""
    taken = []
    for query in queries.split(1):
        start = perf_counter()
        ask(query)
        taken.append(perf_counter() - start)
    return median(taken)


def measured(queries: int, gallery: int) -> pd.DataFrame:
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (gallery, 28, 28, 3), dtype=torch.uint8, generator=chance)
    texts = torch.randint(1, len(MAD.words) + 1, (gallery, len(MAD)), generator=chance)
    inputs = {"image": images, "text": texts}
    kinds = {"image": "pixels", "text": "tokens"}
    model = build(options.resolve([]), inputs, kinds, vocabulary=len(MAD.words), longest=len(MAD))
    model = initialise(model, chance).to(memory_format=torch.channels_last)
    z = embed(model, inputs)

    def cosines(query: torch.Tensor, change=lambda x: x, there=z["image"]) -> torch.Tensor:
        return (change(embed(model, {"image": query})["image"]) @ there.T).sort(descending=True).indices

    def features(query: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return (normalize(model.by_modality["image"].features(query), dim=1) @ read.T).sort(descending=True).indices

    def inverted(query: torch.Tensor) -> torch.Tensor:
        asked = invert(*free_input(model.by_modality["text"], texts), embed(model, {"image": query})["image"])
        return (asked @ z["image"].T).sort(descending=True).indices

    read = search.features(model, inputs, queries=1, whitened=False)[0]["image"]
    maps = {
        "IsoCLIP, top 1": isoclip(z, heads=heads(model), top=1, bottom=0)["image"],
        "whitened": whitening(z)["image"],
        "text components": text_components(z, components=16)["image"],
    }
    ways = {"cosine": cosines, "pre-projection": features}
    ways |= {name: partial(cosines, change=change, there=change(z["image"])) for name, change in maps.items()}
    ways["token inversion, 150 steps (OTI)"] = inverted
    for ask in ways.values():
        seconds(ask, images[:5])  # warm
    few = {name: max(5, queries // 20) if ask is inverted else queries for name, ask in ways.items()}
    rows = [(name, seconds(ask, images[: few[name]])) for name, ask in ways.items()]
    table = pd.DataFrame(rows, columns=["method", "milliseconds"])
    table["milliseconds"] *= 1000
    table["ratio"] = table.milliseconds / table.milliseconds[0]
    return table.round({"milliseconds": 3, "ratio": 2})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--gallery", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=Path("search.csv"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    table = measured(asked.queries, asked.gallery)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out, index=False)
    print(table.to_string(index=False))
    print(asked.out)
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
