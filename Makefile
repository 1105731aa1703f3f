# make quickstart: install, and run the main job.    make test: install, and run the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# a test process with as many threads as cores would slow its neighbours down
export OMP_NUM_THREADS ?= 1

.PHONY: quickstart test test-slow mutation lint format lock clean
.DELETE_ON_ERROR:

quickstart: $(INSTALLED)
	$(BIN)/vsam-tune search quickstart

# a test process that dies is not replaced: pytest-xdist would lose its tests, and wait for them for ever
XDIST := -n 2 --dist loadfile --max-worker-restart=0

test: $(INSTALLED)
	$(BIN)/pytest -m "not slow" $(XDIST) -q

test-slow: $(INSTALLED)
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest $(XDIST)

# breaks each update in turn: a test has to notice
mutation: $(INSTALLED)
	$(BIN)/python -m tests.mutation

lint: $(INSTALLED)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# the environment: made when it is missing, and made again when the lock file has changed
$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is older than 3.11. Fix: make PYTHON=python3.11"; exit 2; }
	@echo "installing into $(VENV): some 6 GB with torch's CUDA parts, two minutes on a fast line"
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=requirements.lock $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# after a change of dependencies in pyproject.toml
lock: $(INSTALLED)
	$(BIN)/pip install --quiet --upgrade --upgrade-strategy eager -e '.[dev]'
	{ sed -n '/^#/p' requirements.lock; \
	  $(BIN)/pip freeze --exclude-editable | grep -vE '^(pip|setuptools)=='; } > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
