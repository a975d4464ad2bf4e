# `make demo` and `make test` set everything up on a machine with Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check bench docs lock clean
demo: $(READY)
	$(BIN)/keyart demo

test: $(READY)
	$(BIN)/pytest

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/typer keyart.cli utils docs --name keyart --title "The command line" | diff docs/cli.md - \
		|| { echo "docs/cli.md is stale: make docs"; exit 1; }
	$(BIN)/pytest

bench: $(READY)
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/typer keyart.cli utils docs --name keyart --title "The command line" > docs/cli.md

# Needs uv. The files name no host, so that any index with these very files will do.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements/base.txt
	uv pip compile pyproject.toml --extra postgresql --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q \
		-o requirements/service.txt
	uv pip compile pyproject.toml --extra train --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q \
		-o requirements/dev.txt

# The mark is made last, so that a set-up that was cut short is begun anew.
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "keyart needs Python >= 3.11")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(READY)

clean:
	rm -rf .venv demo benchmarks/results
