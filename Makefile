# Two commands for a fresh machine with Python 3.11 or newer: `make demo`, `make test`.
# Both first make the environment .venv from constraints.txt, the tested versions.

SUITS := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  $$p $(SUITS) 2>/dev/null && echo $$p && break; done)
# Say INSTALL_PROGRAMS=no to leave the system as it is; what needs RELION, Chromium or Slurm
# is then left out.
INSTALL_PROGRAMS ?= yes

BIN := .venv/bin
INSTALLED := .venv/installed.stamp
# One version of the client of CryoSPARC fits into an environment; the tests try both.
OTHER_CLIENT := cryosparc-tools==4.7.1
export CRYOSCORE_OTHER_CRYOSPARC_TOOLS := $(CURDIR)/.venv/other-cryosparc-tools
SHAPES := --jaxtyping-packages=cryoscore_plugin,beartype.beartype
export DEBIAN_FRONTEND := noninteractive

.DEFAULT_GOAL := help
.PHONY: help install relion chromium slurm demo test check format clean

help:
	@echo 'make demo    denoise a simulated project and show before, after and truth'
	@echo 'make test    format, lint, types, layers, then all tests'
	@echo 'make check   the quick part of it'
	@echo 'make format  let ruff put the code into shape'
	@echo 'make clean   remove the environment and what was built'

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -n '$(PYTHON)' && $(PYTHON) $(SUITS) \
	  || { echo 'Needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3.11'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -m pip install --quiet --no-deps --upgrade \
	  --target '$(CRYOSCORE_OTHER_CRYOSPARC_TOOLS)' '$(OTHER_CLIENT)'
	@touch $@

# These are wanted, not needed: without RELION the demo calls the job as RELION would, and
# the tests against a real program that is not there are skipped.
relion: PROGRAM := relion_pipeliner
relion: PACKAGES := relion
chromium: PROGRAM := chromium
chromium: PACKAGES := chromium
slurm: PROGRAM := slurmctld
slurm: PACKAGES := slurmctld slurmd slurm-client munge

relion chromium slurm: $(INSTALLED)
	@if test '$(INSTALL_PROGRAMS)' != yes || command -v $(PROGRAM) >/dev/null || test -e .venv/$@.stamp; \
	then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo 'Note: no $@ here, and no apt-get to install it.'; \
	else \
	  if test "$$(id -u)" = 0; then as=''; else as='sudo -n'; fi; \
	  { $$as apt-get update && $$as apt-get install --yes --no-install-recommends $(PACKAGES); } \
	    >.venv/$@.log 2>&1 </dev/null \
	    || echo 'Note: $@ could not be installed (.venv/$@.log); going on without it.'; \
	fi; \
	touch .venv/$@.stamp

demo: install relion
	$(BIN)/cryoscore demo --output demo

check: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check relion chromium slurm
	$(BIN)/pytest --numprocesses 2 --dist loadfile $(SHAPES)

format: install
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv build dist demo .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
