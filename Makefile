# Every target sets up what it needs: .venv from requirements.lock, and a broker (see README, "What set-up does").
PYTHON ?= python3
BIN := .venv/bin
SERVICES := $(BIN)/python deploy/setup/services.py

.DEFAULT_GOAL := help
.PHONY: help demo run test coverage check deploy-check bench figures soak picture fuzz format schemas lock setup

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: setup ## The main job on real input, end to end, in a minute; leaves nothing running
	@$(SERVICES) run -- $(BIN)/mm7 demo

run: setup ## Receiver, worker and simulated providers, until Ctrl-C
	@$(SERVICES) run -- $(BIN)/mm7 demo --stay

test: setup ## Every test, those against a real RabbitMQ and a real Redis included (PYTEST=tests/walks for some)
ifdef PYTEST
	@$(SERVICES) run --redis -- $(BIN)/pytest $(PYTEST)
else # What computes in two processes side by side; what waits for servers, and has deadlines, by itself.
	@$(SERVICES) run --redis -- $(BIN)/pytest -m "computes and not builds" -n 2 --dist loadfile
	@$(SERVICES) run --redis -- $(BIN)/pytest -m "not computes and not builds"
endif

coverage: setup ## The same with what the tests reach, 90 % at least; minutes longer
	@$(SERVICES) run --redis -- $(BIN)/pytest -m "computes and not builds" -n 2 --dist loadfile --cov --cov-report= --cov-fail-under=0
	@$(SERVICES) run --redis -- $(BIN)/pytest -m "not computes and not builds" --cov --cov-append --cov-report=term

check: setup ## Lint, format, types, import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports

deploy-check: setup ## All that is in deploy/: validated, loaded by the real programs, run; the alerts' tests
	@$(SERVICES) run --redis -- $(BIN)/pytest tests/deploy

bench: setup ## The benchmarks: ratios to floors measured in the same run (BENCH=scale for receivers and workers alone)
	@PYTHONPATH=deploy/setup $(SERVICES) run --redis -- $(BIN)/python -m tests.bench $(BENCH)

figures: setup ## The guide's figures anew (deploy/figures): throughput and cost, the rolling restart; some minutes on a quiet machine
	@PYTHONPATH=deploy/setup $(SERVICES) run --redis -- $(BIN)/python -m tests.bench scale --json > .run/scale.json
	@$(SERVICES) run --redis -- $(BIN)/pytest -q -s tests/faults/test_rolling.py | grep '^{"phases"' > .run/rolling.json
	@mv .run/scale.json .run/rolling.json deploy/figures/
	@$(BIN)/python -m tests.bench.figures deploy/README.md

soak: setup ## Everything breaks at random, and nothing is lost (MINUTES=5 RECEIVERS=1 WORKERS=1 STATE=sqlite|redis CLUSTER=1 SEED=…)
	@PYTHONPATH=deploy/setup exec $(BIN)/python -m tests.soak --minutes $(or $(MINUTES),5) --receivers $(or $(RECEIVERS),1) \
	  --workers $(or $(WORKERS),1) --state $(or $(STATE),sqlite) $(if $(CLUSTER),--cluster) $(if $(SEED),--seed $(SEED)) \
	  $(if $(JSON),--json)

picture: setup ## deploy/grafana/dashboard.png anew: what Prometheus sees of six minutes of load and faults
	@$(PYTHON) -m venv .run/picture && .run/picture/bin/pip install -q -r deploy/grafana/requirements.txt
	@PYTHONPATH=deploy/setup exec $(BIN)/python -m tests.picture deploy/grafana/dashboard.png --python .run/picture/bin/python

fuzz: setup ## Mutated samples through everything that reads strangers' bytes (SECONDS=600)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

format: setup ## The formatter, the safe fixes, the tables of the README, the examples of deploy/
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format
	@$(BIN)/python -m gateway.tools.tables README.md
	@$(BIN)/python -m gateway.tools.examples deploy

schemas: setup ## Release the JSON Schemas as they are now (tests/released), unless that would break somebody
	@$(BIN)/python -m tests.released

# One for all that is developed with; of the same, what the image runs and what it is built with.
LOCKED := uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-annotate --no-header
lock: setup ## requirements.lock and the image's locks anew from pyproject.toml (needs uv)
	$(LOCKED) --group dev pyproject.toml -o requirements.lock
	$(LOCKED) -c requirements.lock --extra otel --extra images pyproject.toml -o deploy/docker/run.lock
	$(LOCKED) -c requirements.lock --group build -o deploy/docker/build.lock

setup:
	@bash deploy/setup/venv.sh
