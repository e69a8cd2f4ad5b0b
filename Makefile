# `make study`, `make test` and the others need nothing done before: they make .venv, install into
# it what they need, and run.
CORES ?= all
ACTIVATE := . .venv/bin/activate &&
# A worker per core, the tests of a file in one of them: they may share what the file sets up.
PYTEST := pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# The newest Python that fmq supports, which runs and can make environments; PYTHON=... names another.
FITS := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHONS := python3.12 python3.11 python3 python
PYTHON ?= $(shell for python in $(PYTHONS); do \
	$$python -c "$(FITS)" 2> /dev/null && echo $$python && break; done)

# Wheels, so that no compiler is wanted. There are none of rliable, connection_pool and robomimic,
# which are Python only, and of evdev, which the extra `robomimic` brings and a C compiler makes.
# Files are compiled to bytecode when they are first imported, which most never are.
INSTALL := $(ACTIVATE) python -m pip install --quiet --no-compile --constraint constraints.txt \
	--only-binary :all: --no-binary rliable,connection_pool,robomimic,evdev

.PHONY: study smoke-paper test test-all lint docs clean
.PHONY: install install-robomimic install-test install-lint install-docs
.NOTPARALLEL:

study: install
	$(ACTIVATE) snakemake --cores $(CORES)

# FMQ on each of the paper's twelve tasks, a few dozen steps each, beside any study in results/.
smoke-paper: install-robomimic
	$(ACTIVATE) snakemake --cores $(CORES) --directory build/smoke-paper \
		--configfile config/paper.yaml config/smoke-paper.yaml

# What every module does, and one whole study.
test: install-test
	$(ACTIVATE) $(PYTEST) -m "not slow"

# Also kills, damaged files, studies of every kind, each compiled path.
test-all: install-test
	$(ACTIVATE) $(PYTEST)

lint: install-lint
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) mypy
	$(ACTIVATE) snakemake --lint
	$(ACTIVATE) snakefmt --check Snakefile workflow

# The pages of docs/ and the reference from the code, in build/docs/index.html; warnings are errors.
docs: install-docs
	$(ACTIVATE) sphinx-build -b html -E -W --keep-going -n --quiet docs build/docs

# Extras of pyproject.toml come on top of what the study needs, which is never installed anew for them.
install: .venv/installed
install-robomimic: .venv/installed-robomimic
install-test: .venv/installed-test
install-lint: .venv/installed-lint
install-docs: .venv/installed-docs

.venv/installed: pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c "$(FITS)" 2> /dev/null || { echo "$(or $(PYTHON),$(PYTHONS)): no Python 3.11" \
		"or 3.12 that has ensurepip (labmaze, which OGBench needs, has no wheel for 3.13); install one," \
		"e.g. python3.12-venv or \`uv python install 3.12\`, or name it: make PYTHON=/path/to/python3.12" \
		>&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	touch $@

.venv/installed-test: .venv/installed-robomimic .venv/installed-docs
	$(INSTALL) --editable ".[test]"
	# An oracle of the tests; what it asks for beside itself does not install any more.
	$(INSTALL) --no-deps robomimic==0.3.0
	touch $@

.venv/installed-%: .venv/installed
	$(INSTALL) --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv .snakemake build
	find results -mindepth 1 -not -name README.md -delete
