"""Short forms and long forms bind to the same model; odd ones are refused with a hint."""

from __future__ import annotations

import pytest

from tests.unit.parse.reading import faults, read, service
from zun_compose.model import (
    Attachment,
    Device,
    Expose,
    FileMount,
    Mount,
    MountType,
    Port,
    RestartName,
    Ulimit,
)


@pytest.mark.parametrize(
    ("short", "ports"),
    [
        ("80", [Port(target=80)]),
        ("8080:80", [Port(target=80, published="8080")]),
        ("127.0.0.1:8080:80/udp", [Port(target=80, published="8080", host_ip="127.0.0.1", protocol="udp")]),
        ("127.0.0.1::80", [Port(target=80, host_ip="127.0.0.1")]),
        ("[::1]:1:2", [Port(target=2, published="1", host_ip="::1")]),
        ("9000-9001:90", [Port(target=90, published="9000-9001")]),
        (
            "9090-9091:90-91",
            [
                Port(target=90, published="9090", span=(90, 91)),
                Port(target=91, published="9091", span=(90, 91)),
            ],
        ),
        ("70-71", [Port(target=70, span=(70, 71)), Port(target=71, span=(70, 71))]),
    ],
)
def test_ports(short, ports):
    assert service(f"ports: ['{short}']").ports == tuple(ports)


def test_long_ports_keep_what_they_say():
    body = """
        ports:
          - {target: 80, published: 80-82, protocol: udp, mode: host, name: n, app_protocol: http,
             host_ip: 10.0.0.1}
        """
    assert service(body).ports == (
        Port(
            target=80,
            published="80-82",
            protocol="udp",
            mode="host",
            name="n",
            app_protocol="http",
            host_ip="10.0.0.1",
        ),
    )


@pytest.mark.parametrize(
    "port",
    [
        "a:b",
        "127.0.0.1:80",
        "70000:80",
        "9000-9001:90-95",
        "80/xyz",
        "localhost:1:2",
        "82-80",
        "",
        ":",
        "80.5",
    ],
)
def test_what_is_no_port(port):
    [fault] = faults(f"services:\n  a:\n    image: x\n    ports: [80, '{port}']\n")
    assert fault.startswith("spec.value /stack/compose.yaml:4:17: services.a.ports[1] is no port")
    assert "[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]" in fault


def test_volumes_of_all_kinds():
    stack = read(
        """
        services:
          a:
            image: x
            volumes:
              - /anonymous
              - data:/data:ro
              - ./here:/here/
              - ~/mine:/mine:rw,z,rshared
              - data:/copy:nocopy
              - {type: tmpfs, target: /t, tmpfs: {size: 10m, mode: 0777}}
              - {type: volume, source: data, target: /sub, volume: {subpath: s, labels: {a: b}}}
              - {type: bind, source: ../up, target: /up, bind: {create_host_path: false}}
              - {type: image, source: img, target: /img, image: {subpath: p}}
        volumes: {data: }
        """
    ).stack
    assert stack.services["a"].mounts == (
        Mount(type=MountType.VOLUME, target="/anonymous"),
        Mount(type=MountType.VOLUME, target="/data", source="data", read_only=True),
        Mount(type=MountType.BIND, target="/here", source="/stack/here"),
        Mount(
            type=MountType.BIND, target="/mine", source="/home/me/mine", selinux="z", propagation="rshared"
        ),
        Mount(type=MountType.VOLUME, target="/copy", source="data", nocopy=True),
        Mount(type=MountType.TMPFS, target="/t", tmpfs_size=10 << 20, tmpfs_mode=0o777),
        Mount(type=MountType.VOLUME, target="/sub", source="data", subpath="s", volume_labels={"a": "b"}),
        Mount(type=MountType.BIND, target="/up", source="/up", create_host_path=False),
        Mount(type=MountType.IMAGE, target="/img", source="img", subpath="p"),
    )
    assert stack.volumes["data"].name == "stack_data"


def test_the_rest_of_a_service():
    web = service(
        """
        command: echo "a b"
        entrypoint: []
        environment: [A=1, B, HOME]
        labels: [a=b, c]
        expose: [80, "90-92/udp"]
        dns: 1.1.1.1
        tmpfs: /run
        devices: ["/dev/a:/dev/b:r", {source: /dev/c, target: /dev/c}]
        ulimits: {nproc: 3, nofile: {soft: 1, hard: 2}}
        extra_hosts: {b: "2.2.2.2", a: "[::1]"}
        group_add: [1, g]
        restart: on-failure:3
        stop_grace_period: 1m
        shm_size: 1k
        deploy:
          replicas: 2
          resources: {limits: {cpus: "0.5", pids: 9, memory: 64m}, reservations: {memory: 1k}}
        networks: {default: {aliases: [x], priority: 5, ipv4_address: 10.0.0.1}}
        healthcheck: {test: "true", interval: 1s, timeout: 500ms, retries: 3, start_period: 2s}
        logging: {driver: json-file, options: {max-size: 10}}
        """
    )
    assert (web.command, web.entrypoint) == (("echo", "a b"), ())
    assert dict(web.environment) == {"A": "1", "B": None, "HOME": "/home/me"}
    assert dict(web.labels) == {"a": "b", "c": ""}
    assert web.expose == (Expose(first=80, last=80), Expose(first=90, last=92, protocol="udp"))
    assert (web.dns, web.tmpfs, web.group_add) == (("1.1.1.1",), ("/run",), ("1", "g"))
    assert web.devices == (
        Device(source="/dev/a", target="/dev/b", permissions="r"),
        Device(source="/dev/c", target="/dev/c"),
    )
    assert web.ulimits == (Ulimit(name="nproc", soft=3, hard=3), Ulimit(name="nofile", soft=1, hard=2))
    assert web.extra_hosts == (("a", "::1"), ("b", "2.2.2.2"))
    assert (web.restart.name, web.restart.maximum) == (RestartName.ON_FAILURE, 3)
    assert (web.stop_grace_period, web.shm_size, web.replicas) == (60.0, 1024, 2)
    limits = web.resources
    assert (limits.memory, limits.cpus, limits.pids, limits.reserved_memory) == (64 << 20, 0.5, 9, 1024)
    assert web.networks == (
        Attachment(network="default", aliases=("x",), priority=5, ipv4_address="10.0.0.1"),
    )
    check = web.healthcheck
    assert check.test == ("CMD-SHELL", "true")
    assert (check.interval, check.timeout, check.retries, check.start_period) == (1.0, 0.5, 3, 2.0)
    assert dict(web.logging.options) == {"max-size": "10"}


def test_a_healthcheck_can_be_switched_off():
    assert service("healthcheck: {disable: true}").healthcheck.disabled
    assert service("healthcheck: {test: [NONE]}").healthcheck.disabled
    assert not service("healthcheck: {test: [CMD, a]}").healthcheck.disabled


def test_configs_and_secrets():
    stack = read(
        """
        services:
          a:
            image: x
            secrets: [s, {source: e, target: /abs, mode: "0440", uid: "1"}]
            configs: [c, {source: c, target: rel}]
        secrets: {s: {file: ./f}, e: {environment: TOKEN}}
        configs: {c: {content: "port ${PORT}"}}
        """,
        environment={"TOKEN": "hunter2", "PORT": "80"},
    )
    web = stack.stack.services["a"]
    assert web.secrets == (
        FileMount(source="s", target="/run/secrets/s"),
        FileMount(source="e", target="/abs", mode=0o440, uid="1"),
    )
    assert [mount.target for mount in web.configs] == ["/c", "/rel"]
    assert stack.stack.secrets["s"].file == "/stack/f"
    assert stack.stack.secrets["e"].content == "hunter2"
    assert stack.stack.configs["c"].content == "port 80"
    assert "hunter2" not in str(stack.canonical) + repr(stack)


def test_networks_and_names():
    stack = read(
        """
        name: Shop
        services:
          a: {image: x, networks: [front, ext]}
          b: {image: x}
          c: {image: x, network_mode: host}
        networks:
          front: {driver: bridge, internal: true, ipam: {config: [{subnet: 10.0.0.0/8}]}, labels: [a=b]}
          ext: {external: true, name: outside}
          unused: {}
        """
    ).stack
    assert stack.name == "shop"
    assert {key: entry.name for key, entry in stack.networks.items()} == {
        "front": "shop_front",
        "ext": "outside",
        "default": "shop_default",
    }
    front = stack.networks["front"]
    assert (front.internal, front.ipam[0].subnet, dict(front.labels)) == (True, "10.0.0.0/8", {"a": "b"})
    assert stack.networks["ext"].external
    assert stack.services["b"].networks == (Attachment(network="default"),)
    assert stack.services["c"].networks is None


def test_build():
    stack = read(
        """
        services:
          a: {build: ./app}
          b: {build: {dockerfile_inline: FROM x, args: [A, HOME, C=1], target: t, shm_size: 1m}}
          c: {build: "https://example.com/repo.git#main"}
        """
    ).stack
    one, two, three = (entry.build for entry in stack.services.values())
    assert one is not None
    assert two is not None
    assert three is not None
    assert (one.context, one.dockerfile) == ("/stack/app", "Dockerfile")
    assert (two.context, two.dockerfile, two.dockerfile_inline) == ("/stack", None, "FROM x")
    assert (dict(two.args), two.target, two.shm_size) == ({"HOME": "/home/me", "C": "1"}, "t", 1 << 20)
    assert three.context == "https://example.com/repo.git#main"


@pytest.mark.parametrize(
    ("body", "code", "what"),
    [
        ("restart: sometimes", "value", 'unknown restart policy "sometimes"'),
        ("restart: always:3", "value", "unknown restart policy"),
        ("stop_grace_period: '10'", "value", 'a duration looks like "1m30s"'),
        ("mem_limit: lots", "value", 'a size looks like "512m"'),
        ("extra_hosts: [a]", "value", "needs a name and an address"),
        ("volumes: ['a:b:c:d:e:f']", "value", "is no volume"),
        ("volumes: ['/f:']", "value", "is no volume"),
        ("volumes: [{type: bind, source: .}]", "missing", "needs target"),
        ("volumes: [{type: bind, source: ., target: ''}]", "missing", "needs a target"),
        ("configs: [{target: /x}]", "missing", "configs[0] needs source"),
        ("volumes: [{type: bind, target: /x}]", "missing", "needs a source"),
        ("volumes: [{source: ., target: /x}]", "missing", "needs type"),
        ("command: echo 'a", "value", "a quote has no end"),
        ("healthcheck: {test: [curl]}", "value", "must start with CMD, CMD-SHELL or NONE"),
        ("gpus: [{count: 1, device_ids: [a]}]", "conflict", "cannot have both count and device_ids"),
        ("ulimits: {nofile: {soft: 1}}", "missing", "needs hard"),
        ("expose: ['80x']", "value", 'is no port: "80x"'),
        ("env_file: gone.env", "env_file", 'there is no env file "/stack/gone.env"'),
    ],
)
def test_what_a_service_cannot_say(body, code, what):
    [fault] = faults(f"services:\n  a:\n    image: x\n    {body}\n")
    assert fault.startswith(f"spec.{code} /stack/compose.yaml:4:")
    assert what in fault


def test_config_accepts_what_only_an_engine_would_refuse():
    loaded = read("services: {a: {image: x, restart: sometimes, expose: [q]}}", lenient=True)
    assert loaded.canonical["services"]["a"]["restart"] == "sometimes"
    assert len(loaded.stack.warnings) == 2


def printed(body):
    text = "services:\n  web:\n    image: x\n" + "".join(f"    {line}\n" for line in body.splitlines())
    return read(text, lenient=True).canonical["services"]["web"]


@pytest.mark.parametrize(
    ("body", "attribute", "result"),
    [
        ("storage_opt: {size: 1}", "storage_opt", {"size": "1"}),
        ("mem_limit: 1e3", "mem_limit", None),
        ("networks: {default: {priority: 1.0}}", "networks", {"default": {"priority": 1}}),
        ("healthcheck: {retries: 2.0}", "healthcheck", {"retries": 2}),
        ("volumes: ['v:x:/y']", "volumes", None),
        ("extra_hosts: ['b:1,2', 'a=[::1]', 'a:']", "extra_hosts", ["a=", "a=::1", "b=1", "b=2"]),
        ("network_mode: ''", "networks", None),
        ("dns: ['', 1.1.1.1]", "dns", ["1.1.1.1"]),
        ("dns: ''", "dns", None),
        ("cpus: 1.123456789", "cpus", 1.1234568),
        ("pull_refresh_after: 1h", "pull_refresh_after", None),
    ],
)
def test_odd_values_mean_what_they_mean_to_docker_compose(body, attribute, result):
    if body.startswith("volumes"):
        [mount] = printed(body)["volumes"]
        assert (mount["source"], mount["target"]) == ("/stack/v:x", "/y")
    else:
        assert printed(body).get(attribute) == result


@pytest.mark.parametrize(
    "body",
    [
        "storage_opt: {size: true}",
        "group_add: [1.5]",
        "expose: [80.5]",
        "ports: [80.0]",
        "ports: ['[fe80::1%eth0]:80:80']",
        "blkio_config: {weight: '300'}",
        "deploy: {replicas: -1}",
        "scale: -1",
        "healthcheck: {retries: -1}",
        "memswap_limit: '-1'",
        "devices: [{source: /dev/a}]",
        "links: ['b:x:y']",
        "extra_hosts: ['a']",
        "extra_hosts: ['a:b=c']",
        "volumes: ['a:/b:']",
        "develop: {watch: [{action: rebuild, path: ''}]}",
    ],
)
def test_what_docker_compose_cannot_hold(body):
    assert len(faults(f"services: {{b: {{image: x}}, a: {{image: x, {body}}}}}")) == 1


@pytest.mark.parametrize(
    ("entry", "fine"),
    [
        ("configs: {s: {external: false}}", True),
        ("configs: {s: {content: ''}}", True),
        ("configs: {s: {labels: {}}}", False),
        ("secrets: {s: {external: false}}", False),
        ("secrets: {s: {environment: ''}}", False),
        ("secrets: {s: {file: a, environment: B}}", False),
        ("secrets: {s: {external: true, file: a, environment: B}}", False),
        ("volumes: {s: {external: true, labels: {}}}", False),
        ("volumes: {s: {external: true, x-a: 1}}", True),
    ],
)
def test_where_the_content_comes_from(entry, fine):
    text = f"services: {{a: {{image: x}}}}\n{entry}\n"
    if fine:
        read(text)
    else:
        assert len(faults(text)) == 1


def test_an_empty_path_is_the_folder():
    loaded = read(
        "services: {a: {image: x, secrets: [s], volumes: [{type: bind, source: '', target: /a}]}}\n"
        "secrets: {s: {file: ''}}\n"
    )
    assert loaded.canonical["secrets"]["s"]["file"] == "/stack"
    assert loaded.canonical["services"]["a"]["volumes"][0]["source"] == "/stack"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("{tmpfs: /t, volumes: [/t]}", "services.a.volumes[0]"),
        ("{tmpfs: ['/t', '/t:size=1m']}", "services.a.tmpfs[1]"),
        (
            "{volumes: [{type: tmpfs, target: /t}, {type: bind, source: ., target: /t/}]}",
            "services.a.volumes[1]",
        ),
    ],
)
def test_two_things_at_one_place(body, place):
    [fault] = faults(f"services: {{a: {{image: x, {body[1:-1]}}}}}")
    assert f"{place}: something else is mounted at" in fault


def test_a_file_mode_of_nothing_is_one():
    text = "services: {a: {image: x, configs: [{source: c, mode: 0}]}}\nconfigs: {c: {content: x}}"
    assert read(text).canonical["services"]["a"]["configs"] == [{"source": "c", "mode": "00"}]


def test_short_volumes_at_one_place_replace_each_other():
    [mount] = read("services: {a: {image: x, volumes: ['/one:/t', '/two:/t/']}}").stack.services["a"].mounts
    assert (mount.source, mount.target) == ("/two", "/t")
