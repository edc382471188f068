"""What the caller wants read, and how."""

from __future__ import annotations

from collections.abc import Mapping

from zun_compose.model import Condition
from zun_compose.record import Record, field


class Request(Record, kw_only=True):
    """Which stack to read.

    `files` are paths as given ("-" is standard input; empty: searched for), relative ones to the
    source's working directory. `name`, `project_directory` and `profiles` win over the file and
    the environment. `env_files` replace the default .env. `environment` is the caller's, values and
    all. Named `services` enable their own profiles. `default_gate` is what the short form of
    depends_on waits for (None: the file's x-zun gate, else started).
    The switches after it serve `config`: `interpolate`, `normalize`, `resolve_paths` and `consistency`
    leave a phase out when False, `all_resources` keeps what no service uses, `lenient` turns values that
    no engine could carry out into warnings, as docker compose config does.
    """

    unshown = ("environment",)

    files: tuple[str, ...] = ()
    project_directory: str | None = None
    name: str | None = None
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    default_gate: Condition | None = None
    interpolate: bool = True
    normalize: bool = True
    resolve_paths: bool = True
    consistency: bool = True
    all_resources: bool = False
    lenient: bool = False
