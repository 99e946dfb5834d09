# Each target does its own set-up first, from nothing; `make` alone lists them.
# PYTHON=python3.12 chooses the Python that .venv is made from, MUJOCO_GL=osmesa the renderer.
PY := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo tutorials site site-wasm thumbnails test thorough mutants bench doctor gpu clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: ## .venv with all packages, and the system library for rendering without a screen
	@sh scripts/setup.sh

demo: setup ## two short trainings from pixels, a figure and a page about them, in runs/demo
	$(PY) -m fast demo --out runs/demo

tutorials: setup ## the tutorials in your browser; Ctrl-C ends them
	$(PY) -m tutorials

site: setup ## the tutorials as pages for any static server, in build/site; LIVE=address of site-wasm
	$(PY) scripts/static_site.py $(if $(LIVE),--live $(LIVE))

site-wasm: setup ## the same with Python in the reader's browser, from the network or from PYODIDE=folder or address
	$(PY) -m pip install --quiet --no-deps --require-hashes --requirement tools.lock
	$(PY) scripts/static_site.py --wasm $(if $(PYODIDE),--pyodide $(PYODIDE)) $(if $(PYPI),--pypi $(PYPI))

thumbnails: setup ## the pictures of the tutorials in their README
	$(PY) scripts/static_site.py --thumbnails

test: setup ## all tests, format, lint and types
	$(PY) -m pytest --numprocesses=2 --dist=loadfile

thorough: setup ## the slow tests too, a browser on the tutorials, 20,000 examples of every property and claim: hours
	$(PY) -m pip install --quiet --no-deps --require-hashes --requirement tools.lock
	@command -v coqc >/dev/null || echo "No coqc (Debian: coq): theory/proofs/ is not checked"
	$(PY) -m pytest -m "slow or not slow" --hypothesis-profile=thorough

mutants: setup ## change ref/'s formulas and theory/'s claims one by one and see that a test fails; can be resumed
	$(PY) -m pip install --quiet --no-deps --require-hashes --requirement tools.lock
	$(PY) scripts/mutants.py

bench: setup ## what a step of SAC, DQN, PPO and DrQ costs, and others' of the same, as ratios
	@test -x .venv-peers/bin/python || $(PY) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --requirement scripts/peers.txt
	for agent in sac dqn ppo; do $(PY) -m fast bench $$agent --peers .venv-peers/bin/python || exit 1; done
	for agent in drq drq-bfloat16; do $(PY) -m fast bench $$agent --steps 3 --peers .venv-peers/bin/python || exit 1; done

gpu: setup ## with a GPU: that all runs on it, and how fast; results/gpu.json is for committing
	$(PY) -m fast doctor --gpu --out results/gpu.json

doctor: setup ## what this machine can do
	$(PY) -m fast doctor

clean: ## remove .venv and every cache; runs/ stays
	rm -rf .venv .venv-peers .hypothesis .mypy_cache .pytest_cache .ruff_cache build mutants *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
