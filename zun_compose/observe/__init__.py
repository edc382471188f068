"""The I/O that tells what a container is doing: sockets, probes, healthchecks, logs.

Observers read and report; what a reading means for a gate is decided in `readiness`. Nothing here
changes a container, and nothing here moves the calling thread to another namespace.
"""
