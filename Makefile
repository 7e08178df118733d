# BitCurrent. `make help` lists what there is; `make up` is all a new machine needs.
# Everything is quoted: a checkout may lie in a folder with spaces in its name.

PORT ?= 8000
DATA ?= ./var
ARGS ?=
TESTS ?= backend/tests
WORKERS ?= 2
# How many times the counts of `make test`.
CHAOS ?= 5

BIN := .venv/bin
LOCK := backend/requirements.lock
DEV_LOCK := backend/requirements-dev.lock
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help up demo test check format bench chaos lock clean-data runtime developer

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: runtime ## Bring up a whole brokerage with demo data: make up [PORT=8000] [DATA=./var] [ARGS=--verbose]
	@exec "$(BIN)/bitcurrent" up --port "$(PORT)" --data "$(DATA)" $(ARGS)

demo: runtime ## Play a customer's first hour against the running copy: make demo [DATA=./var]
	@exec "$(BIN)/bitcurrent" demo --data "$(DATA)" $(ARGS)

test: developer ## Run every test on real servers: make test [TESTS=backend/tests/ledger] [WORKERS=2] [ARGS='-k fee -x']
	@exec "$(BIN)/pytest" -n "$(WORKERS)" --dist loadfile --no-loadscope-reorder $(TESTS) $(ARGS)

check: developer ## Style, types, the house's rules, security, migrations against tables
	@"$(BIN)/ruff" check backend bench
	@"$(BIN)/ruff" format --check backend bench
	@"$(BIN)/mypy" --config-file backend/pyproject.toml
	@cd backend && "../$(BIN)/lint-imports" --config pyproject.toml
	@"$(BIN)/python" backend/checks/house.py
	@"$(BIN)/bandit" --quiet -ll --configfile backend/pyproject.toml --recursive backend/src
	@cd backend && "../$(BIN)/python" -m checks.patterns
	@cd backend && "../$(BIN)/python" -m checks.credentials
	@"$(BIN)/python" -m bitcurrent.migrate check

format: developer ## Put the code into its one form
	@"$(BIN)/ruff" check --fix --quiet backend bench || true
	@"$(BIN)/ruff" format backend bench

bench: developer ## Measure, side by side, in under five minutes
	@exec "$(BIN)/python" -m bench $(ARGS)

chaos: developer ## The whole fault matrix, in at most ten minutes: make chaos [CHAOS=5]
	@BITCURRENT_CHAOS_SCALE="$(CHAOS)" BITCURRENT_LAW_EXAMPLES="$$(( $(CHAOS) * 150 ))" \
		"$(BIN)/pytest" backend/tests/laws backend/tests/chaos $(ARGS)

lock: developer ## Resolve the dependencies anew into both lock files (fetches uv for the moment)
	@.ci/lock $(ARGS)

clean-data: runtime ## Throw away this copy's data and start anew: make clean-data [DATA=./var]
	@"$(BIN)/bitcurrent" clean-data --data "$(DATA)" $(ARGS)

runtime:
	@sh backend/bootstrap.sh $(LOCK)

developer:
	@sh backend/bootstrap.sh $(DEV_LOCK)
