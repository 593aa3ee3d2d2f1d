"""`synthgap measure`: metrics of embeddings of one's own."""

WHAT = "measure gap, dimensions, entropy, retrieval and bias of two matrices of your own"
KEPT = "nothing is written"  # told where it is interrupted


def epilog() -> str:
    from synthgap.measure import legend

    return legend.epilog()


def arguments(command) -> None:
    what = "X and Y, each embeddings, a row an item; or one array of both; see below"
    command.add_argument("matrices", metavar="FILE", nargs="+", help=what)
    command.add_argument("--out", metavar="DIR", default="measured", help="where tables and figure go (measured)")
    what = "what the items are, a column a factor; FILE:COLUMN takes one of them"
    command.add_argument("--labels", metavar="FILE", help=what)
    what = "which rows are pairs: a column of rows of X, from 0, and one of rows of Y (row i of both)"
    command.add_argument("--pairs", metavar="FILE", help=what)
    what = "the same by an id a row of X, and an id a row of Y: rows of equal ids are pairs"
    command.add_argument("--groups", nargs=2, metavar=("X_IDS", "Y_IDS"), help=what)
    what = "the first line of CSVs is a row too, not names"
    command.add_argument("--no-header", dest="header", action="store_false", help=what)
    command.add_argument("--object", metavar="NAME", help="the factor whose bias is measured (the first)")
    command.add_argument("--names", nargs=2, metavar=("X", "Y"), help="what the modalities are called (by their files)")
    command.add_argument(
        "--scale", type=float, default=100, help="1/τ of the softmax, for entropy (100, CLIP's largest)"
    )
    command.add_argument("--sample", metavar="N", type=int, default=5000, help="rows compared with rows (5000)")
    command.add_argument("--seed", type=int, default=0, help="of the sample and of random ablation (0)")


def do(asked) -> int:
    from synthgap.measure import measures

    names = ("labels", "pairs", "groups", "header", "names", "object", "scale", "sample", "seed")
    return measures.run(tuple(asked.matrices), asked.out, **{name: getattr(asked, name) for name in names})
