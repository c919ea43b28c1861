# One command per habit. `make demo` and `make test` set everything up themselves; see README.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
# made by `pmfer datasets make-ferplus`; see docs/training.md
FERPLUS ?= ferplus.parquet
SNAPSHOT ?= var/demo/published/warehouse.duckdb
MESH ?= var/landmarks/face_landmark.tflite

.DEFAULT_GOAL := help
.PHONY: help install setup demo notebook test test-slow deploy lint lint-deploy audit format types lock train ablation robustness dictionary \
	settings-page words preview report-picture bench bench-scoring bench-night bench-reports bench-statistics bench-warehouse gpu-check peers \
	scale clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(VENV)/.run: pyproject.toml requirements.lock
	@PYTHON=$(PYTHON) scripts/check_system.sh
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the packages of requirements.lock into $(VENV)"
	@$(PIP) --no-deps --require-hashes -r requirements.lock
	@$(PIP) --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run constraints.txt
	@echo "installing the packages for training and development into $(VENV)"
	@$(PIP) -e '.[train,dev]'
	@touch $@

install: $(VENV)/.run  ## install what a night needs

setup: $(VENV)/.dev  ## install everything for development

demo: $(VENV)/.run  ## simulate a ward over three weeks and run the nightly flow on it
	@$(BIN)/pmfer demo

$(VENV)/.notebook: $(VENV)/.run constraints.txt
	@echo "installing Jupyter into $(VENV)"
	@$(PIP) -e '.[notebook]'
	@touch $@

notebook: $(VENV)/.notebook  ## open the analysts' notebook in Jupyter, on the demo or on SNAPSHOT=...
	@mkdir -p var/notebook
	@cp -n docs/analysts.ipynb var/notebook/ || true
	@PMFER_SNAPSHOT=$(abspath $(SNAPSHOT)) $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) \
		var/notebook/analysts.ipynb

# Where bytecode is not kept, each of the hundreds of processes that the tests start compiles the product anew.
test: $(VENV)/.dev  ## run the tests, in one process per core
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m 'not slow'

test-slow: $(VENV)/.dev  ## run the tests that take minutes: killed workers, nights on several machines
	@$(BIN)/python -m pytest -m slow

deploy: $(VENV)/.run  ## create pools, limits and deployments on the Prefect server: SOURCE=... PREFECT_API_URL=...
	@$(BIN)/pmfer deploy $(if $(SOURCE),--source $(SOURCE))

lint: $(VENV)/.dev  ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lint-deploy: $(VENV)/.dev  ## check the files in deploy/: compose, container, systemd
	@scripts/check_deploy.sh $(BIN)

audit: $(VENV)/.dev  ## check the pinned dependencies for known vulnerabilities
	@$(BIN)/python scripts/audit.py $(AUDIT)

format: $(VENV)/.dev  ## format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

lock:  ## pin all dependencies again after a change in pyproject.toml
	@PYTHON=$(PYTHON) scripts/lock.sh

var/landmarks/ferplus.parquet: | $(VENV)/.dev
	@$(PIP) -e '.[train,dev,landmarks]'
	@test -f $(MESH) || PYTHON=$(BIN)/python scripts/fetch_face_mesh.sh $(MESH)
	@$(BIN)/pmfer landmarks pmfer/configs/compact.toml --data $(FERPLUS) --mesh $(MESH) --out $@

ablation: $(VENV)/.dev var/landmarks/ferplus.parquet  ## train every arm of the ablation with three seeds, 80 minutes on two cores: FERPLUS=...
	@$(BIN)/pmfer ablate pmfer/configs/ablation.toml --data $(FERPLUS) \
		--landmarks var/landmarks/ferplus.parquet --out var/ablation

robustness: $(VENV)/.dev var/landmarks/ferplus.parquet  ## measure a bundle on corrupted and covered faces: FERPLUS=... BUNDLE=pmfer-compact
	@$(BIN)/pmfer robustness $(FERPLUS) --landmarks var/landmarks/ferplus.parquet $(if $(BUNDLE),--bundle $(BUNDLE))

train: $(VENV)/.dev var/landmarks/ferplus.parquet  ## train the default bundle and replace the shipped one: FERPLUS=...
	@for cycle in compact compact-finish bedside covers long teachers taught taught-finish; do \
		$(BIN)/pmfer train pmfer/configs/$$cycle.toml --data $(FERPLUS) \
			--landmarks var/landmarks/ferplus.parquet --out var/train/$$cycle || exit 1; \
	done
	@$(BIN)/pmfer export var/train/taught-finish/averaged.pt --data $(FERPLUS) --crop pmfer/configs/crop.json \
		--out pmfer/bundles/pmfer-compact
	@$(BIN)/python -m pmfer.quantise pmfer/bundles/pmfer-compact $(FERPLUS)

dictionary: $(VENV)/.run  ## write docs/data-dictionary.md from the comments in the database
	@$(BIN)/pmfer warehouse dictionary docs/data-dictionary.md

settings-page: $(VENV)/.run  ## write docs/settings.md from the class `Settings`
	@$(BIN)/pmfer config --markdown docs/settings.md

words: $(VENV)/.run  ## update the translations of the reports from the code
	@mkdir -p var
	@$(BIN)/python -m babel.messages.frontend --quiet extract --mapping pyproject.toml --keyword say --add-location file \
		--output var/reports.pot reports pmfer/facs.py
	@$(BIN)/python -m babel.messages.frontend --quiet update --domain reports --input-file var/reports.pot \
		--output-dir reports/locale --width 120 --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date

preview: $(VENV)/.dev  ## render sample reports into var/preview after every save; ONCE=1: once; PREVIEW="--language de"
	@$(BIN)/python -m tools.preview var/preview $(if $(ONCE),--once) $(PREVIEW)

report-picture: $(VENV)/.dev  ## render the README's picture again
	@$(BIN)/python -m tools.preview var/preview --once --only pain_rising
	@cp var/preview/pain_rising-1.png docs/images/report.png

bench: bench-scoring bench-night bench-reports bench-warehouse  ## run bench-scoring, bench-night, bench-reports and bench-warehouse, with their options

bench-scoring: $(VENV)/.run  ## measure how fast videos are scored: BENCH="--clip CLIP.mp4 --rounds 5"
	@$(BIN)/python -m benchmarks.inference $(BENCH)

bench-night: $(VENV)/.run  ## measure a whole night: SIMULATED="--sessions 50 --seconds 60 --core-hour 0.04"
	@$(BIN)/python -m benchmarks.night $(SIMULATED)

var/peers/.made: benchmarks/peers.txt
	@echo "installing the packages of benchmarks/peers.txt into var/peers/venv"
	@$(PYTHON) -m venv --clear var/peers/venv
	@var/peers/venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps -r benchmarks/peers.txt
	@touch $@

gpu-check: $(VENV)/.run  ## install what a GPU needs, compare its scores with the CPU's and measure its speed: GPU="--clip CLIP.mp4"
	@$(PIP) -e '.[gpu]'
	@$(BIN)/python -m benchmarks.gpu $(GPU)

peers: var/peers/.made  ## install the other programs that `make bench-scoring` compares with, in a separate environment

bench-warehouse: $(VENV)/.run  ## measure a warehouse: WARD="--patients 100 --days 365 --sessions 2 --frames 500"
	@$(BIN)/python -m benchmarks.warehouse $(WARD)

bench-statistics: $(VENV)/.run  ## measure false flags, delays and intervals of the reports on simulated patients: STATISTICS="--patients 1000"
	@$(BIN)/python -m benchmarks.statistics $(STATISTICS)

bench-reports: $(VENV)/.run  ## measure the reports of a night: NIGHT="--patients 100 --days 90"
	@$(BIN)/python -m benchmarks.reports $(NIGHT)

scale: $(VENV)/.run  ## print what a facility of any size needs: SCALE="--patients 100 10000 --minutes 10"
	@$(BIN)/python -m benchmarks.scale $(SCALE)

clean:  ## remove everything that make created, except var/
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
