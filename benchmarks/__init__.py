"""Accuracy and speed on real media: `python -m benchmarks`. Nothing imports this package."""
