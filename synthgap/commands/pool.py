"""`synthgap pool`: several people's results of one study in one table."""

from pathlib import Path

WHAT = "put several people's results of one study into one table, with one verdict a claim"
EPILOG = """\
  synthgap pool anna/runs ben/runs                    runs folders of students who ran the same study
  synthgap pool anna ben --study imbalance            that study, where they ran several
  synthgap pool class/*/runs/imbalance --to pooled    the folders of its results

Seeds of different students are different evidence, also where both are called 0: (student, seed) is what is counted. But two
students who ran the same study with the same seeds did the same runs, with the same numbers. Such runs have the same run id
and count once. So give each student seeds of their own: seed=10,11,12 for one, seed=20,21,22 for the next.

All must have run the same study and claims with the same options. What is pooled is a result like any other:
`synthgap verdicts out=pooled` and `synthgap report out=pooled` read it. students.csv beside it says which seed is whose.
"""


def arguments(command) -> None:
    what = "a student's runs folder, or the folder of a study's result in it; two or more"
    command.add_argument("folders", metavar="FOLDER", nargs="+", help=what)
    what = "of the runs folders' studies, the one to pool: its name, a variation's, or a YAML file"
    command.add_argument("--study", metavar="STUDY", default="", help=what)
    command.add_argument("--to", metavar="DIR", default="pooled", help="where the pooled result goes (pooled)")
    command.epilog = EPILOG


def do(asked) -> int:
    from synthgap import pooling, terminal

    results = pooling.gather(asked.folders, asked.study)
    found, students = pooling.write(results, asked.folders, Path(asked.to))
    terminal.tell_students(students, {who: result.judged for who, result in results.items()})
    return terminal.tell(found)
