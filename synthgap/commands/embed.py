"""`synthgap embed`: the embeddings of a finished run as files."""

from pathlib import Path

WHAT = "write the embeddings of a run's test samples, with their factors and captions, for other tools"
KEPT = "nothing half-written is left"
EPILOG = """\
RUN is the folder of a run that trained a model, OUT/STUDY/RUN_ID (column run_id of the study's results.parquet).
npz      embeddings.npz, an array [samples, dimensions] a modality; factors.csv, a column a factor; captions.txt, a line each
parquet  embeddings.parquet, a column of lists a modality, a column a factor, and `caption`; and factors.csv
Read them by `synthgap measure`, as the command tells when it is done.
"""


def arguments(command) -> None:
    command.add_argument("run", metavar="RUN", help="the folder of a finished run")
    command.add_argument("--to", metavar="DIR", help="where the files go (embeddings/RUN_ID)")
    command.add_argument("--format", choices=("npz", "parquet"), default="npz", help="of the embeddings (npz)")
    command.add_argument("--datasets", metavar="DIR", help="where its datasets are (beside its study's folder)")
    command.epilog = EPILOG


def do(asked) -> int:
    from data_gen import files
    from synthgap import tables
    from synthgap.runs import loading

    run = loading.open(asked.run, asked.datasets)
    folder = Path(asked.to or Path("embeddings") / run.folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    z = {modality: x.numpy() for modality, x in run.embeddings.items()}
    path, factors = folder / f"embeddings.{asked.format}", folder / "factors.csv"
    written = [path, factors]
    if asked.format == "parquet":
        lists = {modality: list(x) for modality, x in z.items()}
        tables.write(run.factors.assign(caption=run.captions, **lists), path)
    else:
        import numpy as np

        with files.whole(path) as beside:
            np.savez(beside, **z)
        written.append(folder / "captions.txt")
        with files.whole(written[-1]) as beside:
            beside.write_text("".join(f"{caption}\n" for caption in run.captions), encoding="utf-8")
    tables.write(run.factors, factors)
    print(*written, sep="\n")
    first, *others = z
    for other in others:
        print(f"next: synthgap measure {path}:{first} {path}:{other} --labels {factors}")
    return 0
