"""The benchmark: this project beside its alternatives, on a lab of its own.

docs/explain/performance.md explains each line.
"""
