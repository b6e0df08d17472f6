"""The published schemas as they were released, and what may become of them: `python -m tests.released` releases anew.

A released schema changes by addition alone. What would break somebody gets another name: v2, beside the v1.
"""
