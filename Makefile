# 惠桥 Huiqiao. `make` alone explains itself.

VENV  := .venv
PY    := $(VENV)/bin/python
STAMP := $(VENV)/.made-from-setup.cfg
PYTHON ?= python3
# one more than there are cores: some tests wait for a server or a signal
JOBS  ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))
TESTS ?=

# a run starts dozens of Pythons; compiling every module anew in each of them costs minutes
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check bench train translations clean

help: ## explain the commands
	@echo "惠桥 Huiqiao"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: PORT=8000  TESTS=tests/unit  JOBS=2  NAME=<benchmark>  PYTHON=python3.11"

run: $(STAMP) ## start everything on this machine and print the address (Ctrl-C stops it)
	@$(PY) -m tests.lint_translations --compile-only
	@exec $(VENV)/bin/huiqiao up

test: $(STAMP) ## run every test, in parallel, on real PostgreSQL and Redis
	@$(PY) -m tests.lint_translations --compile-only
	$(PY) -m pytest -n $(JOBS) --dist worksteal $(TESTS)

check: $(STAMP) ## lint, types, layers, templates, translations
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m tests.lint_templates
	$(PY) -m tests.lint_translations

bench: $(STAMP) ## measure against floors: all, a room's (NAME=evidence) or one (NAME=evidence.import)
	$(PY) -m benchmarks $(NAME)

train: $(STAMP) ## train the scoring model and let it score where none does (on a synthetic city)
	$(VENV)/bin/huiqiao credit train

translations: $(STAMP) ## collect new Chinese sentences into the English catalogue
	$(PY) -m tests.lint_translations --update

clean: ## remove the environment and everything built (never the data in instance/)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find app scoring workers migrations tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	find app -name '*.mo' -delete

# The environment is made again whenever setup.cfg changes. What the system lacks is said in one sentence.
$(STAMP): setup.cfg pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing; install it with: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) --version); install one with: apt-get install python3.11 python3.11-venv, then: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing; install it with: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || { echo "libgomp is missing (the scoring model needs it); install it with: apt-get install libgomp1" >&2; exit 1; }
	@test -x $(PY) && $(PY) -c pass 2>/dev/null || { echo "Making the environment in $(VENV) …"; rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]' || { echo "The packages could not be installed; is the package index reachable from this machine?" >&2; exit 1; }
	@touch $@
