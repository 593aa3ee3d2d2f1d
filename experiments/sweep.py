"""A study through plain Hydra, so that any of its launchers can start the workers.

    python experiments/sweep.py study=imbalance preset=quick                                      one worker, here
    python experiments/sweep.py -m study=imbalance worker=0,1 hydra/launcher=joblib               one a core
    python experiments/sweep.py -m study=imbalance 'worker=range(16)' hydra/launcher=submitit_slurm   a cluster
    python experiments/sweep.py -m study=imbalance seed=0,1,2,3 hydra/launcher=joblib             Hydra splits the grid

Runs, claims, folders and tables are those of `synthgap run`: what either has done, the other skips.
"""

import sys
from dataclasses import dataclass, field
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig

from synthgap import cli, options, runs, studies, sweep

#: Hydra's flags that tell something and run nothing
TELLS = ("-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "-i", "--info", "-sc", "--shell-completion")


@dataclass
class Sweep(options.Run):
    study: str = "imbalance"
    preset: str = "quick"
    name: str = ""  # of a variation, for a folder of its own
    worker: int = 0  # workers differ in nothing but this number: each takes what no other has claimed
    defaults: list[Any] = field(
        default_factory=lambda: [*options.Run().defaults, {"override hydra/job_logging": "stdout"}]
    )
    hydra: Any = field(
        default_factory=lambda: {"output_subdir": None, "run": {"dir": "."}, "sweep": {"dir": "${out}/.hydra"}}
    )


options.register()
ConfigStore.instance().store(name="sweep", node=Sweep)


def asked(overrides: list[str]) -> tuple[studies.Study, list[str]]:
    """The study that the overrides name, and those that are for its runs."""
    named = [o.removeprefix("study=") for o in overrides if o.startswith("study=")]
    study = studies.load((named or [Sweep.study])[-1], options.folder(overrides), options.files_of_metrics(overrides))
    return study, [o for o in overrides if not o.startswith(("study=", "worker="))]


@hydra.main(version_base="1.3", config_path=None, config_name="sweep")
def work(_) -> None:
    runs.work(runs.plan(*asked(list(HydraConfig.get().overrides.task))))


def main() -> int:
    if any(a.partition("=")[0] in TELLS for a in sys.argv[1:]):
        work()  # Hydra's own, which runs and writes nothing
        return 0
    sys.argv[1:] = [
        options.parse([a])[0].input_line if a.startswith("out=") else a for a in sys.argv[1:]
    ]  # a text to Hydra
    study, overrides = asked([a for a in sys.argv[1:] if not a.startswith(("-", "hydra", "+hydra"))])
    return sweep.run(study, overrides, lambda _: work())


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
