"""What planning, collecting, measuring and training cost here, beside what they cost in another checkout, in one run.

    git worktree add ../before TAG_OR_COMMIT
    python experiments/benchmarks/speed.py --old ../before [--rounds 5] [--out FILE] [CASE …]

Each round runs both checkouts one after the other, each in a process of its own with one thread, and takes the CPU time of
what is measured, so that other work on the machine counts little; for the start, it is the clock's. A row a case: seconds of
both (medians), their ratio, and how far the numbers that come out differ at most. Without --old, this checkout alone.
"""

import argparse
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time, time

HERE = Path(__file__).absolute().parents[2]
#: a loss that notes when it is first asked, which is in the first step
NOTED = """\
from pathlib import Path
from time import time

from synthgap.catalogue import Method
from synthgap.losses.clip import clip

LOSS = Method(form="pairs")


def noted(x, y, scale):
    with Path("asked").open("a") as file:
        file.write(f"{time()}\\n")
    return clip(x, y, scale)
"""


def starting():
    """From the command to the first training step of a symbolic run, by the clock."""
    Path("noted.py").write_text(NOTED)
    asked = ["run", "imbalance", "images=symbolic", "seed=0", "captions.attributes=1", "loss=noted.py", "workers=1"]

    def start() -> float:
        begun = time()
        subprocess.run([sys.executable, "-m", "synthgap", *asked], check=True, capture_output=True)
        return float(Path("asked").read_text().split()[0]) - begun

    return start


def _command(*asked: str):
    def do() -> float:
        begun = time()
        subprocess.run([sys.executable, "-m", "synthgap", *asked], check=True, capture_output=True)
        return time() - begun

    return do


EIGHT = ("run", "imbalance", "images=symbolic", "seed=0,1", "captions.attributes=1,2,3,4")


def eight_one_worker():
    """Eight symbolic runs and their figure with one worker, from the command to its end, by the clock."""
    return _command(*EIGHT, "workers=1")


def eight_two_workers():
    """The same with two workers."""
    return _command(*EIGHT, "workers=2")


def demo():
    """What make demo does once synthgap is installed: 24 runs on strokes, their images and figure, with two workers."""
    return _command("run", "imbalance", "preset=quick", "workers=2")


def _quick_run(part: str):
    """Seconds of a part of a run on strokes ("": the whole), by the run's own clock; its images are drawn before."""
    import pandas as pd

    asked = ["run", "imbalance", "seed=0", "workers=1"]
    _command(*asked, "captions.attributes=1")()

    def seconds() -> float:
        _command(*asked, "captions.attributes=3", "out=timed")()
        (run,) = Path("timed/imbalance").glob("*/metrics.parquet")
        rows = pd.read_parquet(run)
        return float(rows[(rows.metric == "seconds") & (rows.of == part)].value.item())

    return seconds


def quick_run():
    """A run of `imbalance` on strokes whose images are drawn, by its own clock."""
    return _quick_run("")


def quick_run_training():
    """Its training."""
    return _quick_run("training")


def quick_run_evaluation():
    """Its evaluation."""
    return _quick_run("evaluation")


def generating():
    """10,000 images and captions of MAD on strokes: drawn, changed, coloured, written."""
    import numpy as np

    from data_gen import store
    from data_gen.worlds import mad

    weights = np.random.default_rng(0).random((28, 28, 3))

    def make():
        folder = store.make("made", mad.world(), 10_000, "train", 0)
        return [float((image * weights).sum()) for image in np.load(folder / "images.npy", mmap_mode="r")[::100]]

    return make


def planning():
    """2,000 runs of a study, from its file to their ids."""
    from synthgap import runs, studies

    study = studies.load("imbalance", Path("runs"))
    asked = ["images=symbolic", "seed=range(200)", "captions.attributes=1,2,3,4,5", "temperature.mode=learnable,fixed"]
    return lambda: [int(task.run_id, 16) % 2**32 for task in runs.plan(study, asked).tasks]


def _finished():
    """The plan of 400 runs whose folders are there: tables of a usual size, and no models."""
    import pandas as pd

    from data_gen.files import checksum
    from synthgap import runs, studies

    study = studies.load("imbalance", Path("runs"))
    plan = runs.plan(study, ["images=symbolic", "seed=range(100)", "captions.attributes=1,2", f"out={Path.cwd()}"])
    rows = pd.DataFrame({"metric": [f"m{i % 60}" for i in range(240)], "of": "image", "value": range(240)})
    for task in plan.tasks:
        folder = plan.folder / task.run_id
        folder.mkdir(parents=True)
        rows.to_parquet(folder / "metrics.parquet")
        for name, size in (("config.yaml", 1200), ("trajectory.parquet", 5000)):
            (folder / name).write_bytes(bytes(size))
        sums = {path.name: checksum(path) for path in folder.iterdir()}
        (folder / "done.json").write_text(json.dumps({"run_id": task.run_id, "keep": "tables", "checksums": sums}))
    return plan


def collecting():
    """400 finished runs, verified, into one table."""
    from synthgap import runs

    plan = _finished()
    return lambda: [float(runs.collect(plan).value.sum())]


def collecting_packed():
    """The same of packed runs (where a checkout cannot pack: of their folders)."""
    from synthgap import runs

    plan = _finished()
    with suppress(ImportError):
        from synthgap import packs

        packs.pack(plan.folder, runs.verify, lambda done, of: None)
    return lambda: [float(runs.collect(plan).value.sum())]


def _clouds(n: int, d: int = 64):
    import torch
    from torch.nn.functional import normalize

    chance = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=chance)
    return normalize(x, dim=1), normalize(x + 0.5 * torch.randn(n, d, generator=chance), dim=1)


def recall():
    """Recall at 1 by caption, class and instance among 3,000, both ways."""
    import torch

    from synthgap import metrics

    x, y = _clouds(3000)
    groups = (torch.arange(3000) % 700, torch.arange(3000) % 10, None)
    apart = lambda x, y, groups: [metrics.recall_at_k(x, y, 1, some) for some in groups]  # noqa: E731
    at_once = getattr(metrics, "recall_at_1", apart)
    return lambda: [*at_once(x, y, groups), *at_once(y, x, groups)]


def entropy():
    """Entropy among 3,000, both ways."""
    from synthgap import metrics

    x, y = _clouds(3000)
    return lambda: [metrics.logit_entropy(x, y, 30.0), metrics.logit_entropy(y, x, 30.0)]


def uniformity():
    """Uniformity of two modalities, 3,000 samples."""
    from synthgap import metrics

    return lambda: [metrics.uniformity(z) for z in _clouds(3000)]


def mean_average_precision():
    """Mean average precision of five factors, 1,000 queries among 3,000."""
    import torch

    from synthgap import metrics

    x, _ = _clouds(3000)
    codes = torch.arange(3000)[:, None] // torch.tensor([1, 5, 25, 125, 625]) % 5
    return lambda: metrics.mean_average_precision(x, codes, x[:1000])


def large():
    """Entropy both ways, recall by class and mean average precision among 20,000."""
    import torch

    from synthgap import metrics

    x, y = _clouds(20_000)
    groups = torch.arange(len(x)) % 10
    return lambda: [
        metrics.logit_entropy(x, y, 30.0),
        metrics.logit_entropy(y, x, 30.0),
        metrics.recall_at_k(x, y, 1, groups),
        metrics.mean_average_precision(x, groups, x[:1000]),
    ]


def evaluating():
    """All metrics of a run on 240,000 images and captions × 64."""
    import torch
    from torch.nn.functional import normalize

    from data_gen import MAD, captions
    from data_gen.seeds import generator
    from synthgap import evaluation, observations, options
    from synthgap.losses import clip
    from synthgap.metric_names import FILES
    from synthgap.metrics.embedded import Embedded

    n, chance = 240_000, torch.Generator().manual_seed(0)
    codes = MAD.sample(n, generator(0, "factors"))
    policy = captions.attributes(MAD, "digit", 3)
    tokens = captions.write(MAD, policy, codes, generator(0, "captions"))
    words = torch.randn(len(MAD.words) + 1, 64, generator=chance).index_fill_(0, torch.tensor([0]), 0.0)
    told = (1 + MAD.offsets + codes, tokens)
    image, text = (words.new_zeros(n, 64) for _ in told)
    for z, named in zip((image, text), told, strict=True):
        for column in torch.from_numpy(named).long().T:
            z += words[column]
        z += 0.5 * torch.randn(n, 64, generator=chance)
    world = observations.world_of(options.resolve([]))
    known = observations.known_of(world.space, "digit", codes, tokens)
    seen = Embedded(
        {"image": normalize(image, dim=1), "text": normalize(text, dim=1)},
        codes,
        world,
        "digit",
        tokens=torch.from_numpy(tokens),
        known={name: torch.from_numpy(x) for name, x in known.items()},
        prompts=normalize(words[1:], dim=1),
        scale=30.0,
        loss=lambda z, scale, known: clip(z["image"], z["text"], scale),
        batch=512,
    )

    def evaluate():
        return [v for file in FILES for *_, v in evaluation.measured(seen, evaluation._metrics(file)) if v == v]

    return evaluate


def measuring():
    """`synthgap measure` of two matrices of 100,000 × 512, from files to tables and figure."""
    import numpy as np
    import pandas as pd

    from synthgap.measure import measures

    for name, x in zip(("x.npy", "y.npy"), _clouds(100_000, 512), strict=True):
        np.save(name, x.numpy())

    def measure():
        with redirect_stdout(StringIO()):
            measures.run(("x.npy", "y.npy"), "measured")
        return [*pd.read_csv("measured/metrics.csv").value, *pd.read_csv("measured/ablation.csv").value]

    return measure


def _training(bf16: bool = False, compiled: bool = False, **encoder):
    import torch

    from data_gen import MAD
    from synthgap import options
    from synthgap.encoders import build, initialise
    from synthgap.losses import clip
    from synthgap.optimiser import Group, adamw, zero_grad

    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (512, 28, 28, 3), dtype=torch.uint8, generator=chance)
    inputs = {"image": images, "text": torch.randint(1, len(MAD.words) + 1, (512, len(MAD)), generator=chance)}
    kinds = {"image": "pixels", "text": "tokens"}
    config = options.resolve([f"encoder.{name}={value}" for name, value in encoder.items()])
    model = build(config, inputs, kinds, vocabulary=len(MAD.words), longest=len(MAD))
    model = initialise(model, chance).to(memory_format=torch.channels_last)
    groups = [Group([p for p in model.parameters() if p.ndim > 1], 0.008, 0.05)]
    forward = torch.compile(model, options={"compile_threads": 1}) if compiled else model

    def steps():
        losses = []
        for _ in range(12):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                z = forward(inputs)
            loss = clip(z["image"], z["text"], 14.0)
            zero_grad(groups)
            loss.backward()
            adamw(groups, 0.1)
            losses.append(loss.item())
        return losses

    steps()
    return steps


def training():
    """12 steps of 512 images and captions, the usual encoder."""
    return _training()


def _beside(**how):
    """Steps in another way, beside the usual steps of the checkout before."""
    import synthgap

    return _training(**(how if HERE in Path(synthgap.__file__).parents else {}))


def training_compiled():
    """The same with training.compile=true."""
    return _beside(compiled=True)


def training_bf16():
    """The same with training.bf16=true."""
    return _beside(bf16=True)


def training_bf16_compiled():
    """The same with training.bf16=true and training.compile=true."""
    return _beside(bf16=True, compiled=True)


def training_patch_conv():
    """The same with encoder.image=patch-conv."""
    return _beside(image="patch-conv")


def training_patch_conv_bf16():
    """The same with encoder.image=patch-conv and training.bf16=true."""
    return _beside(image="patch-conv", bf16=True)


def training_pixel_mlp_bf16():
    """The same with encoder.image=pixel-mlp and training.bf16=true."""
    return _beside(image="pixel-mlp", bf16=True)


def training_pixel_mlp_bf16_compiled():
    """The same with encoder.image=pixel-mlp, training.bf16=true and training.compile=true."""
    return _beside(image="pixel-mlp", bf16=True, compiled=True)


CASES = {
    each.__name__.replace("_", "-"): each
    for each in (
        starting,
        eight_one_worker,
        eight_two_workers,
        demo,
        quick_run,
        quick_run_training,
        quick_run_evaluation,
        generating,
        planning,
        collecting,
        collecting_packed,
        recall,
        entropy,
        uniformity,
        mean_average_precision,
        large,
        evaluating,
        measuring,
        training,
        training_compiled,
        training_bf16,
        training_bf16_compiled,
        training_patch_conv,
        training_patch_conv_bf16,
        training_pixel_mlp_bf16,
        training_pixel_mlp_bf16_compiled,
    )
}


def once(name: str) -> None:
    """Does a case in this process, and prints its seconds and its numbers."""
    do = CASES[name]()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    begun = process_time()
    numbers = do()
    by_clock = isinstance(numbers, float)
    print(json.dumps([numbers, []] if by_clock else [process_time() - begun, numbers]))


def _in(checkout: Path, name: str) -> tuple[float, list[float]]:
    from synthgap.server import ENVIRONMENT  # what workers have

    environment = os.environ | {"PYTHONPATH": str(checkout.absolute()), **ENVIRONMENT}
    with TemporaryDirectory() as folder:
        asked = [sys.executable, str(Path(__file__).absolute()), "--case", name]
        done = subprocess.run(asked, env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} in {checkout} failed: {done.stderr.strip().splitlines()[-1]}")
    seconds, numbers = json.loads(done.stdout.splitlines()[-1])
    return seconds, numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (all)")
    parser.add_argument("--old", type=Path, metavar="CHECKOUT", help="the folder of another checkout")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is done (5)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table as CSV")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        return once(asked.case)
    for name in asked.cases:
        if name not in CASES:
            parser.error(f"there is no case {name!r}; there are {', '.join(CASES)}")
    if asked.old and not (asked.old / "synthgap").is_dir():
        parser.error(f"--old {asked.old} is no checkout of synthgap")
    import pandas as pd

    rows = []
    for name in asked.cases or CASES:
        found = {}
        for _ in range(asked.rounds):
            for what, checkout in (("old", asked.old), ("new", HERE)):
                if checkout:
                    found.setdefault(what, []).append(_in(checkout, name))
        row = {"what": CASES[name].__doc__.strip().rstrip(".")}
        row |= {f"{what}_seconds": median(seconds for seconds, _ in some) for what, some in found.items()}
        if asked.old:
            ratios = [old / new for (old, _), (new, _) in zip(found["old"], found["new"], strict=True)]
            old, new = (found[what][0][1] for what in ("old", "new"))
            differences = [abs(a - b) for a, b in zip(old, new, strict=True)]  # none where only the clock tells
            row |= {"ratio": median(ratios), "difference": max(differences, default=None)}
        rows.append(row)
        told = [value for value in row.values() if value is not None]
        print(*(f"{value:.3g}" if isinstance(value, float) else value for value in told), sep="  ", flush=True)
    table = pd.DataFrame(rows)
    if asked.out:
        table.to_csv(asked.out, index=False)
        print(asked.out)


if __name__ == "__main__":
    main()
