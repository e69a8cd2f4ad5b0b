# `make study` and `make test` need nothing done before: they make .venv, install and run.

PYTHON ?= python3
CORES ?= all
ACTIVATE := . .venv/bin/activate &&

.PHONY: study test lint clean

study: .venv/installed
	$(ACTIVATE) snakemake --cores $(CORES)

test: .venv/installed
	$(ACTIVATE) pytest

lint: .venv/installed
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) mypy
	$(ACTIVATE) snakemake --lint
	$(ACTIVATE) snakefmt --check Snakefile workflow

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(ACTIVATE) python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv .snakemake
	find results -mindepth 1 -not -name README.md -delete
