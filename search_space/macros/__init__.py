"""Patterns that published necks repeat; each expands to primitive operations or nodes."""
