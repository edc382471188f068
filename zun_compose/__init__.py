"""zun-compose: stacks of containers, brought up in readiness order."""

__version__ = "0.1.0"
