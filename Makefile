PYTHON ?= python3
BIN := .venv/bin

.PHONY: run quick test test-kitchens slow bench load check format docs clean

run: .venv/run
	$(BIN)/python app.py

# A browser that is there, or one brought; without it the tests that drive one are skipped.
BROWSER = IMEXNET_BROWSER="$$($(BIN)/python tests/browser.py)"

# For every edit: no browser, no training.
quick: .venv/test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not (browser or training or kitchens or slow or nyu)"

# A browser has both cores for itself: its tests follow the others, whatever those said.
test: .venv/test check
	status=0; \
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not (browser or kitchens or slow)" || status=1; \
	$(BROWSER) $(BIN)/python -m pytest -m "browser and not (kitchens or slow)" || status=1; \
	exit $$status

test-kitchens: .venv/render
	$(BIN)/python -m pytest -m kitchens

slow: .venv/test
	$(BROWSER) $(BIN)/python -m pytest -m "slow and not kitchens"

bench: .venv/bench
	$(BIN)/python -m imexnet benchmark --threads 1

load: .venv/run
	$(BIN)/python benchmarks/load.py

check: .venv/test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-cache
	find imexnet -name '*.pyi' -delete  # Gradio writes one beside every component that is subclassed
	$(BIN)/pyright

format: .venv/test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The documentation as a site in site/; a link that leads nowhere is an error.
docs: .venv/docs
	$(BIN)/python -m mkdocs build --strict

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/python requirements.txt pyproject.toml
	$(BIN)/python -m pip install -q -e .
	touch $@

.venv/test: .venv/bin/python requirements.txt requirements-test.txt pyproject.toml
	$(BIN)/python -m pip install -q -c requirements-test.txt -e '.[test]'
	touch $@ .venv/run

.venv/render: .venv/bin/python requirements.txt requirements-test.txt pyproject.toml
	$(BIN)/python -m pip install -q -c requirements-test.txt -e '.[test,render]'
	touch $@ .venv/test .venv/run

.venv/bench: .venv/bin/python requirements.txt pyproject.toml
	$(BIN)/python -m pip install -q -e '.[bench]'
	touch $@ .venv/run

.venv/docs: .venv/bin/python requirements.txt pyproject.toml
	$(BIN)/python -m pip install -q -e '.[docs]'
	touch $@ .venv/run

clean:
	rm -rf .venv site
