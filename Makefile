# make run        every notebook in a fresh kernel, as pages in build/
# make test       lint, unit tests, and every notebook against its stored outputs
# make lab        JupyterLab on the course
# make notebooks  run the notebooks and store their outputs in them
# make bench      the benchmarks, in an environment of their own; figures in README
# make constraints  resolve requirements.txt anew into constraints.txt
# make clean      remove build/, .venv and .venv-bench
#
# ONLY=02 limits run and notebooks to the files whose names start with 02.
# ARGS=--no-browser is passed on to JupyterLab.
# PYTHON=python3.12 chooses the Python that the environment is made from.

PYTHON ?= python3
ONLY ?=
PY := .venv/bin/python
STAMP := .venv/.installed
BENCH := .venv-bench/bin/python
BENCH_STAMP := .venv-bench/.installed
BENCH_SETS := ml-100k $(if $(wildcard data/ml-1m),ml-1m)
# The last notebooks take longest, so they start first.
BOOKS = $(shell ls -r notebooks/*.ipynb 2>/dev/null)

# The kernel is that of .venv, also where the user has installed another python3 kernel.
export JUPYTER_PREFER_ENV_PATH := 1

.PHONY: run test lab notebooks bench constraints python clean

run: $(STAMP)
	@$(PY) tools/run_notebooks.py --only "$(ONLY)"

notebooks: $(STAMP)
	@$(PY) tools/run_notebooks.py --in-place --only "$(ONLY)"

test: export MOVIELENS := ml-100k
test: export COURSE_SMALL := 1
test: $(STAMP)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	@$(PY) -c 'from helpers import datasets; print(datasets.load())'
	$(PY) -m pytest $(BOOKS) tests --nbval --nbval-current-env --nbval-cell-timeout 600 \
		-n 2 --dist loadscope --no-loadscope-reorder

lab: $(STAMP)
	$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(ARGS)

bench: $(BENCH_STAMP)
	@for set in $(BENCH_SETS); do for what in training_speed scoring accuracy; do \
		$(BENCH) -m benchmarks.$$what $$set || exit 1; done; done
	@$(BENCH) -m benchmarks.growth
	@$(BENCH) -m benchmarks.figures

$(STAMP): requirements.txt constraints.txt
	@$(MAKE) --no-print-directory python
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt -c constraints.txt
	@touch $(STAMP)

$(BENCH_STAMP): requirements.txt constraints.txt benchmarks/requirements.txt
	@$(MAKE) --no-print-directory python
	$(PYTHON) -m venv .venv-bench
	$(BENCH) -m pip install --quiet --disable-pip-version-check \
		-r benchmarks/requirements.txt -c constraints.txt
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
	build/resolve/bin/python -m pip install --quiet --upgrade -r requirements.txt
	{ echo "# The tested set: what requirements.txt resolved to. Made by: make constraints"; \
		build/resolve/bin/python -m pip freeze; } > build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/resolve

clean:
	rm -rf build .venv .venv-bench
