"""Benchmarks, fault campaigns and the loss oracle."""
