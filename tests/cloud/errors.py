"""What goes wrong with the cloud, in words for the person who called it."""

from __future__ import annotations


class CloudError(Exception):
    """The cloud cannot be what was asked; the message says what to do and holds no password."""


class Stopped(CloudError):
    """Another step failed, or the user pressed Ctrl-C: this one gave up waiting."""
