# Each target sets up what it needs, once. GNU make 3.81 and a POSIX shell are enough.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo serve test screenshots lint bench lock clean installed-run installed-dev installed-bench browser

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: installed-dev ## Install everything the other targets need

demo: installed-run ## Show the main job on real clips; exits non-zero if any outcome differs
	@.venv/bin/clearmark demo

# `exec` makes the service make's own child, so a SIGTERM to make reaches it.
serve: installed-run ## Start the service in the foreground; Ctrl-C or SIGTERM stops it
	@exec .venv/bin/clearmark serve

test: installed-dev browser ## Run every test
	@.venv/bin/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

screenshots: installed-dev browser ## Take the pictures of the pages in docs/screenshots again
	@.venv/bin/python -m tests.browser.screenshots

lint: installed-dev ## Check style, types, the direction of imports and the declared dependencies
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .

bench: installed-bench ## Measure accuracy and speed, also of other systems, on a sample
	@.venv/bin/python -m benchmarks --quick

COMPILE = .uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url
# What `make demo` and `make test` need; arcade is here for the media in its wheel; what its code needs has no wheels for some machines.
EXTRAS = --extra neural --extra samples --no-emit-package pyglet --no-emit-package pymunk --no-emit-package pytiled-parser

lock: ## Write the lock files again from pyproject.toml, keeping every version that still fits
	@sh scripts/setup uv
	$(COMPILE) pyproject.toml --python-version 3.12 $(EXTRAS) --group dev -o requirements/dev.lock
	$(COMPILE) pyproject.toml --python-version 3.12 $(EXTRAS) --group build -o requirements/run.lock
	$(COMPILE) pyproject.toml --python-version 3.12 $(EXTRAS) --group bench -c requirements/dev.lock -o requirements/bench.lock
	$(COMPILE) requirements/bench-source.in --python-version 3.12 -o requirements/bench-source.lock

clean: ## Remove what make installed or built, never the service's data
	rm -rf .venv .uv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

installed-run:
	@sh scripts/setup run

installed-dev:
	@sh scripts/setup dev

installed-bench:
	@sh scripts/setup bench

browser: installed-dev
	@sh scripts/browser
