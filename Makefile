# Each target does its own set-up first, from nothing; `make` alone lists them.
# PYTHON=python3.12 chooses the Python that .venv is made from, MUJOCO_GL=osmesa the renderer.
PY := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test thorough mutants doctor clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: ## .venv with all packages, and the system library for rendering without a screen
	@sh scripts/setup.sh

demo: setup ## two short trainings from pixels, a figure and a page about them, in runs/demo
	$(PY) -m fast demo --out runs/demo

test: setup ## all tests, format, lint and types
	$(PY) -m pytest

thorough: setup ## the slow tests too, and 20,000 examples of every property and claim: hours
	$(PY) -m pytest -m "slow or not slow" --hypothesis-profile=thorough tests/ref tests/theory tests/twins

mutants: setup ## change ref/'s formulas and theory/'s claims one by one and see that a test fails; can be resumed
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[mutants]'
	$(PY) scripts/mutants.py

doctor: setup ## what this machine can do
	$(PY) -m fast doctor

clean: ## remove .venv and every cache; runs/ stays
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build mutants *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
