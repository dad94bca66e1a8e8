"""Realistic fake data of both domains, together with the true answers.

`python -m simulator meters|matomo` writes a data set and its `manifest.json`; `play` sends it to
Kafka. The same command with the same seed writes the same bytes.
"""
