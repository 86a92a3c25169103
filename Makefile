# From a bare Debian with python3 (3.11 or newer) and make to everything: `make demo`, `make test`.
# All is installed into .venv here and into examples/bookshop/.venv; nothing outside this directory is touched.

PYTHON ?= python3
BIN := .venv/bin
UV := UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV= $(BIN)/uv
SHOP := examples/bookshop
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help install demo lint types test docs bench clean
.DELETE_ON_ERROR:

help: ## what there is to make
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install: .venv/.installed $(SHOP)/.venv/.installed ## Limpet and the example, each in its .venv, as locked

demo: install ## runs examples/bookshop in the foreground, with a console on this terminal
	cd $(SHOP) && ../../$(BIN)/limpet start_iex

lint: .venv/.installed ## ruff, formatting, the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

types: .venv/.installed ## mypy --strict
	$(BIN)/mypy

test: install ## every test; TESTS=tests/core runs some, PYTEST="-k word" says which
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST) $(TESTS)

docs: install ## the documents' commands, links and references
	$(BIN)/pytest $(PYTEST) tests/docs

bench: install ## measures; the figures and the machine go to bench/README.md
	@for script in $$(grep -l '^if __name__' bench/*.py); do \
	  echo "== $$script"; $(BIN)/python $$script || exit 1; \
	done

clean: ## removes what `make install` made
	rm -rf .venv $(SHOP)/.venv

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is no Python 3.11 or newer. Set one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "make: $(PYTHON) cannot make virtual environments. As root: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

.venv/.installed: pyproject.toml uv.lock | $(BIN)/uv
	$(UV) sync --quiet --locked --inexact --compile-bytecode
	@touch $@

$(SHOP)/.venv/.installed: $(SHOP)/pyproject.toml $(SHOP)/uv.lock | $(BIN)/uv
	$(UV) sync --quiet --locked --all-extras --compile-bytecode --project $(SHOP) --python $(CURDIR)/$(BIN)/python
	@touch $@
