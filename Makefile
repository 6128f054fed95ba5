# make app      installs what is needed, fetches the demo model and draws its map once, and starts the dashboard
# make test     runs every test, those in a real browser among them, three files at a time
# make torture  many at once, kills, full disks, bad files, strangers: a table of what was lost, in 20 minutes
# make check    runs ruff, the type checker and the import contract, and prints the size and shape of the code

BIN := .venv/bin
PORT ?=
PYTEST_ARGS ?=
TORTURE_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# A .venv or stamp that was cut short is made again.
.DELETE_ON_ERROR:
.PHONY: app test torture check bench screenshots browser

app: .venv/app.stamp
	@$(BIN)/prunescope demo --map > /dev/null
	@exec $(BIN)/prunescope app $(if $(PORT),--port $(PORT))

test: .venv/dev.stamp browser
	$(BIN)/prunescope demo > /dev/null
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

torture: .venv/dev.stamp browser
	$(BIN)/python -m tests.torture $(TORTURE_ARGS)

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.structure

bench: .venv/dev.stamp browser
	@set -e; for name in map forecast masks structured solver latency ui; do \
	  echo "bench $$name"; $(BIN)/prunescope bench $$name; \
	done

screenshots: .venv/dev.stamp browser
	$(BIN)/prunescope demo > /dev/null
	$(BIN)/python -m tests.e2e.screenshots

# ensurepip is asked for because Debian ships Python without it until python3-venv is installed.
.venv/bin/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
	    echo "Making .venv with $$($$python --version)"; exec $$python -m venv .venv; \
	  fi; \
	done; \
	echo "Prunescope needs Python 3.11 or newer with its venv module. Install it (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2; exit 1

.venv/app.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing what Prunescope needs (a few minutes, the first time only)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing what Prunescope and its tests need (a few minutes, the first time only)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ .venv/app.stamp

browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	  if command -v $$name > /dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null; \
	else \
	  echo "The browser tests need Chromium or Chrome on the PATH. Install one, or run the others: $(BIN)/python -m pytest -m 'not browser'" >&2; exit 1; \
	fi
