"""A newcomer's path: every block of README.md, as it is printed, from a fresh clone: `make newcomer`."""

import os
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from test_readme import README, blocks, saved

STEPS = [block for block in blocks(README) if not block.startswith("make ")]
STEPS += [line for line in re.findall(r"^ *\| `(synthgap run [^`]+)` \|", README, re.M) if "STUDY" not in line]


@pytest.mark.skipif("SYNTHGAP_NEWCOMER" not in os.environ, reason="it takes an hour: `make newcomer` runs it")
def test_every_block_of_the_readme_runs_as_it_is_printed(tmp_path):
    home = tmp_path / "synthgap"
    subprocess.run(["git", "clone", "-q", ROOT, home], check=True)
    steps = ["make demo", *STEPS]
    assert sum("pip install" in step for step in steps) == 1 and sum("synthgap run" in step for step in steps) >= 9
    for name, text in saved(ROOT / "README.md").items():
        (home / name).write_text(text)
    x = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    np.save(home / "image.npy", x)
    np.save(home / "text.npy", x + 1)
    pd.DataFrame({"colour": ["red", "blue", "green"] * 20, "size": ["large", "small"] * 30}).to_csv(
        home / "factors.csv", index=False
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": f"{home}/.venv/bin:{os.environ['PATH']}"}  # as `source .venv/bin/activate` does
    for step in steps:
        if "python3 -m venv" in step:  # the other way to install: nothing of the first is left
            shutil.rmtree(home / ".venv")
        done = subprocess.run(["bash", "-ec", step], cwd=home, env=environment, capture_output=True, text=True)
        print(step, done.stdout[-2000:], sep="\n")
        assert done.returncode == 0, f"{step}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr, step
    sweeps = "\n".join(steps).count("synthgap run") + 1
    assert len(list((home / "runs").glob("*/results.parquet"))) == sweeps, "each has a folder of its own"
