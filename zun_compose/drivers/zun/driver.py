"""The driver as a whole: who the cloud is, and all capabilities joined over one connection."""

from __future__ import annotations

from collections.abc import Sequence

from zun_compose.capability import Finding, Table
from zun_compose.driver import EngineInfo
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.copies import Copies
from zun_compose.drivers.zun.execute import Commands
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.foresight import Foresight
from zun_compose.drivers.zun.logs import Logs
from zun_compose.drivers.zun.terminal import Terminals
from zun_compose.model import Stack


class ZunDriver(Terminals, Foresight, Logs, Commands, Copies):
    """What OpenStack Zun, Neutron and Cinder can do for zun-compose. Safe from several threads."""

    name = "zun"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._engine: EngineInfo | None = None

    def engine(self) -> EngineInfo:
        """Say which cloud, region and project it is; one call, which also settles the microversion."""
        if self._engine is None:
            with translated("reach the cloud"):
                connection = self._cloud.connection
                highest = self._cloud.zun.get_microversions().highest
                project = str(connection.current_project_id)
            region = str(connection.config.region_name or "")
            self._engine = EngineInfo(
                id=f"zun:{region}:{project}",
                driver=self.name,
                name=self._cloud.name or str(connection.config.name or "zun"),
                version=f"API {highest}",
                local=False,
                # its containers' engines do run them, but Zun never tells what came of it
                runs_healthchecks=False,
                copies_files=True,
                default_runtime="",
            )
        return self._engine

    def capabilities(self) -> Table:
        """Return the table."""
        from zun_compose.drivers.zun.capabilities import capabilities

        return capabilities()

    def findings(self, stack: Stack) -> Sequence[Finding]:
        """What the stack asks for in vain."""
        from zun_compose.drivers.zun.capabilities import asked_in_vain

        return (*asked_in_vain(stack), *self._joining.publishing.findings(stack))

    def close(self) -> None:
        """Close idle connections, once the containers that run know of each other."""
        self._joining.close()
        self._cloud.close()
