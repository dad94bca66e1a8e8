"""Spark's side of the loader: sessions, raw tables and the ledger."""
