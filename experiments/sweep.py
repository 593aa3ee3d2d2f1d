"""A study through plain Hydra, so that any of its launchers can start the workers.

    python experiments/sweep.py study=imbalance preset=quick                                      one worker, here
    python experiments/sweep.py -m study=imbalance worker=0,1 hydra/launcher=joblib               one a core
    python experiments/sweep.py -m study=imbalance 'worker=range(16)' hydra/launcher=submitit_slurm   a cluster
    python experiments/sweep.py -m study=imbalance seed=0,1,2,3 hydra/launcher=joblib             Hydra splits the grid

Runs, folders and tables are those of `synthgap run`: what either has done, the other skips.
"""

import sys
from dataclasses import dataclass, field
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig

from synthgap import cli, config, report, runs, studies


@dataclass
class Sweep(config.Run):
    study: str = "imbalance"
    preset: str = "quick"
    worker: int = 0  # workers differ in nothing but this number: each takes what no other has claimed
    defaults: list[Any] = field(
        default_factory=lambda: [*config.Run().defaults, {"override hydra/job_logging": "stdout"}]
    )
    hydra: Any = field(
        default_factory=lambda: {"output_subdir": None, "run": {"dir": "."}, "sweep": {"dir": "${out}/.hydra"}}
    )


config.register()
ConfigStore.instance().store(name="sweep", node=Sweep)


def plan(overrides: list[str]) -> runs.Plan:
    study = next((o.removeprefix("study=") for o in reversed(overrides) if o.startswith("study=")), Sweep.study)
    return runs.plan(studies.load(study), [o for o in overrides if not o.startswith(("study=", "worker="))])


@hydra.main(version_base="1.3", config_path=None, config_name="sweep")
def work(_) -> None:
    runs.work(plan(list(HydraConfig.get().overrides.task)))


def main() -> int:
    asked = plan([a for a in sys.argv[1:] if not a.startswith(("-", "hydra", "+hydra"))])
    if not any(a.startswith("-") and a not in ("-m", "--multirun") for a in sys.argv[1:]):  # --help writes nothing
        runs.collect(asked)
        runs.prepare(asked)
    left = sum(not asked.done(task) for task in asked.tasks)
    work()
    return report.conclude(asked, left)


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
