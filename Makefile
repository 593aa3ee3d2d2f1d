# Two commands: `make demo` shows what synthgap does, `make test` runs what continuous integration runs.
PYTHON ?= python3
BIN := .venv/bin
WHEEL_ENV := build/wheel-check
LESSONS_ENV := build/lessons
INSTALL := pip install --quiet -c constraints.txt

.PHONY: demo test lint pytest fuzz newcomer lessons wheel

demo: .venv/installed
	$(BIN)/synthgap run imbalance preset=quick

# Tests run while the wheel's packages are unpacked.
test: .venv/installed-test
	$(MAKE) -j3 lint wheel pytest

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

pytest: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Ten times as many generated inputs as `make pytest` has.
fuzz: .venv/installed-test
	SYNTHGAP_FUZZ=20000 $(BIN)/python -m pytest -n 2 tests/test_fuzz_*.py

# All that README.md shows, as it is printed, in a fresh clone: about an hour.
newcomer: .venv/installed-test
	SYNTHGAP_NEWCOMER=1 $(BIN)/python -m pytest -s tests/test_newcomer.py

# The lessons in full, from an installed wheel in an empty folder; their notebooks and the handout are written anew.
lessons:
	rm -rf dist $(LESSONS_ENV)
	$(PYTHON) -m venv $(LESSONS_ENV)
	$(LESSONS_ENV)/bin/pip wheel --quiet --no-deps --wheel-dir dist .
	$(LESSONS_ENV)/bin/$(INSTALL) "$$(echo dist/*.whl)[lessons]"
	experiments/lessons/run.sh $(LESSONS_ENV)/bin
	$(LESSONS_ENV)/bin/python experiments/lessons/handout.py

# The wheel, in an environment of its own, from an empty folder: no checkout to lean on. What it says is in a file, so that it
# does not stand among what tests say; only what is imported is compiled.
wheel:
	rm -rf dist $(WHEEL_ENV)
	mkdir -p build
	{ $(TRY_WHEEL); } > build/wheel.log 2>&1 || { cat build/wheel.log; exit 1; }
	@echo "wheel: installed alone, it runs a sweep and writes its report"

define TRY_WHEEL
$(PYTHON) -m venv $(WHEEL_ENV) && \
$(WHEEL_ENV)/bin/pip wheel --quiet --no-deps --wheel-dir dist . && \
$(WHEEL_ENV)/bin/$(INSTALL) --no-compile dist/*.whl && \
mkdir $(WHEEL_ENV)/empty && cd $(WHEEL_ENV)/empty && export PYTHONDONTWRITEBYTECODE= && \
../bin/synthgap studies && \
../bin/synthgap run imbalance images=symbolic seed=0 captions.attributes=1,5 mad.images=1024 mad.test_images=200 \
	training.epochs=1 && \
../bin/synthgap report && \
{ ../bin/synthgap make avmnist 2>&1 | grep 'install it by pip install "synthgap\[speech\]"'; }
endef

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/$(INSTALL) -e .
	touch $@

# Tests start hundreds of processes, so all is compiled beforehand, on all cores, also where Python is told to write no bytecode.
# Some packages hold files for other Pythons.
.venv/installed-test: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/$(INSTALL) --no-compile -e .[test]
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	$(BIN)/python -m compileall -q synthgap data_gen
	touch $@
