# netflix-elt-pipeline: the interface. `make` alone prints the list.
# Settings: environment, .env, or `make run-all NETFLIX_CSV=...`; see .env.example.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules
export PYTHONUTF8 := 1

# The project's folder, whatever the working directory; blanks in the path are fine.
ROOT := $(shell dirname "$(strip $(MAKEFILE_LIST))")
VENV ?= .venv
PYTHON ?= python3
ROWS ?= 10000
ROUNDS ?= 3
DAY ?= 1
SEED ?= 42
ENGINES ?= spark
# Values from the command line are never expanded here; recipes get them from the environment.
export VENV PYTHON ROWS ROUNDS DAY SEED ENGINES KEY TO FIRST SECOND SINCE UNTIL FILES AT BATCH
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),\
    $(eval override $(name) := $$(value $(name)))$(eval export $(name))))
IN := cd "$(ROOT)" &&
RUN := $(IN) PYTHONPATH=python "$$VENV/bin/python"

##@ Start

.PHONY: help
help: ## Print this list
	@$(IN) awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: run-all
run-all: setup ## Run the nightly job: all steps (on sample data if there is no file)
	@$(RUN) python/run_all.py $(if $(QUIET),--quiet)

.PHONY: sample
sample: setup ## 00: make up a catalogue: ROWS=10000 DAY=1 SEED=42
	@$(RUN) python/00_make_sample_data.py --rows="$$ROWS" --day="$$DAY" --seed="$$SEED"

.PHONY: clean-sample
clean-sample: setup ## Remove the sample data and all that came of them, before the first real file
	@$(RUN) python/00_make_sample_data.py --remove

.PHONY: setup
setup: ## Make .venv with the packages of .ci/locks/requirements.lock, by hash
	@$(IN) bash .ci/setup "$$PYTHON" "$$VENV" .ci/locks/requirements.lock

##@ Look

.PHONY: status
status: setup ## Show last runs, counts, freshness, open failures, next run, disk use
	@$(RUN) -m operations.status

.PHONY: open
open: setup ## Print where the dashboard is, and open it if there is a desktop
	@$(RUN) -m operations.status --open

.PHONY: digest
digest: setup ## Show what the newest snapshot changed, or SINCE=2019-11-30 UNTIL=2020-01-18
	@$(RUN) -m operations.digest --since="$$SINCE" --until="$$UNTIL"

.PHONY: inspect
inspect: setup ## 01: show what is in the input file, and what would not load; PROPOSE=1: a contract
	@$(RUN) python/01_inspect_data.py $(if $(PROPOSE),--propose)

.PHONY: plan
plan: setup ## Show what the input file would change, and write nothing
	@$(RUN) python/06_merge_cdc.py --plan

.PHONY: why
why: setup ## 11: show every version of a title and where it came from: KEY=s123
	@$(RUN) python/11_explain_title.py -- "$$KEY"

##@ Run one step

.PHONY: raw
raw: setup ## 02: CSV -> immutable Parquet snapshot and manifest line
	@$(RUN) python/02_create_raw_layer.py

.PHONY: load
load: setup ## 03: newest snapshot -> raw_netflix_titles, after a check of digest and counts
	@$(RUN) python/03_load_raw_to_duckdb.py

.PHONY: schema
schema: setup ## 04: bind the columns to the contract, report drift
	@$(RUN) python/04_check_schema.py

.PHONY: staging
staging: setup ## 05: clean and type -> staging_netflix_titles, quarantine (FULL=1: restage all)
	@$(RUN) python/05_run_staging_sql.py $(if $(FULL),--full)

.PHONY: merge
merge: setup ## 06: staging -> history, current and change feed
	@$(RUN) python/06_merge_cdc.py

.PHONY: monitor
monitor: setup ## 07: every check of sql/checks -> ops_checks, alerts
	@$(RUN) python/07_monitor_pipeline.py $(if $(QUIET),--quiet)

.PHONY: analytics
analytics: setup ## 08: history -> star schema and KPI views (FULL=1: all)
	@$(RUN) python/08_build_analytics.py $(if $(FULL),--full)

.PHONY: publish
publish: setup ## 09: what passed the audit -> database copy, KPI files, dictionary, page
	@$(RUN) python/09_publish.py

.PHONY: export
export: setup ## Write the published data as flat files: catalogue.csv, the star schema as Parquet
	@$(RUN) -m publish.flat_files

##@ Operate

.PHONY: cron-install
cron-install: setup ## Let cron run the job at SCHEDULE and the audit at MONITOR_SCHEDULE (UTC)
	@$(RUN) -m operations.cron install

.PHONY: cron-remove
cron-remove: setup ## Remove this project's lines from the crontab
	@$(RUN) -m operations.cron remove

.PHONY: backfill
backfill: setup ## Load dated files, the oldest first: FILES='exports/*.csv' AT='name %Y-%m-%d' (PLAN=1)
	@$(RUN) -m ingest.backfill --at="$$AT" $(if $(PLAN),--plan) -- "$$FILES"

.PHONY: withdraw
withdraw: setup ## Take a snapshot back with all that it changed: BATCH=<id>
	@$(RUN) -m history.withdraw withdraw "$$BATCH"
	@$(RUN) python/06_merge_cdc.py

.PHONY: restore
restore: setup ## Let a withdrawn snapshot count again: BATCH=<id>
	@$(RUN) -m history.withdraw restore "$$BATCH"
	@$(RUN) python/06_merge_cdc.py

.PHONY: rebuild
rebuild: setup ## 10: replay every raw snapshot into a fresh warehouse and swap it in
	@$(RUN) python/10_rebuild_warehouse.py

.PHONY: verify
verify: setup ## 10: check that the live warehouse equals a replay of the raw snapshots
	@$(RUN) python/10_rebuild_warehouse.py --verify

##@ Move to another engine

.PHONY: mirror
mirror: setup ## 12: bring the published tables to MIRROR_URL, by what changed (docs/engines.md)
	@$(IN) bash .ci/setup "$$PYTHON" "$$VENV" .ci/locks/mirror.lock
	@$(RUN) python/12_mirror.py

.PHONY: migrate
migrate: setup ## Move the warehouse to another engine: TO=spark (docs/engines.md)
	@$(RUN) -m engines.migrate --to="$$TO"

.PHONY: test-engines
test-engines: setup-test ## Run the tests on other engines: ENGINES="spark apache snowflake bigquery"
	@$(IN) for engine in $$ENGINES; do \
		client=".ci/locks/$$engine.lock"; server=".ci/locks/test-$$engine.lock"; \
		if [ -f "$$client" ]; then bash .ci/setup "$$PYTHON" "$$VENV" "$$client"; fi; \
		if [ -f "$$server" ]; then bash .ci/setup "$$PYTHON" ".venv-$$engine" "$$server"; fi; done
	@$(RUN) -m pytest -n auto --dist worksteal tests/engines
	@case " $$ENGINES " in *" apache "*) export VENV=.venv-apache; $(RUN) -m pytest -n auto \
		--dist worksteal -k "apache or dialects" tests/engines;; esac

##@ Develop

# Three seconds a process, to rewrite the tests' assertions: the result stays for the next run.
test test-full test-mutants reliability: export PYTHONDONTWRITEBYTECODE :=

.PHONY: test
test: setup-test ## Run the quick tests (some minutes)
	@$(RUN) -m pytest -n auto --dist worksteal -m "not slow and not engines"

.PHONY: test-full
test-full: setup-test ## Run the slow tests, too (an hour or more); NINTH=0 to 8: a ninth of them
	@$(RUN) -m pytest -n auto --dist worksteal -m "not mutants and not engines"

.PHONY: test-mutants
test-mutants: setup-test ## Break the SQL on purpose, and see the tests fail (50 minutes)
	@$(RUN) -m pytest -n 0 -m mutants

.PHONY: reliability
reliability: setup-test ## Inject every fault, and write the results to tests/RELIABILITY.md
	@$(IN) results=$$(mktemp) && trap 'rm -f "$$results"' EXIT && RELIABILITY_RESULTS="$$results" \
		"$$VENV/bin/python" -m pytest -n auto --dist worksteal tests/reliability && \
		"$$VENV/bin/python" tests/reliability/table.py "$$results"

.PHONY: lint
lint: setup-test ## Check style, formatting, types and spelling
	@$(RUN) -m ruff check . && "$$VENV/bin/python" -m ruff format --check . && \
		"$$VENV/bin/python" -m mypy && "$$VENV/bin/python" -m codespell_lib

.PHONY: peers
peers: setup-peers ## Test dbt-duckdb and dlt with the same faults
	@$(IN) PIPELINE_PYTHON="$$VENV/bin/python" PYTHONPATH=tests/support .venv-peers/bin/python tests/peers/compare.py

.PHONY: bench
bench: setup-test ## Time all steps next to the bare minimum: ROWS="10000 100000" ROUNDS=3 -> docs/
	@$(RUN) tests/bench/bench.py docs $$ROUNDS $$ROWS

.PHONY: bench-peers
bench-peers: setup-peers ## Time two nights next to dbt, SQLMesh and dlt: ROWS=10000, FIRST= SECOND= files
	@first=$${FIRST:+$$(realpath "$$FIRST")} second=$${SECOND:+$$(realpath "$$SECOND")} && $(IN) \
		PIPELINE_PYTHON="$$VENV/bin/python" PYTHONPATH=tests/support .venv-peers/bin/python \
		tests/peers/day2.py "$$first" "$$second" $$ROUNDS $$ROWS

.PHONY: vendor
vendor: ## Build the page's script from python/publish/page/src and the packages it locks (needs npm)
	@$(IN) bash python/publish/page/vendor/build.sh

.PHONY: screenshot
screenshot: setup-test ## Take the README's picture of the page, from sample data
	@$(RUN) tests/support/screenshot.py docs/dashboard.png

.PHONY: setup-test
setup-test: setup ## Install what only the tests need
	@$(IN) for lock in test mirror; do bash .ci/setup "$$PYTHON" "$$VENV" ".ci/locks/$$lock.lock"; done

.PHONY: setup-peers
setup-peers: setup ## Install dbt-duckdb, dlt and SQLMesh, in an environment of their own
	@$(IN) "$$PYTHON" -m venv .venv-peers && \
		.venv-peers/bin/python -m pip install -q -r tests/peers/requirements.txt

.PHONY: clean
clean: ## Remove .venv and caches, but never data, the warehouse or logs
	@$(IN) rm -rf "$$VENV" .pytest_cache .ruff_cache .mypy_cache .hypothesis && find python tests -name __pycache__ -exec rm -rf {} +
