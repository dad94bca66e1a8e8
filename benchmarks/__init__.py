"""Ratios that the project promises, each measured side by side in one run."""
