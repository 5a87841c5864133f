# Each target sets up what it needs, once. GNU make 3.81 and a POSIX shell are enough.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo serve test thorough screenshots lint sbom bench lock clean installed-run installed-dev installed-bench browser milvus

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: installed-dev ## Install everything the other targets need

# What is imported is compiled once, whatever the machine says of that: each process would do it again.
export PYTHONDONTWRITEBYTECODE =

demo: installed-run ## Show the main job on real clips; exits non-zero if any outcome differs
	@.venv/bin/clearmark demo

# `exec` makes the service make's own child, so a SIGTERM to make reaches it.
serve: installed-run ## Start the service in the foreground; Ctrl-C or SIGTERM stops it
	@exec .venv/bin/clearmark serve

# Tests wait as often as they work: one more at a time than there are cores, in an order that mixes both (tests/conftest.py).
WORKERS = $$(($$(getconf _NPROCESSORS_ONLN) + 1))
PYTEST = .venv/bin/python -m pytest --numprocesses $(WORKERS) --maxprocesses 5 --dist loadfile --no-loadscope-reorder

test: installed-dev browser milvus ## Run the tests, each on one of the two databases
	@CLEARMARK_TESTS=short $(PYTEST)

thorough: installed-dev browser milvus ## Run each test on both databases, with all themes and examples
	@$(PYTEST)

screenshots: installed-dev browser ## Take the pictures of the pages in docs/screenshots again
	@.venv/bin/python -m tests.browser.screenshots

lint: installed-dev ## Check style, types, imports, dependencies and their known vulnerabilities, and look for secrets
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .
	.venv/bin/hadolint deploy/Containerfile
	.venv/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	.venv/bin/kubernetes-validate --strict --quiet $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml))
	git ls-files -z | xargs -0 .venv/bin/detect-secrets-hook --no-verify --cores 1 --baseline .secrets.baseline
	.venv/bin/python scripts/audit.py requirements/run.lock requirements/server.lock requirements/neural.lock

sbom: installed-dev ## Write what an image is made of to build/sbom.json, and with the network to sbom-neural.json (CycloneDX)
	@.venv/bin/python scripts/sbom.py requirements/server.lock build/sbom.json
	@.venv/bin/python scripts/sbom.py requirements/neural.lock build/sbom-neural.json

bench: installed-bench ## Measure accuracy and speed, also of other systems, on a sample
	@.venv/bin/python -m benchmarks --quick

COMPILE = .uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url
# What `make demo` and `make test` need; arcade is here for the media in its wheel; what its code needs has no wheels for some machines.
EXTRAS = --extra neural --extra samples --no-emit-package pyglet --no-emit-package pymunk --no-emit-package pytiled-parser
# What a service on several machines may be set to use; the samples stay at home.
PRODUCTION = --extra kms --extra milvus --extra pkcs11 --extra s3 --extra telemetry

lock: ## Write the lock files again from pyproject.toml, keeping every version that still fits
	@sh scripts/setup uv
	$(COMPILE) pyproject.toml --python-version 3.12 $(EXTRAS) --group dev -o requirements/dev.lock
	$(COMPILE) pyproject.toml --python-version 3.12 $(EXTRAS) --group build -o requirements/run.lock
	$(COMPILE) pyproject.toml --python-version 3.12 $(PRODUCTION) --group build -c requirements/dev.lock -o requirements/server.lock
	$(COMPILE) pyproject.toml --python-version 3.12 $(PRODUCTION) --group build --extra neural -c requirements/dev.lock -c requirements/server.lock -o requirements/neural.lock
	$(COMPILE) pyproject.toml --python-version 3.12 $(EXTRAS) --group bench -c requirements/dev.lock -o requirements/bench.lock
	$(COMPILE) requirements/bench-source.in --python-version 3.12 -o requirements/bench-source.lock
	$(COMPILE) requirements/milvus-server.in --python-version 3.12 -o requirements/milvus-server.lock

clean: ## Remove what make installed or built, never the service's data
	rm -rf .venv .uv .milvus build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

installed-run:
	@sh scripts/setup run

installed-dev:
	@sh scripts/setup dev

installed-bench:
	@sh scripts/setup bench

browser: installed-dev
	@sh scripts/browser

milvus: installed-dev
	@.venv/bin/python -m tests.servers.milvus
