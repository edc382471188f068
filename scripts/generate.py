"""Writes what is made of the table of the language: the JSON Schema and the page of all attributes.

Run by `make generate`; a test fails where they are not what this writes.
"""

from __future__ import annotations

from pathlib import Path

from zun_compose.parse.reference import page, schema

ROOT = Path(__file__).resolve().parent.parent
MADE = {
    ROOT / "schemas" / "zun-compose.schema.json": schema.text,
    ROOT / "docs" / "attributes.md": page.text,
}


def main() -> None:
    """Write all files that differ, and name them."""
    for path, make in MADE.items():
        text = make()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
