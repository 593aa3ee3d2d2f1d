"""`synthgap pack`: few files in place of a folder a run."""

from data_gen import InputError

WHAT = "put a study's finished runs into few files, where a folder each is too many"
KEPT = "no run is lost: what was packed is packed, and the rest are folders as before"
EPILOG = """\
A run leaves a folder of four files and a lock (keep=tables). A packed run is as done as any other: a sweep does not do it
again, and tables, verdicts and reports come out the same. Up to 10,000 runs make one file, OUT/STUDY/packed/part-….parquet:
a row a run, a column a file, as it was. Runs whose models were kept stay as they are; keep=tables keeps none.
`synthgap clean` does not look into it: it only deletes folders.

  synthgap run imbalance preset=full keep=tables
  synthgap pack imbalance
  synthgap pack imbalance out=/shared/runs
"""


def arguments(command) -> None:
    command.add_argument("studies", nargs="+", metavar="STUDY", help="whose runs; and out=DIR")
    command.epilog = EPILOG


def do(asked) -> int:
    from synthgap import packs, progress, runs, sweep, terminal

    names = [name for name in asked.studies if "=" not in name]
    out = sweep.only_out([name for name in asked.studies if "=" in name])
    if len(names) != 1:
        raise InputError(f"pack takes one study; these are {len(names)}: {', '.join(names)}")
    folder = out / names[0]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; no run of {names[0]} is there")
    if runs.running(folder):
        raise InputError(f"a sweep is running in {folder}; wait until it ends")
    with progress.bar("packing", 100, after=progress.SOON) as advance_to:
        done = packs.pack(folder, runs.verify, lambda some, of: advance_to(100 * some // of))
    terminal.tell_packed(done, folder)
    return 0
