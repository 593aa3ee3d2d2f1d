"""Write the embeddings of a finished run as files, for `synthgap measure` or a notebook of one's own.

    python experiments/embeddings.py runs/imbalance/RUN_ID --out embeddings
    synthgap measure embeddings/image.npy embeddings/text.npy --labels embeddings/factors.csv

A matrix a modality, unit-norm float32 [N, D], a row a test sample; factors.csv has its factors, a column each.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from data_gen import files
from synthgap import cli, tables
from synthgap.runs.loading import load_run
from synthgap.training import embed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run that trained a model")
    parser.add_argument("--datasets", type=Path, help="where its datasets lie (beside its study)")
    parser.add_argument("--out", type=Path, default=Path("embeddings"))
    asked = parser.parse_args()
    run = load_run(asked.run, asked.datasets)
    asked.out.mkdir(parents=True, exist_ok=True)
    for modality, x in embed(run.model, run.inputs).items():
        with files.whole(asked.out / f"{modality}.npy") as beside:
            np.save(beside, x.numpy())
        print(asked.out / f"{modality}.npy")
    values = {f.name: np.array(f.values)[codes] for f, codes in zip(run.world.space.factors, run.codes.T, strict=True)}
    tables.write(pd.DataFrame(values), asked.out / "factors.csv")
    print(asked.out / "factors.csv")
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
