"""Made-up input to the loader, interpolation, merging and env files: read or refused, at once, nothing kept.

At full size 100,000 inputs in all: none ends in an error that is not ours, none takes more than a second of
work, and memory stays where it was after the first thousand. What the inputs look like is said here; what is
done with them, in another process, in targets.py. `scripts/fuzz.py` feeds the same targets by coverage.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.conftest import SOAK
from tests.property.targets import SECRET, TARGETS, Verdict
from tests.property.test_parse import KEYS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 1.0
GROWTH = 20 * 1024 * 1024
SETTLED = 1000
BATCH = 500

# fmt: off
SCALARS = (
    "x", "1", "-1", "0x1f", "0o17", "1e9", "1e999", ".inf", ".nan", "~", "", "true", "yes", "2020-01-01",
    "80:80", "1-3:1-3", "a:/b:ro", "./a:/b", "1m30s", "512m", "$A", "${A}", "${A:-b}", "${A:?no}",
    "${N}", "${",
    "$$", "}", "'", '"', "'x'", '"\\x1b"', "|", ">-", "*x", "&x", "&x y", "&x {a: b}", "&x [a]",
    "<<", "!reset",
    "!override []", "!!int 3", "!t", "[]", "{}", "[a, b]", "{a: b}", "[*x]", "{<<: *x}", "[[[[]]]]",
    "{b: {condition: service_started}}", "service_healthy", "b", "c", "[b]", "[b, b]", "service:b", "a=b",
    "[A=b, A]", "{A: 1, A: 2}", "/a/../b", "~/x", "listening", "{tcp: 80}", "[{log: '('}]", "日本",
    "\t", "#", "@",
    "%", "`", "\u2028", "\ufeff", "x" * 300,
)
RAW = (
    "\n", "\t", "---\n", "...\n", "? a\n", ": b\n", "- c\n", "{", "}", "[", "]", "services:\n", "  c: *x\n",
    "%YAML 1.1\n", "  b: {image: x}\n", "volumes: {data: }\n", "networks:\n  front:\n", "include: [i.yaml]\n",
    "  - i.yaml\n", "x-a: &x {image: x}\n", "x-zun: {gate: ready}\n", "name: ${A}\n",
    "    <<: *x\n", "\xff", "\x00",
    "\u2029", "\r",
)
DOLLARS = (
    "$", "{", "}", "A", "B", "N", ":", "-", "+", "?", "${A", "${B:-", "$$", " ", "\n", "é", "1", "_",
)
ASSIGNMENTS = (
    "A", "B", "=", "=", "\n", "\n", "'", '"', "\\", "$", "${A", "}", " ", "#", "export ", "\t",
    "\r\n", ":", "é",
    "a b", "\\n", "\x00", "[0]", "\ufeff", "\u2028", "$A$A",
)
# fmt: on
HEADS = (
    "services:\n  a:\n    image: x\n",
    "services:\n  b: {image: x}\n  a:\n",
    "",
    "services: {a: {image: x}}\n",
)

ENTRIES = st.builds(
    "{}{}: {}\n".format,
    st.sampled_from(("    ", "    ", "    ", "      ", "  ", "")),
    st.sampled_from((*KEYS, "a", "b", "<<", "x-a", "x-readiness", "''", "1")),
    st.sampled_from(SCALARS),
)
HIDDEN = st.sampled_from(
    (
        f"    environment: {{A: {SECRET}}}\n",
        f"    environment:\n      - A={SECRET}\n",
        f"    environment: &x [A={SECRET}, {SECRET}]\n",
        f"x-b: {SECRET}\n",
        f"    command: {SECRET}\n",
        f"configs: {{c: {{content: {SECRET}}}}}\n",
        f"    image: '${{A:-{SECRET}}}'\n",
    )
)
LINES = st.one_of(ENTRIES, ENTRIES, ENTRIES, st.sampled_from(RAW), HIDDEN)
YAML = st.builds(
    lambda head, lines: (head + "".join(lines)).encode("utf-8", "surrogatepass"),
    st.sampled_from(HEADS),
    st.lists(LINES, max_size=8),
)
TEMPLATES = st.lists(st.sampled_from(DOLLARS), max_size=25).map("".join)
ENV = st.lists(st.sampled_from(ASSIGNMENTS), max_size=30).map(lambda parts: "".join(parts).encode())

INPUTS: dict[str, st.SearchStrategy[Any]] = {
    "loader": st.fixed_dictionaries(
        {"compose.yaml": YAML},
        optional={
            "compose.override.yaml": YAML,
            ".env": ENV,
            "i.yaml": YAML,
            "b": st.one_of(YAML, ENV, st.binary(max_size=30)),
        },
    ),
    "interpolation": TEMPLATES,
    "merging": st.tuples(YAML, YAML),
    "env": st.one_of(ENV, st.binary(max_size=60)),
}


class Victim:
    """The process under test."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.property.targets"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.fed = 0

    def feed(self, name: str, given: Any) -> Verdict:
        """Have one input judged; fails if the process does not live through it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump((name, given), self.process.stdin)
        self.process.stdin.flush()
        self.fed += 1
        return Verdict(*pickle.load(self.process.stdout))

    def close(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture
def victim() -> Iterator[Victim]:
    made = Victim()
    yield made
    made.close()


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.timeout(3600 if SOAK else 120)
def test_any_input_is_read_or_refused_at_once_and_leaves_nothing(
    name: str, victim: Victim, size: Callable[[int, int], int]
):
    assert set(INPUTS) == set(TARGETS)
    total = size(200, 25_000)
    settled = 0
    resident = 0
    # In batches: one long search would remember all it has tried.
    for number in range(max(1, total // BATCH)):

        @seed(number)
        @settings(
            max_examples=min(BATCH, total),
            database=None,
            derandomize=False,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(INPUTS[name])
        def batch(given: Any) -> None:
            nonlocal settled, resident
            verdict = victim.feed(name, given)
            assert not verdict.broken, verdict.broken
            assert verdict.seconds < SECONDS, f"{verdict.seconds:.1f} s"
            resident = verdict.resident
            settled = resident if victim.fed <= SETTLED else settled

        batch()
    assert victim.fed >= total * 9 // 10
    assert resident - settled <= GROWTH, f"{(resident - settled) / 1024 / 1024:.1f} MiB more"


@pytest.mark.parametrize("name", TARGETS)
def test_the_guided_search_runs_where_atheris_is(name: str, size: Callable[[int, int], int], tmp_path: Path):
    runs = size(200, 20_000)
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "fuzz.py", name, f"-runs={runs}", "-seed=1", "-max_len=400"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if find_spec("atheris") is None:
        assert (ran.returncode, ran.stdout) == (77, "skipped: atheris is not installed\n")
        pytest.skip("atheris is not installed")
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert f"Done {runs} runs" in ran.stderr
