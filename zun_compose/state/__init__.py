"""What zun-compose keeps between two calls on this machine: locks, remembered engines, seen readiness.

Nothing here is needed to find or judge containers: losing the folder costs convenience, never a
stack. Environment values, secrets and command arguments are never written.
"""

from __future__ import annotations

from zun_compose.state.records import ReadyRecord, Remembered
from zun_compose.state.store import StateStore

__all__ = ["ReadyRecord", "Remembered", "StateStore"]
