"""Reference files."""
