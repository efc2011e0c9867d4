# Two commands: `make up` runs the hub with demo channels, `make test` runs every test.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STATIC := omnihub/unified_view/static/index.html
WEB    := $(shell git ls-files web 2>/dev/null | grep -v node_modules)

.PHONY: up test setup web check test-python test-web test-pbx test-durability clean help

help:
	@echo "make up      install what is needed and run the hub with demo channels"
	@echo "make test    install what is needed and run all checks and tests"
	@echo "make test-durability  kills, pauses, full disks: many minutes"
	@echo "make test-pbx  tests with a real Asterisk, which root installs in a folder of its own"
	@echo "make web     build the web app"
	@echo "make check   formatting, lint, types and import contracts only"
	@echo "make clean   remove what was built and installed; var/ stays"

up: setup $(STATIC)
	@$(BIN)/omnihub up --demo

test: setup $(STATIC) browser check test-web test-python

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "omnihub needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

web: setup $(STATIC)

$(STATIC): $(WEB) $(VENV)/.installed
	@./tools/with-node npm --prefix web ci --no-audit --no-fund --loglevel=error
	@./tools/with-node npm --prefix web run build --silent

.PHONY: browser
browser:
	@./tools/install-peers

check: setup
	$(BIN)/ruff format --check omnihub tests bench
	$(BIN)/ruff check omnihub tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

test-web: $(STATIC)
	@./tools/with-node npm --prefix web test --silent

test-durability: setup
	$(BIN)/pytest -m long tests/durability -s

test-python: setup $(STATIC)
	$(BIN)/pytest -n 2 --dist loadgroup

# An exchange and its telephones keep their own time: an INVITE that is sent again to a telephone of the test before
# may disturb the next, so that what failed is tried once more. The exit code 77 says that a real Asterisk cannot be
# had here, and why; then there is nothing to run.
test-pbx: setup
	@./tools/pbx-setup; code=$$?; \
	  if [ $$code != 0 ]; then [ $$code = 77 ]; else \
	  ./tools/pbx-run $(BIN)/pytest -m pbx tests/pbx || ./tools/pbx-run $(BIN)/pytest -m pbx --last-failed tests/pbx; fi

clean:
	rm -rf $(VENV) omnihub/unified_view/static web/node_modules .mypy_cache .ruff_cache .pytest_cache
