"""Benchmarks of the ratios that the project promises; both sides are measured in one run."""
