# Two commands for a fresh machine with Python 3.11 or newer: `make demo`, `make test`.
# Both first make the environment .venv from constraints.txt, the tested versions.

SUITS := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  $$p $(SUITS) 2>/dev/null && echo $$p && break; done)
# Say INSTALL_RELION=no to leave the system as it is; what needs RELION is then left out.
INSTALL_RELION ?= yes

BIN := .venv/bin
INSTALLED := .venv/installed.stamp
RELION_TRIED := .venv/relion.stamp
# One version of the client of CryoSPARC fits into an environment; the tests try both.
OTHER_CLIENT := cryosparc-tools==4.7.1
export CRYOSCORE_OTHER_CRYOSPARC_TOOLS := $(CURDIR)/.venv/other-cryosparc-tools
SHAPES := --jaxtyping-packages=cryoscore_plugin,beartype.beartype
export DEBIAN_FRONTEND := noninteractive

.DEFAULT_GOAL := help
.PHONY: help install relion demo test check format clean

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

# RELION is wanted, not needed: without it the demo calls the job as RELION would, and
# the tests against the real program are skipped.
relion: $(INSTALLED)
	@if test '$(INSTALL_RELION)' != yes || command -v relion_pipeliner >/dev/null || test -e $(RELION_TRIED); \
	then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo 'Note: no RELION here, and no apt-get to install it.'; \
	else \
	  if test "$$(id -u)" = 0; then as=''; else as='sudo -n'; fi; \
	  { $$as apt-get update && $$as apt-get install --yes --no-install-recommends relion; } \
	    >.venv/relion.log 2>&1 </dev/null \
	    || echo 'Note: RELION could not be installed (.venv/relion.log); going on without it.'; \
	fi; \
	touch $(RELION_TRIED)

demo: install relion
	$(BIN)/cryoscore demo --output demo

check: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check relion
	$(BIN)/pytest --numprocesses 2 --dist loadfile $(SHAPES)

format: install
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv build dist demo .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
