"""A study: a question, a grid of runs, claims and a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from synthgap.studies.claim import Claim
from synthgap.tables import CASE


@dataclass(frozen=True)
class Study:
    """grid: override → values, all combined. cases: overrides that change together, an arm of the comparison each; those
    that have a name have it under `case`.

    table: of a study that trains nothing, the table of runs that its claims are about; grid and cases are those of the
    sweep that made it, and there are no presets.
    """

    name: str
    question: str
    source: str
    grid: Mapping[str, Sequence]
    cases: Sequence[Mapping]
    presets: Mapping[str, Mapping]
    claims: Sequence[Claim]
    figure: Mapping
    table: Path | None = None

    @property
    def of_cases(self) -> set[str]:
        """What named cases set, in any preset: an arm is called by its case's name, not by these."""
        presets = (preset.get("cases", ()) for preset in self.presets.values())
        return {key for cases in (self.cases, *presets) for case in cases if CASE in case for key in case}


def available() -> dict[str, Path]:
    """The studies that come with synthgap: name → file."""
    installed, checkout = Path(str(files("synthgap") / "experiments")), Path(__file__).parents[2] / "experiments"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
