"""Accuracy, thresholds, speed and scale on real media: `python -m benchmarks`. Only its tests import this package.

Read in this order: `corpus` (what is asked, with `edits`), `systems` and `peers` (who is asked), `judge` and
`metrics` (how good the answers are), then the parts that tell: `accuracy`, `calibrate`, `speed`, `index`, `scale`.
"""
