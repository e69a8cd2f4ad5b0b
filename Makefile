# `make study`, `make test` and the other targets need no preparation: they create .venv, install
# what they need, and run.
CORES ?= all
ACTIVATE := . .venv/bin/activate &&
# One worker per core. The tests of a file run in one worker, because they may share fixtures.
PYTEST := pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# The newest installed Python that fmq supports and that can create environments; or PYTHON=...
FITS := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHONS := python3.12 python3.11 python3 python
PYTHON ?= $(shell for python in $(PYTHONS); do \
	$$python -c "$(FITS)" 2> /dev/null && echo $$python && break; done)

# Install from wheels only, so that no compiler is needed. The exceptions have no wheels: rliable,
# connection_pool and robomimic are pure Python; evdev, which the extra `robomimic` brings, needs a
# C compiler.
INSTALL := $(ACTIVATE) python -m pip install --quiet --no-compile --constraint constraints.txt \
	--only-binary :all: --no-binary rliable,connection_pool,robomimic,evdev

# Write the bytecode of all packages, on every core, where pip would use one. Without bytecode each
# process takes seconds longer to start, and Python itself writes none where the environment is
# read-only or PYTHONDONTWRITEBYTECODE is set, as in many containers. Some packages have files for
# other Pythons, which cannot be compiled; of tests, only what is imported is compiled.
COMPILE := $(ACTIVATE) python -m compileall -qq -j 0 -x '/tests?/' .venv/lib src || true

.PHONY: study smoke-paper test test-all lint docs clean
.PHONY: install install-robomimic install-test install-lint install-docs
.NOTPARALLEL:

study: install
	$(ACTIVATE) snakemake --cores $(CORES)

# Run the authors' settings on two of the paper's tasks, and FMQ on all twelve, for a few dozen
# steps each. Does not touch results/.
smoke-paper: install-robomimic
	$(ACTIVATE) snakemake --cores $(CORES) --directory build/smoke-paper --configfile \
		config/paper.yaml config/as_released.yaml config/smoke-paper.yaml config/smoke-as-released.yaml
	$(ACTIVATE) snakemake --cores $(CORES) --directory build/smoke-paper \
		--configfile config/paper.yaml config/smoke-paper.yaml

# Test every module, and one whole study.
test: install-test
	$(ACTIVATE) $(PYTEST) -m "not slow"

# Also test kills, damaged files, every kind of study and every compiled path.
test-all: install-test
	$(ACTIVATE) $(PYTEST)

lint: install-lint
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) mypy
	$(ACTIVATE) snakemake --lint
	$(ACTIVATE) snakefmt --check Snakefile workflow

# Build docs/ and the reference generated from the code, build/docs/index.html. Warnings are errors.
docs: install-docs
	$(ACTIVATE) sphinx-build -b html -E -W --keep-going -n --quiet docs build/docs

# Extras of pyproject.toml are installed on top of the base installation, which is not repeated.
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
	$(COMPILE)
	touch $@

.venv/installed-test: .venv/installed-robomimic .venv/installed-docs
	$(INSTALL) --editable ".[test]"
	# Reference implementation for the tests. Its own dependencies can no longer be installed.
	$(INSTALL) --no-deps robomimic==0.3.0
	$(COMPILE)
	touch $@

.venv/installed-%: .venv/installed
	$(INSTALL) --editable ".[$*]"
	$(COMPILE)
	touch $@

# results/ stays: delete it by hand, or in parts with `fmq gc`.
clean:
	rm -rf .venv .snakemake build dist
