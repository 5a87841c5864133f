"""The system of record: holders, works, reservations, checks, releases, the ledger and its feeds.

It decides what was declared, by whom and when, and what a check answers.
It does not decode media (fingerprinting), sign files (provenance) or run
notices (takedown), and it knows no HTTP.
"""
