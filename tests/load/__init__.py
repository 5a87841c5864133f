"""Load: mixed traffic on a service of its own process, told in tables. `python -m tests.load --help` says how."""
