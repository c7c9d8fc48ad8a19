# Every command sets up what it needs in .venv and can be run again at any time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Neighbours share what their file sets up, so each worker begins with a half of its own.
WORKERS := -n auto --dist worksteal

# The tests start the command line hundreds of times, and each start would compile the package again.
test check: export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check coverage fuzz bench format clean harness-matrix lowest-releases

demo: $(VENV)/.installed
	$(BIN)/tokenprof demo

# Everything that CI runs.
test: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(WORKERS)

# The inner loop: the same without the tests that start other programs.
check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

# Branches that the tests take in the record, pricing, attribute and analysis rooms; the workers, the programs that tests
# start and the recorder's threads are traced, so this takes twice as long. TESTS names what to run; `coverage combine`
# puts parts together that were run with a COVERAGE_FILE of their own. The plugins are on the path of every program of
# the environment before coverage starts. What a command loads is not tested here: coverage loads modules itself.
TESTS ?= tests
SITE_PACKAGES = $(shell $(BIN)/python -c "import site; print(site.getsitepackages()[0])")
coverage: $(VENV)/.installed
	echo "$(CURDIR)/tools/coverage" > $(SITE_PACKAGES)/a0_tokenprof_coverage.pth
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest -p traced_tests $(WORKERS) -q --ignore=tests/cli/test_startup.py $(TESTS)
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report --show-missing --skip-covered

# Damaged files for every reader, for MINUTES (tests/fuzz/fuzz.py); `make test` runs a few cases.
MINUTES ?= 5
fuzz: $(VENV)/.installed
	$(BIN)/python tests/fuzz/fuzz.py --minutes $(MINUTES)

# Every client in an environment of its own, against the loopback provider (docs/harnesses.md).
harness-matrix: $(VENV)/.installed
	$(BIN)/python tests/matrix/run.py

# Our tests of clients, prices and stores on the lowest releases that pyproject.toml admits.
lowest-releases: $(VENV)/.installed
	$(BIN)/python tests/matrix/lowest.py

# Speed and memory, in one command: a folder beside parsing alone and beside other tools (npm and pip install them
# into a temporary folder), one run of more and more turns, and a small report. `make bench FULL=1` takes a gigabyte,
# runs of up to 16,000 turns and a folder of a million turns (12 GB of disk). Results with machine and date go to
# benchmarks/results/.
MEGABYTES ?= $(if $(FULL),1000,50)
RUNS ?= 125,250,500,1000,2000$(if $(FULL),$(comma)4000$(comma)8000$(comma)16000)
comma := ,
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/speed/folder_speed.py --megabytes $(MEGABYTES)
	$(BIN)/python benchmarks/long_runs.py --turns $(RUNS)
	$(BIN)/python benchmarks/speed/small_report.py --repeats $(if $(FULL),9,3)
	$(if $(FULL),$(BIN)/python benchmarks/speed/many_turns.py)

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
