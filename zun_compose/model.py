"""What a stack file declares, bound once to frozen types.

Pure data: nothing here reads a file, knows an engine or looks at a clock. Times are seconds, sizes
are bytes. Mappings and tuples keep the order of the file. Attribute meanings are those of the
Compose Specification unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from zun_compose.errors import Fault, Mark
from zun_compose.record import Record, field

EMPTY: Mapping[str, Any] = {}


class Condition(StrEnum):
    """What a dependent waits for on an edge."""

    STARTED = "service_started"
    LISTENING = "service_listening"
    HEALTHY = "service_healthy"
    READY = "service_ready"
    COMPLETED_SUCCESSFULLY = "service_completed_successfully"
    COMPLETED = "service_completed"

    @property
    def completion(self) -> bool:
        """Whether the gate waits for the end of its dependency."""
        return self in (Condition.COMPLETED, Condition.COMPLETED_SUCCESSFULLY)


class RestartName(StrEnum):
    """Restart policies of the Compose Specification."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


class ProbeKind(StrEnum):
    """How a readiness probe asks."""

    LISTENING = "listening"
    TCP = "tcp"
    HTTP = "http"
    EXEC = "exec"
    LOG = "log"


class Dependency(Record, kw_only=True):
    """An edge: the owning service waits for `on` (a service, or an external when `external`).

    `timeout` seconds from the start of the dependency's container (None: the default deadline),
    `retries` crashes that are forgiven (None: as many as the restart policy allows),
    `replicas` how many containers of `on` must satisfy the condition (None: all; "any" is 1),
    `required` False turns a failure into a warning, `restart` True restarts the dependent when
    zun-compose restarts or recreates `on`. `implicit` edges come from network_mode, ipc, pid, links and
    volumes_from.
    """

    on: str
    condition: Condition = Condition.STARTED
    timeout: float | None = None
    retries: int | None = None
    replicas: int | None = None
    required: bool = True
    restart: bool = False
    external: bool = False
    implicit: bool = False
    mark: Mark | None = None


class Healthcheck(Record, kw_only=True):
    """A declared healthcheck; None means "as the image says, else the engine's default".

    `test` starts with CMD, CMD-SHELL or NONE.
    """

    test: tuple[str, ...] | None = None
    interval: float | None = None
    timeout: float | None = None
    retries: int | None = None
    start_period: float | None = None
    start_interval: float | None = None

    @property
    def disabled(self) -> bool:
        """Whether the file switches the image's check off."""
        return bool(self.test) and self.test is not None and self.test[0] == "NONE"


class Probe(Record, kw_only=True):
    """A readiness probe, run by the engine from outside the container.

    `successes` good answers in a row make it true. `deadline` seconds bound the whole wait for
    this probe (None: the gate's own deadline). Which of the other fields count depends on `kind`:
    listening: ports (empty: the declared ones); tcp: port, host; http: port, path, scheme, method,
    statuses (inclusive ranges), headers, body (regex), host; exec: command (CMD form); log: pattern (regex).
    `host` is only set for probes of externals.
    """

    unshown = ("headers",)

    kind: ProbeKind
    interval: float = 1.0
    timeout: float = 5.0
    deadline: float | None = None
    successes: int = 1
    ports: tuple[int, ...] = ()
    port: int | None = None
    host: str | None = None
    scheme: str = "http"
    path: str = "/"
    method: str = "GET"
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    command: tuple[str, ...] = ()
    pattern: str | None = None
    mark: Mark | None = None


class Restart(Record, kw_only=True):
    """Restart policy; `maximum` retries count for on-failure only (None: no limit)."""

    name: RestartName = RestartName.NO
    maximum: int | None = None


class Port(Record, kw_only=True):
    """One published port. `published` is a port, a range "8000-8010", or None for an ephemeral one.

    Entries that one range of the file was expanded to share `span` (the container side, inclusive).
    """

    target: int
    published: str | None = None
    protocol: str = "tcp"
    host_ip: str | None = None
    mode: str = "ingress"
    name: str | None = None
    app_protocol: str | None = None
    span: tuple[int, int] | None = None


class Expose(Record, kw_only=True):
    """A port or range (inclusive) that the container listens on."""

    first: int
    last: int
    protocol: str = "tcp"


class MountType(StrEnum):
    """Kinds of mounts of the Compose Specification."""

    BIND = "bind"
    VOLUME = "volume"
    TMPFS = "tmpfs"
    IMAGE = "image"
    NPIPE = "npipe"
    CLUSTER = "cluster"


class Mount(Record, kw_only=True):
    """One mount. `source` is a host path, a key of Stack.volumes, or None for an anonymous volume."""

    type: MountType
    target: str
    source: str | None = None
    read_only: bool = False
    consistency: str | None = None
    propagation: str | None = None
    create_host_path: bool = True
    selinux: str | None = None
    nocopy: bool = False
    subpath: str | None = None
    tmpfs_size: int | None = None
    tmpfs_mode: int | None = None
    volume_labels: Mapping[str, str] = field(default_factory=dict)


class FileMount(Record, kw_only=True):
    """Use of a config or secret by a service; `source` is a key of Stack.configs or .secrets."""

    source: str
    target: str
    uid: str | None = None
    gid: str | None = None
    mode: int | None = None

    @property
    def plain(self) -> bool:
        """Whether no owner or mode is asked for."""
        return self.uid is None and self.gid is None and self.mode is None


NOT_CARRIED = "spec.not_carried"
"""Code of the fault for what a file asks for and nobody, or this engine, carries out."""


class Closed(Record, kw_only=True):
    """A use of a config or secret that cannot be copied in before the start: `note` says what comes of it.

    It is mounted, not as it was asked for, or `refused` if there is no way. Engines that put copies in
    whatever the service asks for (EngineInfo.copies_files) know none of it.
    """

    kind: str
    index: int
    source: str
    refused: bool
    note: str
    mark: Mark | None = None


class Attachment(Record, kw_only=True):
    """A service's place on one network; `network` is a key of Stack.networks."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_ips: tuple[str, ...] = ()
    mac_address: str | None = None
    priority: int = 0
    gw_priority: int = 0
    interface_name: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)


class Ulimit(Record, kw_only=True):
    """Soft and hard limit of one resource; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Device(Record, kw_only=True):
    """A host device given to a container."""

    source: str
    target: str
    permissions: str = "rwm"


class DeviceRequest(Record, kw_only=True):
    """Devices that a driver of the engine gives out, such as GPUs; `count` -1 is all there are."""

    driver: str | None = None
    count: int | None = None
    device_ids: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


class BlockLimit(Record, kw_only=True):
    """A limit on one block device of the machine: a weight, or bytes or operations a second."""

    path: str
    rate: int


class BlockIO(Record, kw_only=True):
    """Limits on reading from and writing to block devices."""

    weight: int | None = None
    weight_device: tuple[BlockLimit, ...] = ()
    device_read_bps: tuple[BlockLimit, ...] = ()
    device_read_iops: tuple[BlockLimit, ...] = ()
    device_write_bps: tuple[BlockLimit, ...] = ()
    device_write_iops: tuple[BlockLimit, ...] = ()


class Resources(Record, kw_only=True):
    """Limits and reservations; cpus in cores, memory in bytes."""

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    reserved_cpus: float | None = None
    reserved_memory: int | None = None
    memory_swap: int | None = None
    memory_swappiness: int | None = None
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpu_rt_period: int | None = None
    cpu_rt_runtime: int | None = None
    cpuset: str | None = None
    oom_kill_disable: bool | None = None
    oom_score_adj: int | None = None


class Build(Record, kw_only=True):
    """How to build an image; paths are absolute. Secret values never stand here."""

    unshown = ("args",)

    context: str
    dockerfile: str | None = None
    dockerfile_inline: str | None = None
    args: Mapping[str, str | None] = field(default_factory=dict)
    target: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    network: str | None = None
    no_cache: bool = False
    pull: bool = False
    platforms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shm_size: int | None = None
    extra_hosts: tuple[tuple[str, str], ...] = ()
    ulimits: tuple[Ulimit, ...] = ()


class Logging(Record, kw_only=True):
    """Log driver of a container."""

    driver: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


GLANCE = "glance://"
"""What an image begins with that is an archive in OpenStack's image store; its name or id follows."""


class Service(Record, kw_only=True):
    """One declared service.

    `networks` is None under a `network_mode`. `job` marks a service that is meant to end (a gate on
    its completion, deploy.mode replicated-job, or x-zun job); `once` jobs do not run again once done.
    `fate` scripts the memory driver. `readiness` probes decide `ready` where there are any. `attach` False
    leaves its log out of what an attached `up` prints. From `hints` on the fields are words of x-zun that a
    cloud carries out: where a container goes, which image store it comes from, what becomes of it.
    """

    unshown = ("environment",)

    name: str
    image: str | None = None
    build: Build | None = None
    pull_policy: str | None = None
    platform: str | None = None
    container_name: str | None = None
    hostname: str | None = None
    domainname: str | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    working_dir: str | None = None
    user: str | None = None
    group_add: tuple[str, ...] = ()
    init: bool | None = None
    tty: bool = False
    stdin_open: bool = False
    privileged: bool = False
    read_only: bool = False
    runtime: str | None = None
    stop_signal: str | None = None
    stop_grace_period: float | None = None
    restart: Restart = field(default_factory=Restart)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    expose: tuple[Expose, ...] = ()
    networks: tuple[Attachment, ...] | None = None
    network_mode: str | None = None
    mac_address: str | None = None
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    links: tuple[str, ...] = ()
    external_links: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    configs: tuple[FileMount, ...] = ()
    secrets: tuple[FileMount, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    readiness: tuple[Probe, ...] = ()
    profiles: tuple[str, ...] = ()
    replicas: int = 1
    resources: Resources = field(default_factory=Resources)
    ulimits: tuple[Ulimit, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    blkio_config: BlockIO | None = None
    storage_opt: Mapping[str, str] = field(default_factory=dict)
    shm_size: int | None = None
    pid: str | None = None
    ipc: str | None = None
    uts: str | None = None
    userns_mode: str | None = None
    cgroup: str | None = None
    cgroup_parent: str | None = None
    logging: Logging | None = None
    job: bool = False
    once: bool = False
    fate: Mapping[str, Any] = field(default_factory=dict)
    attach: bool = True
    hints: Mapping[str, str] = field(default_factory=dict)
    availability_zone: str | None = None
    host: str | None = None
    cpu_policy: str | None = None
    image_driver: str | None = None
    auto_heal: bool = False
    auto_remove: bool = False
    mark: Mark | None = None

    def closed_to(self, target: str) -> str:
        """Why a file that is copied to `target` before the start would not be there, or ""."""
        if self.read_only:
            return "the service is read_only"
        covers = [entry.partition(":")[0] for entry in self.tmpfs]
        covers += [mount.target for mount in self.mounts if mount.type is MountType.TMPFS]
        for cover in covers:
            if target.startswith(f"{cover.rstrip('/')}/"):
                return f"a tmpfs lies over {cover}"
        return ""


class IpamPool(Record, kw_only=True):
    """One address pool of a network."""

    subnet: str | None = None
    ip_range: str | None = None
    gateway: str | None = None
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


class Network(Record, kw_only=True):
    """A declared network; `name` is the engine's name for it."""

    key: str
    name: str
    external: bool = False
    driver: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    ipam_driver: str | None = None
    ipam: tuple[IpamPool, ...] = ()
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    mark: Mark | None = None


class Volume(Record, kw_only=True):
    """A declared named volume; `name` is the engine's name for it."""

    key: str
    name: str
    external: bool = False
    driver: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mark: Mark | None = None


class FileObject(Record, kw_only=True):
    """A declared config or secret: one of file (absolute path), content, or external.

    `environment` names the variable that `content` was taken from. `content` never shows in repr.
    """

    unshown = ("content",)

    key: str
    name: str
    external: bool = False
    file: str | None = None
    environment: str | None = None
    content: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    mark: Mark | None = None


class External(Record, kw_only=True):
    """Something outside the stack that services may wait for, judged by `probes` alone."""

    name: str
    probes: tuple[Probe, ...]
    mark: Mark | None = None


class Stack(Record, kw_only=True):
    """A whole stack as declared: services in file order, profiles already applied.

    `inactive` names declared services that the active profiles leave out, with their profiles.
    `working_dir` and `files` are absolute paths and go into labels. `warnings` are for the user.
    `uncarried` holds, by service, what the file asks for and we cannot do: a plan with it is refused.
    `closed` holds, by service, the configs and secrets that only some engines can put in.
    `named` is True when the user gave the name, rather than the file or its folder.
    """

    name: str
    services: Mapping[str, Service]
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    configs: Mapping[str, FileObject] = field(default_factory=dict)
    secrets: Mapping[str, FileObject] = field(default_factory=dict)
    externals: Mapping[str, External] = field(default_factory=dict)
    inactive: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    working_dir: str = ""
    files: tuple[str, ...] = ()
    environment_files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    uncarried: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    closed: Mapping[str, tuple[Closed, ...]] = field(default_factory=dict)
    named: bool = False
