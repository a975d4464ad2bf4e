# `make demo` and `make test` set everything up in .venv on a machine with Python >= 3.11 and make.
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif
READY := .venv/ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# One worker per core. Worksteal keeps the tests of a file together, so that they share what the
# file trains, until a worker has nothing left to do.
PYTEST := $(BIN)/pytest -n auto --dist worksteal --durations=10

.PHONY: demo test check bench fuzz docs docs-serve dist lock clean
demo: $(READY)
	$(BIN)/keyart demo

test: $(READY)
	$(PYTEST)

# What a change must pass: linter, types, import order, current pages without dead links,
# and all tests.
check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.cli_page --check
	$(BIN)/python -m scripts.recipes_page --check
	$(BIN)/zensical build --clean --strict
	$(PYTEST)

bench: $(READY)
	$(BIN)/python -m benchmarks

# Hostile input for HOURS hours; continues the last campaign. Results are in
# benchmarks/results/fuzz/.
HOURS ?= 1
fuzz: $(READY)
	$(BIN)/python -m benchmarks.fuzz --hours $(HOURS)

# The documentation site, in site/.
docs: $(READY)
	$(BIN)/python -m scripts.cli_page
	$(BIN)/python -m scripts.recipes_page
	$(BIN)/zensical build --clean --strict

# The same, on this machine's port 8000, and again whenever a page is saved.
docs-serve: $(READY)
	$(BIN)/zensical serve

# Wheel and sdist in dist/; the wheel predicts in an empty environment.
dist: $(READY)
	$(BIN)/python -m scripts.dist

# Needs uv. The files name no host, so any index with these files will do.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header -q
lock:
	$(LOCK) -o requirements/base.txt
	$(LOCK) --extra postgresql -o requirements/service.txt
	$(LOCK) --extra train --extra fetch --extra heif --extra remote --extra hub \
		--extra cluster --extra tensorboard --group dev --group docs -o requirements/dev.txt

# The mark is made last, so a set-up that was interrupted starts again from scratch.
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "keyart needs Python >= 3.11")'
	$(PYTHON) -m venv --clear .venv
	$(PIP) --require-hashes -r requirements/dev.txt
	$(PIP) --no-build-isolation --no-deps -e .
	@touch $(READY)

clean:
	rm -rf .venv .cache demo dist site benchmarks/results
