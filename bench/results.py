"""What a scenario found: samples, bars, and their form in a terminal and in RESULTS.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured thing. `samples` holds each contender's values, in `unit`."""

    what: str
    samples: Mapping[str, Sequence[float]]
    unit: str = "s"

    def middle(self, who: str) -> float:
        """Return the median of one contender."""
        return median(self.samples[who])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A promise and what was measured. `limit` is the largest value that keeps it."""

    what: str
    value: float
    limit: float
    unit: str = ""

    @property
    def ok(self) -> bool:
        """Whether the promise is kept."""
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "MISSED"
        return (
            f"{verdict}: {self.what}: {number(self.value)}{self.unit} (bar {number(self.limit)}{self.unit})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All that one scenario found."""

    scenario: str
    intent: str
    rows: Sequence[Row]
    bars: Sequence[Bar]
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        """Return the section of this scenario, without its heading."""
        columns = list(dict.fromkeys(who for row in self.rows for who in row.samples))
        lines = [self.intent, "", f"| median (smallest to largest) | {' | '.join(columns)} |"]
        lines.append("|" + "---|" * (len(columns) + 1))
        for row in self.rows:
            cells = (spread(row.samples[who], row.unit) if who in row.samples else "" for who in columns)
            lines.append(f"| {row.what} | {' | '.join(cells)} |")
        lines += ["", *(f"- {bar}" for bar in self.bars), *(f"- {note}" for note in self.notes)]
        return "\n".join(lines)


def ratio(row: Row, who: str, other: str) -> float:
    """Return how one contender's median compares with the other's."""
    return row.middle(who) / row.middle(other)


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def spread(values: Sequence[float], unit: str) -> str:
    """Return the median of some values and how far they lie apart."""
    middle = f"**{number(median(values))}** {unit}"
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} to {number(max(values))})"


def save(path: Path, result: Result, circumstances: str) -> None:
    """Put a scenario's section into the results file, in place of the one that was there."""
    text = path.read_text() if path.exists() else HEAD
    section = f"## {result.scenario}\n\n{result.markdown()}\n\n_{circumstances}_\n"
    found = re.compile(rf"^## {re.escape(result.scenario)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if found.search(text):
        text = found.sub(lambda _: section + "\n", text)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    path.write_text(text.rstrip() + "\n")


HEAD = """# Results

Written by `make bench`. zun-compose and docker compose v2.40.3 take turns on the same engine; each command is
timed from outside, from its start to its end, and medians are shown. "floor" is what the engine itself needs
for the same containers, called directly through its API as soon as each may start. Seconds depend on the
machine; ratios are what counts.
"""
