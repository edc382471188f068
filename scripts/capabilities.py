"""Write docs/capabilities.md from the tables that drivers act upon; --check says whether it is true."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from zun_compose.capability import Row, Table, Verdict, normal, rows_of
from zun_compose.drivers.docker.capabilities import NEWEST
from zun_compose.drivers.docker.capabilities import capabilities as docker
from zun_compose.drivers.local.capabilities import capabilities as local
from zun_compose.drivers.local.cgroups import EVERY
from zun_compose.drivers.memory.capabilities import capabilities as memory
from zun_compose.drivers.zun.capabilities import capabilities as zun
from zun_compose.parse.attributes import attributes, own_words
from zun_compose.parse.carried import carried

FILE = Path(__file__).parent.parent / "docs" / "capabilities.md"
DRIVERS: dict[str, Table] = {
    "docker": docker(NEWEST),
    "local": local(isolated=True, limits=EVERY),
    "local without isolation": local(isolated=False, limits=EVERY),
    "memory": memory(),
    "zun": zun(),
}
SECTIONS = {
    "": "The stack",
    "services": "Services",
    "networks": "Networks",
    "volumes": "Volumes",
    "configs": "Configs",
    "secrets": "Secrets",
}
HEAD = """\
# What each driver does with each attribute

`make generate` writes this file from the tables that the program acts upon: `zun_compose/parse/carried.py`,
and `capabilities.py` beside each driver. A test holds each row against what happens. For one file
`zun-compose --driver NAME config --report` says it.

- **does**: as the Compose Specification has it
- **emulates**: in effect, by other means or on a smaller scale; the note says how
- **ignores**: it is left out, and every command that plans says so in a warning
- **refuses**: no plan is made, and nothing is done, for a service that asks for it

Numbers lead to the notes at the end. "does, but" has values that are not done. A row `a.**` is for all below
`a`, too. `docker` is an engine that speaks the newest API; older ones refuse what the note says they lack.
"""

Answers = tuple[tuple[Row, ...], ...]


def answers(path: str) -> Answers:
    """Return the rows of every driver for one path. Raises LookupError if one is missing."""
    found = tuple(rows_of(carried(), table, path) for table in DRIVERS.values())
    if not all(found):
        raise LookupError(f"no row for {path}")
    return found


def rows(paths: list[str]) -> Iterator[tuple[str, Answers]]:
    """Yield the rows of a section; what answers alike with all below it is one row."""
    done: str | None = None
    for path in paths:
        if done is not None and path.startswith(f"{done}."):
            continue
        here = answers(path)
        below = [other for other in paths if other.startswith(f"{path}.")]
        alike = bool(below) and all(answers(other) == here for other in below)
        done = path if alike else None
        yield f"{path}.**" if alike else path, here


class Notes:
    """Numbers what the rows say, so that each thing is written once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def cell(self, found: tuple[Row, ...]) -> str:
        """Return the answer of one driver with the numbers of its notes."""
        last = found[-1].verdict
        numbers = []
        for row in found:
            if row.note and (row.verdict is not Verdict.DOES or row.when is None):
                text = row.note if row.when is None else f"{row.verdict.value} other values: {row.note}"
                numbers.append(self.numbers.setdefault(text, len(self.numbers) + 1))
        # for all values: where each has its own answer, the first is for some of them only
        some = any(row.verdict is not last for row in found)
        shown = f"{last.value}, but" if some else last.value
        return f"{shown} ({', '.join(map(str, dict.fromkeys(numbers)))})" if numbers else shown

    def lines(self) -> Iterator[str]:
        """Yield the notes as a numbered list."""
        yield from (f"{number}. {text}" for text, number in self.numbers.items())


def section_of(path: str) -> str:
    """Return the part of the document that tells of a path."""
    section, dot, _ = path.partition(".*.")
    return section if dot and section in SECTIONS else ""


def render() -> str:
    """Return the whole document."""
    paths = sorted({normal(path) for path in (*attributes(), *own_words())} - {""})
    notes = Notes()
    parts = [HEAD]
    for section, title in SECTIONS.items():
        own = [path for path in paths if section_of(path) == section]
        parts += [
            f"## {title}",
            "",
            f"| attribute | {' | '.join(DRIVERS)} |",
            "|---" * (len(DRIVERS) + 1) + "|",
        ]
        for path, here in rows(own):
            cells = " | ".join(notes.cell(found) for found in here)
            parts.append(f"| `{path.removeprefix(f'{section}.*.')}` | {cells} |")
        parts.append("")
    return "\n".join([*parts, "## Notes", "", *notes.lines()]) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or with --check compare it."""
    text = render()
    if arguments == ["--check"]:
        if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{FILE.name} is not what the tables say: make generate", file=sys.stderr)
        return 1
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
