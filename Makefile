# `make demo` and `make test` are each enough on a fresh machine: both set up .venv first.
SHELL := /bin/bash
BIN := .venv/bin
# The first Python on the path that is 3.11, 3.12 or 3.13; set PYTHON=… to choose another.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3,11),(3,12),(3,13)))' 2>/dev/null && echo $$p && break; done)
# pip's own find-links are passed on, so that a CPU build of torch offered there is taken.
UV := UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" $(BIN)/uv pip install --quiet --python $(BIN)/python

.PHONY: help setup hooks demo check lint test prepare export readme docs dist execute ui clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | column -t -s "$$(printf '\t')"

setup: .venv/.complete ## make .venv with everything pinned in requirements.txt

.venv/.complete: requirements.txt overrides.txt settings.ini setup.py
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found; install one, or say make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(UV) -r requirements.txt --override overrides.txt
	$(UV) --no-deps --no-build-isolation -e .
	$(BIN)/python .ci/hooks.py
	touch $@

hooks: setup ## set up Git's hooks again, as setup did
	$(BIN)/python .ci/hooks.py

demo: setup ## all steps on simulated galaxies; writes demo/report.html
	$(BIN)/galaxy-demo --overwrite

check: setup ## in minutes: style, imports, cells, files, the notebooks of core, data and loss
	$(BIN)/python .ci/check.py --fast

lint: setup ## style alone, in seconds: ruff, imports, cells and stored outputs
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python .ci/cells.py

test: setup ## everything, in half an hour: every notebook as a test, and the checks on the tree
	$(BIN)/python .ci/check.py

export: setup ## write the package from the notebooks
	$(BIN)/nbdev_export

readme: setup ## write README.md from nbs/index.ipynb
	$(BIN)/python .ci/readme.py

docs: setup ## build the documentation site, _docs/site/index.html; no Quarto needed
	$(BIN)/python docs/build.py

dist: setup ## build wheel and source distribution as for a release
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

execute: setup ## run each notebook in place to renew its stored output
	for notebook in nbs/*.ipynb nbs/tutorials/*.ipynb; do $(BIN)/jupyter nbconvert --to notebook --execute --inplace $$notebook || exit 1; done
	$(BIN)/nbdev_clean

prepare: setup ## export, clean, README, lint, test; fails if that changed the tree
	$(BIN)/nbdev_export
	$(BIN)/nbdev_clean
	$(BIN)/python .ci/readme.py
	@$(MAKE) --no-print-directory lint
	$(BIN)/python .ci/check.py
	@git diff --exit-code --stat || { echo "The tree changed: look at the difference and commit it."; exit 1; }

PORT ?= 5000
ui: setup ## serve MLflow's pages on this machine only: runs, curves, models; PORT=… for another port
	@case "$$MLFLOW_TRACKING_URI" in http*) echo "Runs are tracked by the server at $$MLFLOW_TRACKING_URI: open that."; exit 0;; esac; \
	echo "Open http://127.0.0.1:$(PORT)/#/experiments/1/runs?workflowType=machine_learning (Ctrl-C ends it)"; \
	exec $(BIN)/mlflow ui --host 127.0.0.1 --port $(PORT) --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"

clean: ## remove what the demo and builds made (not data/, runs/ or .venv)
	rm -rf demo build dist _proc _docs *.egg-info .ruff_cache .import_linter_cache
