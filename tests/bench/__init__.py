"""The benchmark: this project beside its alternatives, on a lab of its own. docs/performance.md explains each line."""
