# Everything a person or a machine does here. `make help` lists it.

ARGS  ?=
VENV  := $(CURDIR)/.venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check --quiet
# What is installed is what these say, here: a checkout that only touched files installs nothing, a moved one anew.
READY := $(VENV)/.ready-$(shell { pwd; cat requirements.lock pyproject.toml; } | cksum | cut -d ' ' -f 1)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long chaos check bench schemas prices proto help-texts references lock clean
.NOTPARALLEL:

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## make the environment in .venv (quick where nothing changed)
	@echo ".venv is ready"

run: $(READY) ## set up, then show the whole path (ARGS=--once ends after the demo, ARGS=--real runs on Kafka and Elasticsearch)
	@$(BIN)/sluice up --demo $(ARGS)

test: $(READY) ## set up, then run all tests on a real Kafka, Elasticsearch and PostgreSQL (ARGS are pytest's)
	@$(BIN)/python -m tests $(ARGS)

test-long: $(READY) ## the tests that take minutes
	@$(BIN)/python -m pytest -m long $(ARGS)

chaos: $(READY) ## kill everything under load and compare the ledger
	@$(BIN)/python -m pytest -m chaos $(ARGS)

check: $(READY) ## lint, format, types, imports, architecture, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/test_architecture.py tests/test_documentation.py

bench: $(READY) ## measure on this machine, write tests/benchmarks/results.json and its table
	@$(BIN)/python -m tests.benchmarks $(ARGS)

schemas: $(READY) ## write a new Avro file for each event whose definition changed
	@$(BIN)/python -c "from schemas.avro_schema import write_schema_files as w; print(*w() or ['nothing changed'], sep='\n')"

prices: $(READY) ## make the packaged table of base prices anew from the installed genai-prices
	@$(BIN)/python -c "from sluice.clock import iso_micros as i, now_micros as n; from sluice.money.base_source import write_packaged as w; print(w(i(n())[:10]))"

proto: $(READY) ## make the plugin protocol's Python modules anew from sluice/plugin_wire/*.proto
	@$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. sluice/plugin_wire/*.proto

help-texts: $(READY) ## renew the help texts that tests compare, in tests/help
	@$(BIN)/python -m tests.help_texts

references: $(READY) ## renew the pages that are generated: settings of both services, events
	@$(BIN)/python -m tests.reference_texts

lock: $(READY) ## resolve requirements.lock anew for every platform (ARGS=--upgrade takes the newest)
	@$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-package sluice-gateway --custom-compile-command "make lock" --quiet --output-file requirements.lock $(ARGS)
	@! grep -n -E '://|^--' requirements.lock || { echo "requirements.lock names a registry"; exit 1; }

clean: ## remove the environment, the caches and the demo's data
	rm -rf .venv .sluice .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +

# An environment that is whole and was made here is kept and brought up to date; any other is made anew.
$(READY):
	@if ! { grep -qF ' $(VENV)' $(VENV)/pyvenv.cfg && $(PIP) --version; } >/dev/null 2>&1; then \
		python=$$(.ci/fastest-python) || { \
			echo "needs Python 3.11 or newer with venv (Debian, Ubuntu: apt-get install python3 python3-venv)" >&2; exit 1; \
		}; \
		echo "making .venv with $$("$$python" --version), $$python"; \
		"$$python" -m venv --clear "$(VENV)"; \
	fi
	@echo "installing what requirements.lock names"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.ready-* && touch $@
