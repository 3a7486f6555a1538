"""Benchmarks of harvesting, all on loopback: `python -m benchmarks.harvest`."""
