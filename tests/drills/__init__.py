"""Drills: what an operator fears, done on purpose to a service of its own, at full length. `python -m tests.drills`."""
