"""Fuzzing: real inputs, mutated, for every parser of ours and for the media that children of ours open.

`python -m tests.fuzz` says how. What it ever found is kept in `findings/`, and is tried again by `test_fuzz`.
"""
