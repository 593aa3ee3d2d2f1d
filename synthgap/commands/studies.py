"""`synthgap studies`: what can be asked, and what is done."""

WHAT = "list the studies, with their questions and how many of their runs are done; with STUDY, its claims too"
EPILOG = """\
  synthgap studies                the questions, in one table
  synthgap studies imbalance      the claims of a study, how each is tested, and the runs of each preset
  synthgap studies --metrics      what claims can be about

  out=DIR          results in another folder than runs

Each study can be varied by overrides, and each variation has a folder of its own: see `synthgap run --help`.
"""


def arguments(command) -> None:
    command.add_argument("studies", nargs="*", metavar="STUDY", help="studies, or your own YAML files, to tell in full")
    command.add_argument("--metrics", action="store_true", help="list all metrics, which claims can be about, instead")
    command.epilog = EPILOG


def do(asked) -> int:
    from synthgap import studies, sweep, terminal

    if asked.metrics:
        terminal.metrics()
        return 0
    overrides = [each for each in asked.studies if "=" in each.partition("+")[0]]
    out = sweep.only_out(overrides)
    names = [each for each in asked.studies if each not in overrides]
    some = [studies.load(name, out) for name in names or studies.available()]
    if names:
        for study in some:
            terminal.introduce(study, out)
    else:
        terminal.list_studies(some, out)
    return 0
