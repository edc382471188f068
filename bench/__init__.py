"""Timing side by side with docker compose, on the same engine."""
