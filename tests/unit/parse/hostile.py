"""Stack files that mean harm: for each idea one file of a given size, by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.parse.reading import Files

SIZE = 256 * 1024
MAIN = "compose.yaml"

Make = Callable[[int], "dict[str, str | bytes]"]


def many(line: str, size: int, separator: str = "\n") -> str:
    """Return as many lines as fit, with their number in place of each #."""
    lines = []
    length = number = 0
    while True:
        lines.append(line.replace("#", str(number)))
        length += len(lines[-1].encode()) + len(separator)
        number += 1
        if length >= size:
            return separator.join(lines[:-1])


def one(head: str, line: str, foot: str = "\n", separator: str = "\n") -> Make:
    """Return a file that is mostly one line many times."""

    def make(size: int) -> dict[str, str | bytes]:
        return {MAIN: head + many(line, size - len(head) - len(foot), separator) + foot}

    return make


def halves(head: str, first: str, middle: str, second: str, foot: str = "\n", separator: str = "\n") -> Make:
    """Return a file with two lines, many times each."""

    def make(size: int) -> dict[str, str | bytes]:
        half = (size - len(head) - len(middle) - len(foot)) // 2
        return {MAIN: head + many(first, half, separator) + middle + many(second, half, separator) + foot}

    return make


def run(head: str, piece: str, foot: str = "") -> Make:
    """Return a file that is mostly one piece many times."""
    return lambda size: {MAIN: head + piece * ((size - len(head) - len(foot)) // len(piece)) + foot}


def beside(name: str, piece: str, service: str, foot: str = "") -> Make:
    """Return a small stack file beside a file that is mostly one piece many times."""
    return lambda size: {
        MAIN: "services: {a: {image: x" + service + "}}\n",
        name: piece * (size // len(piece)) + foot,
    }


def _nest(size: int) -> dict[str, str | bytes]:
    deep = size // 7
    return {MAIN: "services: {}\nx-a: '" + "${A:-" * deep + "}" * deep + "'\n"}


def _nests(size: int) -> dict[str, str | bytes]:
    return one("services: {}\nx-a:\n", "  - '" + "${A:-" * 45 + "}" * 45 + "'")(size)


def _bomb(size: int) -> dict[str, str | bytes]:
    levels = "".join(
        f"x-{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9) if n else '1,2,3,4,5,6,7,8,9'}]\n" for n in range(12)
    )
    return {MAIN: levels + "services: {}\n"}


def _tower(size: int) -> dict[str, str | bytes]:
    levels = "".join(
        f"x-{n}: &a{n} {'[' * 150}{f'*a{n - 1}' if n else '1'}{']' * 150}\n" for n in range(size // 320)
    )
    return {MAIN: levels + "services: {}\n"}


def _include_variants(size: int) -> dict[str, str | bytes]:
    body = one("services:\n", "  s#: {image: x}")(size // 2)[MAIN]
    lines = one("include:\n", "  - {path: b.yaml, env_file: e#.env}")(size // 2)[MAIN]
    return {MAIN: lines, "b.yaml": body}


def _include_folders(size: int) -> dict[str, str | bytes]:
    body = one("services:\n", "  s#: {image: x}")(size // 2)[MAIN]
    lines = one("include:\n", "  - {path: b.yaml, env_file: e.env, project_directory: ./#}")(size // 2)[MAIN]
    return {MAIN: lines, "b.yaml": body, "e.env": "A=b\n"}


def _merge_bomb(size: int) -> dict[str, str | bytes]:
    wide = ",".join(f"k{n}: 1" for n in range(2000))
    return {MAIN: "x-a: &a {" + wide + "}\nx-b:\n" + many("  - {<<: *a}", size - len(wide) - 20)}


def _merge_list(size: int) -> dict[str, str | bytes]:
    wide = ",".join(f"k{n}: 1" for n in range(20))
    aliases = ",".join(["*a"] * ((size - 300) // 3))
    return {MAIN: "x-a: &a {" + wide + "}\nx-b: {<<: [" + aliases + "]}\nservices: {}\n"}


def _includes(size: int) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {
        f"i{n}.yaml": f"include: [i{n + 1}.yaml, i{n + 1}.yaml, i{n + 1}.yaml]\n" for n in range(30)
    }
    return {**files, MAIN: "include: [i0.yaml]\nservices: {a: {image: x}}\n", "i30.yaml": "name: x"}


def _include_chain(size: int) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {f"i{n}.yaml": f"include: [i{n + 1}.yaml]\n" for n in range(600)}
    return {**files, MAIN: "include: [i0.yaml]\nservices: {a: {image: x}}\n"}


def _include_same(size: int) -> dict[str, str | bytes]:
    body = one("services:\n", "  s#: {image: x}")(size // 2)[MAIN]
    return {MAIN: one("include:\n", "  - b.yaml")(size // 2)[MAIN], "b.yaml": body}


def _extends_files(size: int) -> dict[str, str | bytes]:
    base = one("services:\n  b:\n    image: x\n    environment:\n", "      K#: v")(size // 2)[MAIN]
    stack = one("services:\n", "  s#: {extends: {file: b.yaml, service: b}}")(size // 2)[MAIN]
    return {MAIN: stack, "b.yaml": base}


def _extends_chain(size: int) -> dict[str, str | bytes]:
    lines = "".join(f"  t{n}: {{extends: t{n + 1}}}\n" for n in range(size // 30))
    return {MAIN: f"services:\n{lines}"}


def _extends_fan(size: int) -> dict[str, str | bytes]:
    base = "services:\n  b:\n    image: x\n    environment:\n" + many("      K#: v", size // 2)
    return {MAIN: base + "\n" + many("  s#: {extends: b}", size // 2)}


def _env_files(size: int) -> dict[str, str | bytes]:
    stack = one("services:\n", "  s#: {image: x, env_file: e.env, environment: {A: b}}")(size // 2)[
        "compose.yaml"
    ]
    return {MAIN: stack, "e.env": many("K#=v", size // 2)}


def _env_doubling(size: int) -> dict[str, str | bytes]:
    lines = "".join(f"A{n}=$A{n - 1}$A{n - 1}\n" for n in range(1, 40))
    return {MAIN: "services: {a: {image: x}}\n", ".env": f"A0=0123456789\n{lines}"}


def _long_variables(size: int) -> dict[str, str | bytes]:
    return {
        MAIN: one("services: {a: {image: x}}\nx-a:\n", "  - $BIG")(size)[MAIN],
        ".env": "BIG=" + "x" * 100_000,
    }


def _near(size: int) -> dict[str, str | bytes]:
    stack = halves(
        "services:\n", "  service-number-#: {image: x, networks: [n#]}", "\nnetworks:\n", "  network-#: {}"
    )
    return stack(size)


def _layers(size: int) -> dict[str, str | bytes]:
    stack = one("services:\n  a:\n    image: x\n    extra_hosts:\n", "      - h#=1.1.1.1")(size // 2)[
        "compose.yaml"
    ]
    return {MAIN: stack, "compose.override.yaml": stack}


def _pools(size: int) -> dict[str, str | bytes]:
    stack = one(
        "services: {a: {image: x}}\nnetworks:\n  n:\n    ipam:\n      config:\n",
        "        - subnet: 10.0.0.#/32",
    )(size // 2)[MAIN]
    return {MAIN: stack, "compose.override.yaml": stack}


def _resets(size: int) -> dict[str, str | bytes]:
    stack = one("services:\n  a:\n    image: x\n    environment:\n", "      K#: !reset v")(size // 2)[
        "compose.yaml"
    ]
    return {MAIN: stack, "compose.override.yaml": stack}


SERVICE = "services:\n  a:\n    image: x\n"

HOSTILE: dict[str, Make] = {
    # the text itself
    "anchors": one("services: {}\n", "x-#: &a# v"),
    "anchors and aliases": one("services: {}\nx-a:\n  - &a0 x\n", "  - &a# x\n  - *a#"),
    "alias bomb": _bomb,
    "alias tower": _tower,
    "aliases of one list": one("services: {}\nx-a: &a [1,2,3,4,5,6,7,8,9]\nx-b:\n", "  - [*a, *a]"),
    "aliases of one word": one("services: {}\nx-a: &a x\nx-b: [", "*a", "]", ","),
    "aliases under environment": one(
        SERVICE + "    environment: &e\n      A: b\n      A: b\n", "      K#: &k# [*k#]"
    ),
    "block scalar of blank lines": run("services: {}\nx-a: |\n", "\n", "\nx-a: b\n"),
    "carriage returns": run("services: {}", "\r", "x-a: 1\nx-a: 2"),
    "comments": one("services: {}\n", "# more"),
    "control characters": run("services: {", "\x07"),
    "dashes": run("", "- "),
    "deep mapping": lambda size: {MAIN: "\n".join(" " * n + "a:" for n in range(700)) + "\n"},
    "documents": one("", "---\nx-#: 1"),
    "documents of services": one("", "---\nservices: {a: {image: x, environment: [A#=b]}}"),
    "duplicate keys": one("services: {}\n", "x-a: #"),
    "duplicate keys in a flow": one("services: {}\nx-a: {", "a: #", "}\n", ", "),
    "empty keys": one("services:\n  a:\n", "    : #"),
    "escapes": run('services: {a: {image: "', "\\x41", '"}}'),
    "flow brackets": run("a: ", "["),
    "flow brackets and braces": run("a: ", "[{a: "),
    "flow pairs": one("services: {}\nx-a: [", "a: b", "]\n", ", "),
    "flow sequence": one("services: {}\nx-a: [", "#", "]\n", ", "),
    "keys that are lists": one("services:\n", "  ? [a, b]\n  : #"),
    "long key": run("services:\n  a", "a", ": {image: x}\n"),
    "long line of faults": one("services: {a: {image: x, ", "k#: 1", "}}\n", ", "),
    "long plain scalar over lines": run("services: {a: {image: x\n", "   x\n", "}}"),
    "long scalar": run("services: {a: {image: ", "x", "}}"),
    "merge keys": _merge_bomb,
    "merge list": _merge_list,
    "merge nested": one("services: {}\nx-a0: &a0 {a: b}\n", "x-a#: &b# {<<: *a0, <<: *a0, k#: v}"),
    "not UTF-8": lambda size: {MAIN: b"\xff\xfe" * (size // 2)},
    "late not UTF-8": lambda size: {MAIN: b"# x\n" * (size // 4) + b"\xff"},
    "UTF-16": lambda size: {MAIN: ("services: {}\n" * (size // 26)).encode("utf-16")},
    "null bytes": lambda size: {MAIN: bytes(size)},
    "question marks": run("services: {}\nx-a:\n", " ? "),
    "quotes without end": run("services: {a: {image: '", "x\n "),
    "resets": _resets,
    "tabs": run("services:\n", "\t"),
    "tags": one("services: {}\n", "x-#: !t#  v"),
    "tag directives": one("", "%TAG !t#! tag:#:", "\n---\nservices: {}\n"),
    "timestamps": one(SERVICE, "    key#: 2020-01-01 10:10:10.#"),
    "unknown escape": run('a: "', "\\q"),
    "wide characters": run("services:\n  web:\n    日", "本", ": 3\n"),
    # numbers
    "long numbers": run("services: {a: {image: x, scale: ", "9", "}}"),
    "long size": run("services: {a: {image: x, mem_limit: ", "9", "g}}"),
    "long fraction": run("services: {a: {image: x, mem_limit: 1.", "9", "g}}"),
    "long hexadecimal": run("services: {a: {image: x, scale: 0x", "f", "}}"),
    "long octal": run("services: {a: {image: x, scale: 0o", "7", "}}"),
    "long underscores": run("services: {a: {image: x, scale: 1", "_", "}}"),
    "long float": run("services: {a: {image: x, cpus: 1.", "1", "}}"),
    "long exponent": run("services: {a: {image: x, cpus: 1e", "9", "}}"),
    "exponent in quotes": lambda size: {MAIN: "services: {a: {image: x, cpus: '1e999999999'}}"},
    "small exponent": lambda size: {MAIN: "services: {a: {image: x, cpus: '1e-999999999'}}"},
    "long cpus in quotes": run("services: {a: {image: x, cpus: '", "9", "'}}"),
    "many exponents": one("services: {}\nx-a:\n", "  - 1e99999#"),
    "durations": run(SERVICE + "    stop_grace_period: ", "1s"),
    "duration of digits": run(SERVICE + "    stop_grace_period: ", "9", "s"),
    "duration of dots": run(SERVICE + "    stop_grace_period: ", "."),
    "duration without unit": run(SERVICE + "    stop_grace_period: 1s", "1"),
    "duration of a probe": run(SERVICE + "    x-readiness: {listening: true, timeout: ", "9", "}"),
    "mode": run(SERVICE + "    configs: [{source: c, mode: '", "7", "'}]\nconfigs: {c: {content: x}}"),
    "gpu count": run(SERVICE + "    gpus: [{count: '", "9", "'}]"),
    # variables
    "broken templates": one("services: {}\nx-a:\n", "  - ${V#"),
    "nest of defaults": _nest,
    "nests of defaults": _nests,
    "dollars": run("services: {a: {image: '", "$", "'}}"),
    "open braces": run("services: {a: {image: '", "${a", "'}}"),
    "open defaults": run("services: {a: {image: '", "${a:-", "'}}"),
    "closed defaults": run("services: {a: {image: '", "${a:-b}", "'}}"),
    "closing braces": run("services: {a: {image: '${a:-", "}", "'}}"),
    "required variables": one("services: {}\nx-a:\n", "  - ${V#:?no}"),
    "unset variables": one("services: {}\nx-a:\n", "  - $V#"),
    "unset variables in one string": run("services: {a: {image: '", "$a$b$c", "'}}"),
    "long variables": _long_variables,
    # attributes
    "bad references": one("services:\n", "  s#: {image: x, networks: [n#]}"),
    "names with near matches": _near,
    "services": one("services:\n", "  s#: {image: x}"),
    "services of nothing": one("services:\n", "  s#: {}"),
    "services of one container name": one("services:\n", "  s#: {image: x, container_name: abc}"),
    "services of one port": one("services:\n", "  s#: {image: x, ports: ['80:80']}"),
    "services of words": one("services:\n", "  s#: {image: x, pull_policy: nevr}"),
    "wrong types": one("services:\n", "  s#: []"),
    "unknown keys": one(SERVICE, "    key#: 1"),
    "unknown keys alike": one(SERVICE, "    environmen#: 1"),
    "unknown keys, long": one(SERVICE, "    " + "environment" * 8 + "#: 1"),
    "unknown keys in probes": one(SERVICE + "    x-readiness:\n", "      listenin#: true"),
    "unknown sections": one("services: {}\n", "servics#: {}"),
    "unknown services": one(SERVICE + "    depends_on:\n", "      - s#"),
    "edges twice": one(SERVICE + "    depends_on:\n", "      - b", "\n  b: {image: x}\n"),
    "edges to oneself": one("services:\n", "  s#: {image: x, depends_on: [s#]}"),
    "edges of all to all": halves(
        SERVICE + "    depends_on: [", "s#", "]\n", "  s#: {image: x}", separator=",\n  "
    ),
    "one chain": one("services:\n", "  s#: {image: x, links: [s1#]}"),
    "command": run(SERVICE + "    command: ", "x"),
    "command of words": run(SERVICE + "    command: ", "x "),
    "command of quotes": run(SERVICE + "    command: >-\n      ", "''"),
    "command of backslashes": run(SERVICE + "    command: >-\n      ", "\\x"),
    "configs twice": one(SERVICE + "    configs:\n", "      - c"),
    "devices": one(SERVICE + "    devices:\n", "      - /dev/a#:/dev/a:rwm:x"),
    "dns": one(SERVICE + "    dns:\n", "      - 1.1.1.#"),
    "environment": one(SERVICE + "    environment:\n", "      K#: v"),
    "environment list": one(SERVICE + "    environment:\n", "      - K#=v"),
    "environment list of one": one(SERVICE + "    environment:\n", "      - K=v"),
    "expose": one(SERVICE + "    expose:\n", "      - '1-6553#'"),
    "extends in a chain": _extends_chain,
    "extends of one": _extends_fan,
    "extends of another file": _extends_files,
    "extends of itself": one("services:\n", "  s#: {extends: s#}"),
    "extends of nothing": one("services:\n", "  s#: {extends: service-#}"),
    "extra hosts": one(SERVICE + "    extra_hosts:\n", "      - h#=1.1.1.1"),
    "extra hosts of one": run(SERVICE + "    extra_hosts: ['h=1.1.1.1", ",1.1.1.1", "']"),
    "healthchecks": one("services:\n", "  s#: {image: x, healthcheck: {test: [x], interval: 1x}}"),
    "image names": run("services: {a: {image: ", "a/", "}}"),
    "labels": one(SERVICE + "    labels:\n", "      - a.b.c#=v"),
    "links": one(SERVICE + "    links:\n", "      - s#:a"),
    "long container name": run(SERVICE + "    container_name: ", "a", "/"),
    "long pull policy": run(SERVICE + "    pull_policy: every_", "1d", "x"),
    "long service name": lambda size: {MAIN: "services: {a: {image: x, depends_on: ['" + "b" * size + "']}}"},
    "networks": one("services: {a: {image: x}}\nnetworks:\n", "  n#: {ipam: {config: [{subnet: 10.0.0.#}]}}"),
    "networks of a service": one(SERVICE + "    networks:\n", "      n#: {aliases: [a]}"),
    "pools laid over pools": _pools,
    "ports": one(SERVICE + "    ports:\n", "      - '#:80'"),
    "port ranges": one(SERVICE + "    ports:\n", "      - '1-6553#'"),
    "port ranges, wide": one(SERVICE + "    ports:\n", "      - '1-65535:1-65535'"),
    "port ranges of services": one("services:\n", "  s#: {image: x, ports: ['1-65535:1-65535']}"),
    "port text": run(SERVICE + "    ports: ['", "1:", "80']"),
    "port of brackets": run(SERVICE + "    ports: ['", "[", "]:80:80']"),
    "profiles": one(SERVICE + "    profiles:\n", "      - p#"),
    "tmpfs": one(SERVICE + "    tmpfs:\n", "      - /a#"),
    "ulimits": one(SERVICE + "    ulimits:\n", "      u#: {soft: 1}"),
    "volumes": one(SERVICE + "    volumes:\n", "      - v#:/d#"),
    "volumes on one place": one(SERVICE + "    volumes:\n", "      - v#:/d"),
    "volume of colons": run(SERVICE + "    volumes: ['", "a:", "']"),
    "volume of slashes": run(SERVICE + "    volumes: ['", "/", ":/a']"),
    "volume of dots": run(SERVICE + "    volumes: ['./", "../", ":/a']"),
    "path of dots": run(SERVICE + "    env_file: ", "../", "a"),
    "probes": one(SERVICE + "    x-readiness:\n", "      - tcp: #"),
    "probe regex": run(SERVICE + "    x-readiness: {log: '", "(", "'}"),
    "probe regex of stars": run(SERVICE + "    x-readiness: {log: '", "(a*)*", "'}"),
    "probe regex of repeats": run(SERVICE + "    x-readiness: {log: '", "a{60000}", "'}"),
    "probe address": run(SERVICE + "    x-readiness: {http: 'http://", "a:", "/'}"),
    "probe ports": one(SERVICE + "    x-readiness: {listening: [", "#", "]}\n", ","),
    "externals": one(SERVICE + "x-zun:\n  externals:\n", "    e#: {tcp: 'a:1'}"),
    "words of ours": one(SERVICE + "x-zun:\n", "  key#: 1"),
    "hosts laid over hosts": _layers,
    # other files
    "includes of includes": _includes,
    "includes in a chain": _include_chain,
    "includes of one": _include_same,
    "includes of one with variables": _include_variants,
    "includes of one in folders": _include_folders,
    "includes of nothing": one("include:\n", "  - i#.yaml", "\nservices: {}\n"),
    "env files of one": _env_files,
    "env files of nothing": one(SERVICE + "    env_file:\n", "      - e#.env"),
    "env variables that double": _env_doubling,
    "env lines": beside("e.env", "A=b\n", ", env_file: e.env"),
    "env lines without a name": beside("e.env", "=b\n", ", env_file: e.env"),
    "env lines with faults": beside("e.env", "A b\n", ", env_file: e.env"),
    "env quotes": beside("e.env", "A='b\n", ", env_file: e.env"),
    "env quotes in one": beside("e.env", "\\'", ", env_file: e.env", "\nA='" + "\\'" * 60_000),
    "env backslashes": lambda size: {
        MAIN: "services: {a: {image: x, env_file: e.env}}",
        "e.env": 'A="' + "\\" * (size // 2) + '"' * (size // 2),
    },
    "env backslashes and quotes": lambda size: {
        MAIN: "services: {a: {image: x, env_file: e.env}}",
        "e.env": 'A="' + '\\\\\\"' * (size // 4),
    },
    "env variables": beside("e.env", "A=$B${C:-${D}}\n", ", env_file: e.env"),
    "env faults in variables": beside("e.env", "A=${\n", ", env_file: e.env"),
    "env blanks": beside("e.env", "A= \t \n", ", env_file: e.env"),
    "env one long line of blanks": beside("e.env", " ", ", env_file: e.env", "A=b"),
    "env long value of blanks": lambda size: {
        MAIN: "services: {a: {image: x, env_file: e.env}}",
        "e.env": "A=b" + " " * size + "c #",
    },
    "env comments": beside("e.env", "A=b #", ", env_file: e.env"),
    "env raw": beside("e.env", "A=b\n", ", env_file: [{path: e.env, format: raw}]"),
    "env raw without names": beside("e.env", "=\n", ", env_file: [{path: e.env, format: raw}]"),
    "label file": beside("e.env", "a.b=c\n", ", label_file: e.env"),
}


def files(name: str, size: int = SIZE) -> Files:
    """Return the files of one idea."""
    return Files(HOSTILE[name](size))
