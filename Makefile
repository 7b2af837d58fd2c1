# `make` lists the targets. Everything happens in .venv, which scripts/venv makes and keeps ready.

SHELL := bash
.DEFAULT_GOAL := help
PERSONA ?= dana
ARGS ?=
BIN := .venv/bin

.PHONY: help venv demo test test-peers lint types format pictures clean distclean

help: ## list the targets
	@echo "Trunkline: phone calls in which an AI agent talks with a person."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make demo PERSONA=rick ARGS=\"--outbound\"     another prospect, and flags for trunkline demo"
	@echo "  make test ARGS=\"tests/sip -k parse\"          flags and paths for pytest"
	@echo "  PYTHON=/path/to/python3.12 make …            the interpreter for a new .venv"

venv: ## set up .venv (every other target does so by itself)
	@PYTHON="$(PYTHON)" scripts/venv

demo: venv ## a whole phone call on this machine, shown live
	@$(BIN)/trunkline demo --persona $(PERSONA) $(ARGS)

test: venv ## the tests
	@$(BIN)/python -m pytest $(ARGS)

test-peers: ## engines and carriers beside vendors' SDKs, LiveKit's plugins, Pipecat and local models' libraries
	@PYTHON="$(PYTHON)" scripts/venv-peers
	@.venv-peers/bin/python -m pytest tests/providers tests/legs/test_pipecat.py $(ARGS)

lint: venv ## ruff: rules and format
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

types: venv ## mypy, strict, over source and tests
	@$(BIN)/python -m mypy

format: venv ## let ruff put the code in shape
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

pictures: venv ## the README's pictures, from a real demo (needs chromium)
	@$(BIN)/python scripts/pictures $(PERSONA)

clean: ## remove caches and builds; keep .venv and runs/
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## clean, and remove .venv and .venv-peers too
	rm -rf .venv .venv-peers
