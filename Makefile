# What a person does with this checkout; `make` alone lists it.
#
# There is one environment, .venv, in four sizes: run < demo < flash < dev. Each is made from its lock file alone, with the
# hashes checked, and a larger one serves the smaller. Nothing outside this folder is written except Debian packages,
# and those only where they may be installed (tools/debian-packages).

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3# any Python from 3.11 on
BROKER ?=#         make demo BROKER=host:port
OUTAGE ?=#         make demo OUTAGE=1: with a broker that comes and goes
TESTS ?=#          make test TESTS=tests/core
WORKERS ?= 4#      make test WORKERS=0: in one process, to debug; most tests wait, so more than the 2 cores of CI
ROUNDS ?= 20#      make fuzz ROUNDS=200: for a night
OPTIONS ?=#        make bench OPTIONS="--quick --json results.json"
UPGRADE ?=#        make lock UPGRADE=1: newer versions, not only what pyproject.toml asks for
ARCH ?= arm64#     make package ARCH=armhf: the processor, in Debian's word (amd64, arm64, armhf)
SUITE ?= trixie#   make package SUITE=bookworm: the release of Debian that Raspberry Pi OS is made of
WHEELS ?=#         make package WHEELS=FOLDER: wheels for that processor whose authors publish none
BARE ?=#           make package BARE=1: without vendors' codecs and PDF reports

export PATH := $(PATH):/usr/sbin:/sbin
# pyright runs on the node that its lock brings; it looks for no other and for no newer version of itself.
export PYRIGHT_PYTHON_GLOBAL_NODE := 0
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
SOURCES := pyproject.toml README.md LICENSE \
	$(shell find gateway drivers tools/flash -name __pycache__ -prune -o \( -type f -o -type d \) -print)

# The smallest environment that is there and large enough, else the one to make.
RUN := $(firstword $(wildcard .venv/.dev .venv/.flash .venv/.demo) .venv/.run)
DEMO := $(firstword $(wildcard .venv/.dev .venv/.flash) .venv/.demo)
FLASH := $(firstword $(wildcard .venv/.dev) .venv/.flash)
DEV := .venv/.dev

# ----------------------------------------------------------------------------------------------- for everybody
.PHONY: help
help: ## Say what there is
	@awk -F ': .*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: install
install: $(RUN) ## Make .venv with the command ugw in it
	@echo 'Installed: $(BIN)/ugw'

# Ctrl-C reaches the demo, which ends by itself; the shell waits for it and says nothing.
.PHONY: demo
demo: demo-packages $(DEMO) ## Watch it work: simulated sensors, a broker, the agent (BROKER=host:port: yours; OUTAGE=1)
	@trap : INT; $(BIN)/ugw demo $(if $(BROKER),--broker '$(BROKER)') $(if $(OUTAGE),--outage) || [ $$? -eq 130 ]

# ---------------------------------------------------------------------------------------------- for developers
.PHONY: flash
flash: $(FLASH) esptool ## Make .venv with all that makes cards and boards (ugw flash)
	@echo 'Installed: $(BIN)/ugw flash'

.PHONY: package
package: package-packages $(RUN) ## Make what installs ugw on a gateway offline: a .deb, a wheelhouse (ARCH=arm64 SUITE=trixie)
	@$(BIN)/python -m tools.package '$(ARCH)' '$(SUITE)' $(if $(WHEELS),--wheels '$(WHEELS)') $(if $(BARE),--bare)

.PHONY: esptool
esptool: .venv-esptool/.made ## Install what writes boards (GPL-2.0+), in an environment of its own

# Compiled once and kept, whatever the surroundings say: else each worker and each agent compiles every file anew.
.PHONY: test
test: test-packages $(DEV) esptool ## Run the tests (TESTS=tests/core: some of them; WORKERS=0: in one process)
	@for kind in '' 32; do \
		tools/micropython $$kind || echo 'ugw: going on without: what needs that MicroPython is skipped.'; \
	done
	@tools/umqtt || echo 'ugw: going on without: what needs umqtt is skipped.'
	@tools/cloud-init || echo 'ugw: going on without: what needs cloud-init is skipped.'
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) --dist worksteal -m 'not long' $(TESTS)

.PHONY: soak
soak: test-packages $(DEV) ## Search long: months played, a million power cuts, kills, fuzzing, half an hour of one agent (COUNT= MINUTES=)
	@$(MAKE) --no-print-directory soak-long
	@$(MAKE) --no-print-directory soak-cuts
	@$(MAKE) --no-print-directory soak-kills
	@$(MAKE) --no-print-directory soak-fuzz
	@$(MAKE) --no-print-directory soak-agent

.PHONY: soak-long
soak-long: test-packages $(DEV) ## Play days, months and a year of simulated time, the wheel in a fresh environment (minutes)
	@$(BIN)/pytest --quiet -n $(WORKERS) --dist worksteal -m long tests/sim tests/backlog tests/scenarios

.PHONY: soak-cuts
soak-cuts: $(DEV) ## Cut the power at every write of made-up histories of the store (COUNT=1000000)
	@$(BIN)/python -m tests.soak cuts --count $(or $(COUNT),1000000)

.PHONY: soak-kills
soak-kills: test-packages $(DEV) ## Kill a real agent at random instants, the ledger balanced each time (COUNT=300)
	@$(BIN)/python -m tests.soak kills --count $(or $(COUNT),300)

.PHONY: soak-agent
soak-agent: test-packages $(DEV) ## Run a real agent, its memory and its open files watched (MINUTES=30)
	@$(BIN)/python -m tests.soak agent --minutes $(or $(MINUTES),30)

.PHONY: soak-fuzz
soak-fuzz: .venv-fuzz/.made ## Fuzz every border, guided by coverage (MINUTES=30 in all; TARGET=one of them)
	@.venv-fuzz/bin/python -m tests.fuzz search --minutes $(or $(MINUTES),30) $(if $(TARGET),--target $(TARGET))

.PHONY: planted
planted: test-packages $(DEV) ## Plant each known defect in a copy of the tree, and see its tests go red (ONLY=name)
	@$(BIN)/python -m tests.planted --jobs $(or $(JOBS),2) $(if $(ONLY),--only '$(ONLY)')

# What keeps observations, where a search pays: state machines, and the properties beside them.
SEARCHED := tests/delivery tests/backlog tests/bulletin tests/esp32/test_segments.py tests/esp32/test_delivery.py

.PHONY: fuzz
fuzz: $(DEV) ## Search for faults with random examples (ROUNDS=200 TESTS=tests/delivery): each prints how it is seen again
	@for round in $$(seq $(ROUNDS)); do \
		echo "round $$round of $(ROUNDS)"; \
		$(BIN)/pytest --quiet -n $(WORKERS) --dist worksteal -m 'not long' --hypothesis-profile=search $(or $(TESTS),$(SEARCHED)) || exit 1; \
	done

.PHONY: check
check: $(DEV) lint types imports test ## Everything a change must pass: format, lint, types, imports, tests, docs

.PHONY: lint
lint: $(DEV) ## Check format and lint (ruff)
	@$(BIN)/ruff format --check . || { echo 'The remedy: make fix'; exit 1; }
	@$(BIN)/ruff check .

.PHONY: types
types: $(DEV) ## Check types (mypy and pyright, both strict)
	@$(BIN)/mypy
	@$(BIN)/pyright

.PHONY: imports
imports: $(DEV) ## Check that imports point down (.importlinter)
	@$(BIN)/lint-imports --no-logo

.PHONY: docs
docs: $(DEV) ## Check the documents alone: links, commands, configurations shown
	@$(BIN)/pytest --quiet tests/docs

.PHONY: fix
fix: $(DEV) ## Format, and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: float32
float32: $(DEV) ## Run the drivers on a MicroPython with an ESP32's floats, built here from its source (two minutes)
	@tools/micropython float32
	@$(BIN)/pytest --quiet tests/micropython -k float32

.PHONY: differential
differential: .venv-differential/.made ## Compare the drivers with the parser libraries there are, in an environment of its own
	@.venv-differential/bin/python -m pytest --quiet -p no:cacheprovider tests/differential

.PHONY: bench
bench: test-packages $(DEV) ## Measure the budgets: target, measured, verdict (OPTIONS=--quick: the short form)
	@tools/umqtt && tools/micropython frozen || echo 'ugw: going on without: the line of the ESP32 cannot run.'
	@$(BIN)/python -m tests.benchmarks $(OPTIONS)

.PHONY: esp32
esp32: test-packages $(DEV) ## Run the ESP32's tests, also with the agent frozen into a MicroPython built here, at 56 kB
	@tools/umqtt
	@tools/micropython 32
	@tools/micropython frozen
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal tests/esp32 tests/hardware

.PHONY: first-boot
first-boot: first-boot-packages $(DEV) ## Play first boots in real Debians, cut the power everywhere (needs root; ten minutes)
	@tools/first-boot
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal tests/package

.PHONY: bench-esp32
bench-esp32: test-packages $(DEV) ## Measure the ESP32's agent: heap, flash, CPU, wear (OPTIONS="--minutes 60": as long)
	@tools/umqtt
	@tools/micropython 32
	@tools/micropython frozen
	@$(BIN)/python -m tests.benchmarks.esp32 $(OPTIONS)

.PHONY: plot
plot: $(DEV) ## Measure overload, and draw docs/reference/overload.svg anew from it (ten minutes)
	@$(BIN)/python -m tests.benchmarks.overload $(OPTIONS)

.PHONY: fleet
fleet: fleet-packages $(DEV) ## Kill nodes of a NATS cluster under 300 gateways, draw docs/reference/fleet.svg (six minutes)
	@$(BIN)/python -m tests.benchmarks.fleet $(OPTIONS)

.PHONY: lock
lock: ## Write tools/lock/ anew from pyproject.toml (UPGRADE=1: with newer versions)
	@PYTHON='$(PYTHON)' tools/lock/update $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove everything make has made
	@rm -rf .venv .venv-differential .venv-esptool .venv-fuzz .cache build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find gateway drivers tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------ the machinery
.PHONY: demo-packages test-packages package-packages first-boot-packages fleet-packages
demo-packages:
	@tools/debian-packages 'the demo' dbus-daemon
test-packages:
	@tools/debian-packages 'the tests' mosquitto dbus-daemon openssl dosfstools fdisk mtools xz-utils poppler-utils
package-packages:
	@tools/debian-packages 'a package' git
fleet-packages:
	@tools/debian-packages 'the fleet' nats-server
first-boot-packages: test-packages
	@tools/debian-packages 'the first boots' debootstrap git mount

# A folder that moved, or a Python that went away, has no environment any more: its paths are written into it.
ifneq ($(shell [ -x $(BIN)/python ] && cat .venv/.made 2>/dev/null),$(CURDIR))
.PHONY: .venv/.made
endif
.venv/.made:
	@PYTHON='$(PYTHON)' tools/make-venv
	@printf '%s\n' '$(CURDIR)' >$@

.venv/.lock-%: tools/lock/%.txt .venv/.made
	@echo 'Setting up .venv from $< ...'
	@$(PIP) install --require-hashes -r $<
	@touch $@

# Whoever runs ugw gets a copy of it, whoever develops it gets this folder itself; never both.
.venv/.run .venv/.demo .venv/.flash: .venv/.%: .venv/.lock-% $(SOURCES)
	@$(PIP) install --no-index --no-deps --no-build-isolation .
	@rm -f .venv/.dev
	@touch $@

.venv/.dev: .venv/.lock-dev pyproject.toml
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@rm -f .venv/.run .venv/.demo .venv/.flash
	@touch $@

# .venv-fuzz: the fuzzer is made for Linux on x86-64 and a few versions of Python alone, and nobody else needs it.
# .venv-differential: holds GPL-3 code (pyproject.toml, ble-families), so never part of .venv, never of what is handed on.
.venv-fuzz/.made .venv-differential/.made: .venv-%/.made: tools/lock/%.txt
	@echo 'Setting up $(@D) from $< ...'
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip -qq --disable-pip-version-check --no-input install --require-hashes -r $<
	@touch $@

# GPL-2.0+: run as a program, never imported. It comes as source, and is built with what was locked, nothing else.
.venv-esptool/.made: tools/lock/esptool.txt tools/lock/esptool-build.txt
	@echo 'Setting up .venv-esptool from tools/lock/esptool.txt ...'
	@rm -rf .venv-esptool
	@$(PYTHON) -m venv .venv-esptool
	@.venv-esptool/bin/python -m pip -qq --disable-pip-version-check --no-input install --require-hashes -r tools/lock/esptool-build.txt
	@.venv-esptool/bin/python -m pip -qq --disable-pip-version-check --no-input install --require-hashes --no-build-isolation -r tools/lock/esptool.txt
	@touch $@
