# Everything a developer types; `make` alone lists it. PYTHON=… picks the interpreter that makes .venv.

PYTHON ?= python3
BIN := .venv/bin
# One more than the cores it is meant for: many tests wait for other processes.
TEST_PROCESSES ?= 3
CHAOS_SECONDS ?= 120
SOAK_REPORT ?= docs/soak.json
EXAMPLES ?= 10000
POSTGRES_BIN ?= /usr/lib/postgresql/15/bin
# A file stays in one process: what its tests share is set up once. In their order, the longest come first.
PYTEST := -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PINS := uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help run demo test test-fast check bench bench-postgres bloat-postgres contract lint types imports fresh unit coverage pins clean wrk \
	pgbouncer chromium faults-postgres test-postgres overload timing chaos mutants soak model statemachine crash-images \
	fuzz bombs canaries

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

run: .venv/.run  ## Serve on http://127.0.0.1:8080, tasks kept in orchestrion.db
	@exec $(BIN)/orchestrion serve

demo: .venv/.run  ## Watch three workers take real tasks through their lives
	@$(BIN)/orchestrion demo

test: .venv/.dev pgbouncer chromium lint types imports fresh coverage  ## Check and test everything
	@$(BIN)/python $(PYTEST) --quiet -m "not mode"

test-fast: .venv/.dev  ## The tests that take under three minutes together
	@$(BIN)/python $(PYTEST) --quiet -m "not slow and not pgbouncer"

test-postgres: .venv/.dev pgbouncer  ## Test on another PostgreSQL, the one in POSTGRES_BIN (Debian 12's: 15)
	@test -x "$(POSTGRES_BIN)/postgres" || { echo "no PostgreSQL in $(POSTGRES_BIN): name its folder, POSTGRES_BIN=…" >&2; exit 1; }
	@ORCHESTRION_TEST_POSTGRES_BIN="$(POSTGRES_BIN)" $(BIN)/python $(PYTEST) -k postgres tests/store tests/engine tests/jobs tests/http
	@ORCHESTRION_TEST_POSTGRES_BIN="$(POSTGRES_BIN)" $(BIN)/python $(PYTEST) -m "not slow and not pgbouncer" tests/e2e

check: lint types imports fresh unit  ## Format, lint, types, imports, documents, unit tests: seconds

bench: .venv/.dev wrk  ## Measure speed on SQLite, waiting and batches on PostgreSQL too; figures in benchmarks/results/
	@$(BIN)/python -m benchmarks

bench-postgres: .venv/.dev wrk  ## Measure speed on PostgreSQL, on a server of its own: 15 minutes
	@$(BIN)/python -m benchmarks --only postgres-http postgres-waiting postgres-batches postgres-engine postgres-counting postgres-costs postgres-age

bloat-postgres: .venv/.dev  ## Hold a snapshot for SNAPSHOT_MINUTES (10) under load; print what is kept
	@$(BIN)/python -m benchmarks --only postgres-bloat

faults-postgres: .venv/.dev wrk  ## Hurt PostgreSQL under load; print how soon and how well it comes back
	@$(BIN)/python -m benchmarks.faults

overload: .venv/.dev  ## Bring three times the clients the service can serve; print what it keeps up: 10 minutes
	@$(BIN)/python -m benchmarks.overload

timing: .venv/.dev  ## Compare how long answers about unknown and foreign ids and keys take
	@$(BIN)/python -m benchmarks.timing

chaos: .venv/.dev  ## Kill, pause, cut off and starve servers under load on both databases; check all that was answered
	@$(BIN)/python -m tests.chaos --store both --seconds $(CHAOS_SECONDS)

mutants: .venv/.dev  ## Break the service in sixteen ways; each must be caught
	@$(BIN)/python -m tests.chaos.all_mutants

soak: .venv/.dev  ## Chaos for SOAK_HOURS (4), continued where it was interrupted; report in SOAK_REPORT
	@$(BIN)/python -m tests.chaos.soak --report $(SOAK_REPORT)

model: .venv/.dev  ## Walk through every world of one task and two workers, with larger bounds than the tests
	@$(BIN)/python -m tests.model

statemachine: .venv/.dev  ## Random lives of tasks against a model, EXAMPLES (10000) of them
	@ORCHESTRION_TEST_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest --quiet -o faulthandler_timeout=0 tests/statemachine

crash-images: .venv/.dev  ## Cut the power of SQLite in 10,000 places
	@$(BIN)/python -m tests.crash --images 10000

fuzz: .venv/.dev  ## Send requests made up from the schema for half an hour
	@$(BIN)/python -m tests.fuzz --minutes 30

bombs: .venv/.dev  ## Send the dearest bodies there are beside a well-behaved client; compare what it waits
	@$(BIN)/python -m tests.fuzz.bombs

canaries: .venv/.dev  ## Look for anything of one account in what others are told, over 50,000 operations on each database
	@$(BIN)/python -m tests.security.canaries --operations 50000

contract: .venv/.dev  ## Regenerate the documents that derive from the code
	@$(BIN)/python -m orchestrion.cli.documents

coverage: .venv/.dev  ## Hold core and engine to full branch coverage, on SQLite
	@$(BIN)/coverage erase
	@$(BIN)/coverage run $(PYTEST) --quiet -k "not postgres" tests/unit tests/engine
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --include="*/core/*,*/engine/*" --fail-under=100

pins:  ## Pin the newest releases pyproject.toml allows (needs uv)
	@$(PINS) --upgrade --group dev --extra postgres pyproject.toml --output-file requirements/dev.txt
	@$(PINS) --constraint requirements/dev.txt pyproject.toml --output-file requirements/run.txt
	@$(PINS) --constraint requirements/dev.txt --extra postgres pyproject.toml --output-file requirements/postgres.txt
	@$(PINS) --constraint requirements/dev.txt --group build --output-file requirements/build.txt

clean:  ## Remove the environment, caches and builds; keep databases
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

# --- the parts of check

lint: .venv/.dev
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .

types: .venv/.dev
	@$(BIN)/mypy --no-error-summary

imports: .venv/.dev
	@$(BIN)/lint-imports > .venv/imports.log || { cat .venv/imports.log; exit 1; }

fresh: .venv/.dev
	@$(BIN)/python -m orchestrion.cli.documents --check

unit: .venv/.dev
	@$(BIN)/python -m pytest --quiet tests/unit

# --- what the targets stand on; a stamp is renewed when its requirements change

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Orchestrion needs Python 3.11 or newer as $(PYTHON); name another with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.run: .venv/.made pyproject.toml requirements/run.txt requirements/build.txt
	@echo "Installing Orchestrion into .venv …"
	@$(PIP) --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	@echo "Installing the development tools into .venv …"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

wrk:
	@command -v wrk >/dev/null || { apt-get update -qq; apt-get install --yes --quiet wrk; } || { echo "make bench needs wrk: apt-get install wrk" >&2; exit 1; }

pgbouncer:
	@PATH="$$PATH:/usr/sbin" command -v pgbouncer >/dev/null || { apt-get update -qq; apt-get install --yes --quiet pgbouncer; } || { echo "make test needs PgBouncer: apt-get install pgbouncer" >&2; exit 1; }

chromium:
	@command -v chromium >/dev/null || { apt-get update -qq; apt-get install --yes --quiet chromium; } || { echo "make test needs Chromium: apt-get install chromium" >&2; exit 1; }
