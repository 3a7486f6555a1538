# One line a target; `make` alone prints them. RECIPE says what each stage does.
RECIPE ?= recipes/demo.toml
STAGE ?=
ARGS ?=
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

BIN := .venv/bin
PYCODEGPT := $(BIN)/python -m pycodegpt
DEMO := recipes/demo.toml

.PHONY: help
help: ## what there is
	@echo "make TARGET [RECIPE=$(RECIPE)]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo "All options of every command: $(PYCODEGPT) --help"

.PHONY: demo
demo: .venv/installed ## the whole road on real code, no token, no network: harvest to a scored model
	$(PYCODEGPT) harvest run --recipe $(DEMO)
	$(PYCODEGPT) clean run --recipe $(DEMO)
	$(PYCODEGPT) train run --recipe $(DEMO)
	$(PYCODEGPT) eval run --recipe $(DEMO)
	$(PYCODEGPT) cards --recipe $(DEMO)

.PHONY: harvest
harvest: .venv/installed ## raw shards from GitHub (GITHUB_TOKEN in the environment) or any compatible address
	$(PYCODEGPT) harvest run --recipe $(RECIPE) $(ARGS)

.PHONY: clean-corpus
clean-corpus: .venv/installed ## the cleaned corpus; STAGE=license reruns one stage and what depends on it
	$(PYCODEGPT) clean run --recipe $(RECIPE) $(if $(STAGE),--stage $(STAGE)) $(ARGS)

.PHONY: train
train: .venv/installed ## tokenizer, token files, a checkpoint, and a model that transformers loads
	$(PYCODEGPT) train run --recipe $(RECIPE) $(ARGS)

.PHONY: eval
eval: .venv/installed ## sample completions, run them, score pass@k, and stand on the leaderboard
	$(PYCODEGPT) eval run --recipe $(RECIPE) $(ARGS)

.PHONY: cards
cards: .venv/installed ## dataset card and model card from the manifests
	$(PYCODEGPT) cards --recipe $(RECIPE) $(ARGS)

.PHONY: test
test: .venv/installed-dev ## everything that CI runs: format, lint, types, tests with coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered $(ARGS)

.PHONY: test-all
test-all: .venv/installed-dev ## the same, with the slow tests: kills at many points, all worst files
	$(BIN)/python -m pytest -n 2 -m "slow or not slow" $(ARGS)

.PHONY: docs
docs: .venv/installed ## write docs/cli.md and docs/recipes.md from the code
	$(BIN)/python -m pycodegpt.reference

.PHONY: bench
bench: bench-clean bench-harvest ## every speed claim measured again, beside its peers

.PHONY: bench-clean
bench-clean: .venv/installed .venv-bench/installed ## the claims about cleaning; ARGS="--only near" for one
	$(BIN)/python -m benchmarks.clean $(ARGS)

.PHONY: bench-harvest
bench-harvest: .venv/installed .venv-bench/installed ## the claims about harvesting, all on loopback; ARGS="--only wire" for one
	$(BIN)/python -m benchmarks.harvest $(ARGS)

.PHONY: pristine
pristine: ## delete the environments, every run and what the benchmarks keep
	rm -rf .venv .venv-bench runs benchmarks/data

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "error: no Python >= 3.11 found; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python setup.cfg constraints.txt
	@echo "Installing what runs need into .venv (once)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "Installing what tests need into .venv (once)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

.venv-bench/installed: benchmarks/requirements.txt .venv/bin/python
	@echo "Installing the benchmarks' peers into .venv-bench (once)"
	@test -x .venv-bench/bin/python || $(BIN)/python -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
