# SwissPhoto Silo. `make demo` shows it, `make test` proves it; both set up what they need.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# A run of Ansible starts many a Python: where none may keep its bytecode, each compiles the same modules again.
export PYTHONDONTWRITEBYTECODE :=

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.complete ## the Python environment of the controller

tests: .venv/.tests ## that with what the tests need; the targets that test make it themselves

.venv/.complete: pyproject.toml constraints.txt tools/setup tools/debian tools/packages.py
	@tools/setup

.venv/.tests: pyproject.toml constraints.txt tools/setup tools/debian tools/packages.py
	@tools/setup tests

lab: ## a throw-away server that looks to Ansible like a rented one
	@tools/lab

nas-vm: setup ## a virtual machine as NAS, with a kernel that has quotas of XFS and NFS
	@python -m tests.lab.vm up nas

lab-down: setup ## removes all of the lab, and the demo's inventory with it
	@python -m tests.lab down
	@tools/inventory remove

demo: lab ## three customers from nothing, on the lab
	@tools/demo

lint: .venv/.tests ## every gate that reads and does not run
	@tools/lint

check: .venv/.tests ## before a commit: lint of what changed, types, unit and contract tests
	@python -m tests.tiers check

test: .venv/.tests ## everything that is claimed, proved on labs of its own, but for what takes long
	@python -m tests.tiers test

test-all: .venv/.tests ## everything: also the virtual machines, every fault, every point of a kill, all that is slow
	@python -m tests.tiers all

bench: .venv/.tests ## what everything costs beside its alternatives, on a lab of its own
	@python -m tests.bench $(BENCH)

lab-forget: setup ## removes the snapshot of a converged lab, from which tests start
	@python -m tests.lab forget

.PHONY: help setup tests lab nas-vm lab-down lab-forget demo lint check test test-all bench
