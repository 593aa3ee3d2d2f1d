"""Data flows one way: a room imports only what stands below it, nothing imports in a circle, and planning needs no torch."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

#: rooms from the top down; those in one line do not know of one another
LAYERS = (
    ("synthgap.__main__", "synthgap.publish"),
    ("synthgap.cli",),
    ("synthgap.commands",),
    ("synthgap.pooling",),
    ("synthgap.pages", "synthgap.lessons"),
    ("synthgap.sweep",),
    ("synthgap.terminal",),
    ("synthgap.conclusion",),
    ("synthgap.runs",),
    ("synthgap.evaluation", "synthgap.measure", "synthgap.free"),
    ("synthgap.posthoc", "synthgap.observations", "synthgap.studies"),
    ("synthgap.panels", "synthgap.judging"),
    ("synthgap.training", "synthgap.variables", "synthgap.parts"),
    ("synthgap.options", "synthgap.study"),
    ("synthgap.policies", "synthgap.shifts"),
    (
        "synthgap.losses",
        "synthgap.metrics",
        "synthgap.tables",
        "synthgap.packs",
        "synthgap.torch_view",
        "synthgap.ideal",
        "synthgap.forms",
    ),
    ("synthgap.sinks",),
    ("synthgap.metric_names",),
    (
        "synthgap.statistics",
        "synthgap.yaml_file",
        "synthgap.encoders",
        "synthgap.optimiser",
        "synthgap.all_pairs",
    ),
    ("synthgap.progress", "synthgap.interrupts", "synthgap.memory", "synthgap.catalogue", "synthgap.server"),
    ("data_gen",),
)
FLOOR = {room: -i for i, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(path for top in ("synthgap", "data_gen") for path in (ROOT / top).rglob("*.py"))


def module(path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def room(name: str) -> str:
    return next((name[: len(r)] for r in FLOOR if name == r or name.startswith(r + ".")), "")


def imported(path) -> set[str]:
    """The project's modules that a file imports, anywhere in it; of a package's face, the modules that it names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            below = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= below if len(below) == len(node.names) else {node.module, *below}
    return found & MODULES.keys()


IMPORTS = {name: imported(path) - {name} for name, path in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_what_stands_below_it(name):
    if name == "synthgap":
        return
    assert room(name), f"{name} stands on no floor: give its room a place in LAYERS"
    for other in IMPORTS[name]:
        if room(other) != room(name):
            assert FLOOR[room(other)] < FLOOR[room(name)], f"{name} imports {other}, which does not stand below it"


def test_no_modules_import_one_another_in_a_circle():
    left = {name: set(others) for name, others in IMPORTS.items()}
    faces = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    for name in left:  # what stands in a package may use its face, which is loaded by then
        left[name] -= {face for face in faces if name.startswith(face + ".")}
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import one another: {', '.join(left)}"


def test_planning_imports_nothing_that_takes_seconds():
    """In one process, so that each module is blamed for what it brings."""
    code = """if True:
        import sys
        from importlib import import_module
        for name in ("options", "studies", "runs", "sweep", "terminal"):
            import_module(f"synthgap.{name}")
            slow = [m for m in ("torch", "matplotlib", "seaborn", "sklearn", "scipy.stats", "scipy.signal") if m in sys.modules]
            assert not slow, (name, slow)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
