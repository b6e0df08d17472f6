"""Benchmarks: figures of this machine, and ratios to floors measured in the same run."""
