"""The kernel's own words: /proc, socket diagnosis, and system calls that Python 3.11 has no names for.

Shared by whoever observes containers and whoever makes them; knows neither.
"""
