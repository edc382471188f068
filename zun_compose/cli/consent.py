"""Asks before something goes that will not come back."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from zun_compose.errors import OperationError


def agreed(names: Sequence[str]) -> bool:
    """Ask whether these are to go; a stdin that ends without an answer is a refusal and an error."""
    question = f"remove {', '.join(names)}?"
    if sys.stdin.isatty():
        return click.confirm(question, err=True)
    answer = sys.stdin.readline()
    if not answer:
        raise OperationError(f"{question} nobody is there to answer: nothing was removed (-f does not ask)")
    return answer.strip().lower() in ("y", "yes")
