# Everything a developer runs. Set-up happens by itself, once, and only what the target needs:
# the stamps below .venv and .tools remember it.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.SUFFIXES:

DEST ?= local
# More than the cores of a small machine: many tests wait for a server, a timeout or a process.
WORKERS ?= 4
PYTEST_ARGS ?=
PY := .venv/bin/python
SETUP = $(PY) scripts/bootstrap.py
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder
CODE := remote_store_fsspec conformance devservers demo benchmarks tests
# A folder that has no code yet is no package to mypy.
PACKAGES = $(patsubst %/__init__.py,%,$(wildcard $(CODE:=/__init__.py)))

##@ First steps

help: ## this page
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/.demo-$(DEST) ## a real Dagster job's logs on DEST=local, s3, azure or sftp, read back
	@$(PY) -m demo --dest $(DEST)

ui: .venv/.demo-$(DEST) ## the Dagster webserver on what the demo left (the same DEST)
	@$(PY) -m demo --dest $(DEST) --ui

##@ The four commands of a developer

setup: .venv/.dev ## everything that check and test-fast need, in .venv
	@echo "Ready: .venv/bin/python is the environment; make test-fast, make check"

check: .venv/.dev ## formatting, lint, types, documentation
	@echo "==> ruff" && $(PY) -m ruff check . && $(PY) -m ruff format --check .
	@echo "==> mypy --strict (a minute without its cache)" && $(PY) -m mypy $(PACKAGES)
	@$(MAKE) --no-print-directory docs

test-fast: .venv/.dev ## the tests that need no server, under a minute
	@$(PYTEST) -m "not server and not slow" $(PYTEST_ARGS)

test: .venv/.dev ## the tests, after getting Azurite and OpenSSH where they are missing
	@$(SETUP) azurite || echo "    The tests of Azure will fail and say so."
	@$(SETUP) openssh || echo "    The tests of SFTP will fail and say so."
	@$(PYTEST) -m "not wide" $(PYTEST_ARGS)

##@ Wider

test-full: .venv/.dev azurite openssh ## every test at full size, the repetitions of `make test` too
	@CONFORMANCE=full $(PYTEST) $(PYTEST_ARGS)

test-matrix: .venv/.dev ## the fast tests on every CPython 3.10 to 3.13 here, and on the oldest libraries
	@$(PY) scripts/matrix.py $(PYTEST_ARGS)

conformance: .venv/.dev ## the filesystem contract, case by case, as a table
	@$(PY) -m conformance $(ARGS)

matrix: .venv/.dev azurite openssh ## docs/support-matrix.md: the contract on every library and manager
	@$(PY) scripts/support_matrix.py $(ARGS)

bench: .venv/.dev azurite openssh ## requests, bytes and memory against the other managers
	@$(PY) -m benchmarks $(ARGS)

soak: .venv/.dev openssh ## ten minutes of captures while stores fail and processes are killed
	@$(PY) -m tests.soak $(ARGS)

docs: .venv/.dev ## the documentation into site/, strictly
	@echo "==> mkdocs" && NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

azurite: .venv/.python ## Azure's emulator, with npm into .tools
	@$(SETUP) azurite

openssh: .venv/.python ## sshd, with apt-get as root where it is missing
	@$(SETUP) openssh

lock: .venv/.python ## constraints.txt and constraints-oldest.txt anew (needs uv)
	@sh scripts/lock

clean: ## removes environments, tools, caches and what the demo left
	rm -rf .venv .venv-matrix .tools .cache .demo site build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps.

.venv/.python: scripts/bootstrap.py scripts/find-python
	@python=$$(sh scripts/find-python) && "$$python" scripts/bootstrap.py venv
	@touch $@

.venv/.dev: .venv/.python pyproject.toml constraints.txt
	@$(SETUP) install dev
	@touch $@

.venv/.demo-local: .venv/.python pyproject.toml constraints.txt
	@$(SETUP) install demo
	@touch $@

.venv/.demo-s3 .venv/.demo-azure .venv/.demo-sftp: .venv/.demo-%: .venv/.demo-local
	@$(SETUP) install demo-$*
	@case $* in azure) $(SETUP) azurite ;; sftp) $(SETUP) openssh ;; esac
	@touch $@

.venv/.demo-%:
	@echo "DEST=$* is none of: local, s3, azure, sftp" >&2; exit 2

.PHONY: help demo ui setup check test-fast test test-full test-matrix conformance matrix bench soak docs \
	azurite openssh \
	lock clean
