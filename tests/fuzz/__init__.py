"""A small mutation fuzzer of what reads strangers' bytes: `python -m tests.fuzz --seconds 600`."""
