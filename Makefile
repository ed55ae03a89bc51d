# SwissPhoto Silo. `make demo` shows it, `make test` proves it; both set up what they need.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.complete ## the Python environment of the controller

.venv/.complete: pyproject.toml constraints.txt tools/setup
	@tools/setup

lab: setup ## a throw-away server that looks to Ansible like a rented one
	@python -m tests.lab up

nas-vm: setup ## a virtual machine as NAS, with a kernel that has quotas of XFS and NFS
	@python -m tests.lab.vm up nas

lab-down: setup ## removes all of the lab
	@python -m tests.lab down

demo: lab ## three customers from nothing, on the lab
	@tools/demo

lint: setup ## every gate that reads and does not run
	@tools/lint

test: setup ## lint, unit tests, and all behaviours from outside on a lab of their own
	@tools/test

test-faults: setup ## every fault of the catalogue, broken on machines of their own; a table of what held
	@tools/test-faults

bench: setup ## what everything costs beside its alternatives, on a lab of its own
	@python -m tests.bench $(BENCH)

.PHONY: help setup lab nas-vm lab-down demo lint test test-faults bench
