"""Which images containers need."""

from __future__ import annotations

import json
from pathlib import Path

from zun_compose.errors import Conflict


def images_in_use(containers: Path) -> frozenset[str]:
    """Return the ids of images that containers below a folder were made of, running or not.

    Raises Conflict for a container that does not tell, since its image must not be taken for free.
    """
    found = set()
    for spec in containers.glob("*/spec.json"):
        try:
            image = json.loads(spec.read_bytes())["image_id"]
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Conflict(
                f'container "{spec.parent.name[:12]}" does not tell which image it needs'
            ) from error
        found.add(str(image))
    return frozenset(found)
