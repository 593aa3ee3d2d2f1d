"""`synthgap studies`: what can be asked, and what is done."""

WHAT = "list the studies with their claims and how many of their runs are done"


def arguments(command) -> None:
    command.add_argument("overrides", nargs="*", help="out=DIR looks into another folder than runs")
    command.add_argument("--metrics", action="store_true", help="list all metrics, which claims can be about, instead")
    command.epilog = (
        "Each study can be varied by overrides, and each variation has a folder of its own: see `synthgap run --help`."
    )


def do(asked) -> int:
    from synthgap import studies, sweep, terminal

    if asked.metrics:
        terminal.metrics()
        return 0
    out = sweep.only_out(asked.overrides)
    for name in studies.available():
        terminal.introduce(studies.load(name, out), out)
    return 0
