"""Accuracy and speed, one command each: `python -m benchmarks accuracy|calibrate|speed`."""
