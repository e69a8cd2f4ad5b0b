# `make study` and `make test` need nothing done before: they make .venv, install and run.

PYTHON ?= python3
CORES ?= all
ACTIVATE := . .venv/bin/activate &&
# A worker per core, the tests of a file in one of them: they may share what the file sets up.
PYTEST := pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: study smoke-paper test test-all lint docs clean

study: .venv/installed
	$(ACTIVATE) snakemake --cores $(CORES)

# Every stage of the paper's twelve tasks, a few dozen steps each, beside any study in results/.
smoke-paper: .venv/installed
	$(ACTIVATE) snakemake --cores $(CORES) --directory build/smoke-paper \
		--configfile config/paper.yaml config/smoke-paper.yaml

# What every module does, and one whole study.
test: .venv/installed
	$(ACTIVATE) $(PYTEST) -m "not slow"

# Also kills, damaged files, studies of every kind, each compiled path.
test-all: .venv/installed
	$(ACTIVATE) $(PYTEST)

lint: .venv/installed
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) mypy
	$(ACTIVATE) snakemake --lint
	$(ACTIVATE) snakefmt --check Snakefile workflow

# The pages of docs/ and the reference from the code, in build/docs/index.html; warnings are errors.
docs: .venv/installed
	$(ACTIVATE) sphinx-build -b html -E -W --keep-going -n --quiet docs build/docs

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(ACTIVATE) python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	# An oracle of the tests; what it asks for beside itself does not install any more.
	$(ACTIVATE) python -m pip install --quiet --no-deps robomimic==0.3.0
	touch $@

clean:
	rm -rf .venv .snakemake build
	find results -mindepth 1 -not -name README.md -delete
