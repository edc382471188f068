"""Desired stack and observed world in, ordered steps out. Pure: nothing here calls an engine."""
