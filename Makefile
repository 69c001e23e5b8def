# The operator's commands: README.md and the contract in docs say what each promises.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check check-full bench chaos format lock messages clean

run: .venv/.runtime
	@exec $(BIN)/python -m demo

test: .venv/.dev
	@$(BIN)/python -m tests.suite

check: .venv/.dev
	@$(BIN)/python -m tests.check

check-full: .venv/.dev
	@$(BIN)/python -m tests.check --full

# Measurements, never part of CI: a table, and var/bench.json. BENCH holds its arguments.
bench: .venv/.dev
	@$(BIN)/python -m benchmarks $(BENCH)

# One refresh, however processes are killed: a table, and var/chaos.json (docs/chaos.md). CHAOS holds its arguments.
chaos: .venv/.dev
	@$(BIN)/python -m benchmarks.chaos $(CHAOS)

format: .venv/.dev
	$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format --quiet .

lock: .venv/.dev
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 requirements-dev.in -o requirements-dev.txt

# After a change of a sentence that customers read: translate what is new in locale/, run it once more, commit the .mo too.
messages: .venv/.dev
	@command -v msgfmt >/dev/null || { echo "The gettext tools are missing. On Debian: apt-get install gettext"; exit 1; }
	$(BIN)/python manage.py makemessages -l de -l es -l fr -l ja --no-location --no-obsolete -i 'templates/admin' -i 'tests/*' -i 'demo/*' -i 'sandbox/*' -i 'var/*'
	for po in locale/*/LC_MESSAGES/*.po; do msgfmt --check-format -o "$${po%.po}.mo" "$$po" || exit 1; done

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "The venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }

# uv installs in a second what takes pip a quarter of a minute; where it cannot be had, pip does the same.
.venv/.runtime: .venv/bin/python requirements.txt
	@echo "Installing the packages (a few seconds, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null || true
	@if [ -x $(BIN)/uv ]; then $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; fi
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.txt
	@echo "Installing the development packages"
	@if [ -x $(BIN)/uv ]; then $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt; fi
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
