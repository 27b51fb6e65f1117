# What one does with this repository, from a fresh clone on. The commands behind it: .venv/bin/videoattn --help
# PYTHON=python3.12 names the Python that .venv is made from; all other variables go to the command, as they are written.

PYTHON ?= python3
VENV := .venv/bin/python
STAMP := .venv/installed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help env lab reproduce test audit bench refresh clean parameters

# The variables of the command line. Commands get their names and find the values in the environment.
given := $(filter-out PYTHON,$(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $v))),$v)))
$(foreach v,$(given),$(eval override $v := $$(value $v)))
export $(given)
export CALLED_FROM := $(PWD)

# Which of them a target takes; `videoattn reproduce --check` judges those of reproduce.
takes_reproduce := $(given)
takes_audit := PAPER JSON
takes_bench := PAPER
$(foreach t,$(MAKECMDGOALS),$(foreach v,$(filter-out $(takes_$t),$(given)),\
    $(error make $t: unknown variable $v; choose from $(strip $(takes_$t) PYTHON))))

# An installation that was interrupted, or lost its Python, or whose checkout was moved since, is done again.
ifneq "$(file <$(STAMP)) $(wildcard $(VENV))" "$(CURDIR) $(VENV)"
.PHONY: $(STAMP)
python := $(PYTHON)
else
python := $(VENV)
endif

help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20

env: $(STAMP) ## install everything into .venv (done by the others if need be)

lab: $(STAMP) ## open JupyterLab on notebooks/
	@$(VENV) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks

reproduce: parameters $(STAMP) ## PAPER=cma [PROFILE=quick DATASET=ucf101 DATA=...]: train, test and record
	@$(VENV) -m videoattn.cli reproduce $(given)

test: $(STAMP) ## lint, unit tests and the notebooks, compared with their kept outputs
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	OMP_NUM_THREADS=1 $(VENV) -m pytest -n 2 --dist worksteal
	$(VENV) -m pytest --nbval notebooks --nbval-cell-timeout 600 -n 2 --dist loadscope

audit: parameters $(STAMP) ## PAPER=cma [JSON=1]: the paper's complexity figures, computed and compared
	@$(VENV) -m videoattn.cli audit $(PAPER) $(if $(filter-out 0,$(JSON)),--json)

bench: parameters $(STAMP) ## PAPER=cma: the speed of the paper's modules on this machine
	@$(VENV) -m videoattn.cli bench $(PAPER)

refresh: $(STAMP) ## execute the notebooks in place and update the tables of results
	$(VENV) -m nbconvert --to notebook --inplace --execute --ExecutePreprocessor.kernel_name=python3 \
	    --ExecutePreprocessor.record_timing=False notebooks/*.ipynb
	$(VENV) -m videoattn.cli runs table --update README.md notebooks/*.ipynb

clean: ## remove caches of tools and runs of the check profile; .venv, data and other runs stay
	rm -rf .pytest_cache .ruff_cache .hypothesis build *.egg-info runs/*/check-*
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -r {} +

# Wrong parameters stop before the installation.
parameters:
	$(need-python)
	@$(python) -m videoattn.cli reproduce --check $(filter-out JSON,$(given))

define need-python
@$(python) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
    { echo '$(python) is no Python 3.11 or newer: name one, as in make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 2; }
endef

# What a finished installation holds is updated; an unfinished one is made from scratch.
$(STAMP): requirements.lock pyproject.toml
	$(need-python)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo '$(PYTHON) has no venv: install it (Debian: apt install python3-venv)' >&2; exit 2; }
	@if [ '$(python)' = '$(VENV)' ]; then rm $@; else $(PYTHON) -m venv --clear .venv; fi
	@echo 'installing requirements.lock into .venv: some minutes and 7 GB the first time'
	@$(VENV) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(VENV) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@printf '%s' '$(CURDIR)' > $@
