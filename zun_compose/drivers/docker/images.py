"""Images: look, pull with progress, build, remove."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from zun_compose.container import ImageSeen
from zun_compose.driver import PullProgress
from zun_compose.drivers.docker import observe
from zun_compose.drivers.docker.context import context_of, query
from zun_compose.drivers.docker.errors import from_words, translated
from zun_compose.drivers.docker.transport import Stream
from zun_compose.drivers.docker.wire import Part, chunks, quoted
from zun_compose.errors import NotFound, Rejected
from zun_compose.model import Build

# seconds without a word after which a pull counts as stuck; a build step may be silent for much longer
PULL_SILENCE = 300.0
BUILD_SILENCE = 3600.0
# at most so often is progress reported
BEAT = 0.1

_FETCHED = ("Download complete", "Pull complete", "Already exists", "Verifying Checksum", "Extracting")


class Images(Part):
    """Images over one wire; registry credentials come from the Docker CLI's configuration."""

    def image(self, reference: str) -> ImageSeen | None:
        """The local image of a reference or id."""
        doing = f'inspect image "{reference}"'
        try:
            reply = self._wire.json("GET", f"/images/{_path(reference)}/json", doing=doing)
        except NotFound:
            return None
        return observe.image(reply, reference)

    def images(self) -> Mapping[str, str]:
        """All local references to ids, those by digest too."""
        reply = self._wire.json("GET", "/images/json", doing="list the images")
        found: dict[str, str] = {}
        for item in reply:
            for name in [*(item.get("RepoTags") or ()), *(item.get("RepoDigests") or ())]:
                if "<none>" not in name:
                    found[name] = str(item["Id"])
        # Podman prints names in full
        for name, known in list(found.items()):
            for host in ("localhost/", "docker.io/library/", "docker.io/"):
                if name.startswith(host):
                    found.setdefault(name.removeprefix(host), known)
        return found

    def save_image(self, reference: str) -> Iterator[bytes]:
        """Yield the archive of an image."""
        doing = f'save image "{reference}"'
        stream = self._wire.stream("GET", f"/images/{_path(reference)}/get", doing=doing)
        return chunks(stream, doing)

    def pull(self, reference: str, platform: str | None, progress: Callable[[PullProgress], None]) -> None:
        """Pull it from its registry."""
        doing = f'pull image "{reference}"'
        with translated(doing):
            from zun_compose.drivers.docker.credentials import credentials

            repository, tag = _parts(reference)
            headers = credentials(repository)
        parameters = {"fromImage": repository, "tag": tag}
        if platform:
            parameters["platform"] = platform
        stream = self._wire.stream(
            "POST",
            "/images/create",
            doing=doing,
            parameters=parameters,
            headers=headers,
            timeout=PULL_SILENCE,
        )
        tally = Tally(reference, progress)
        for news in _told(stream, doing):
            tally.take(news)
        tally.end()

    def build(
        self, tag: str, build: Build, labels: Mapping[str, str], progress: Callable[[str], None]
    ) -> str:
        """Build with the engine's classic builder and tag the result."""
        doing = f'build image "{tag}"'
        hide = [value for value in build.args.values() if value]
        parameters = query(tag, build, labels)
        with translated(doing, hide):
            from zun_compose.drivers.docker.credentials import all_credentials

            headers = all_credentials()
            context = context_of(build)
        if context is not None:
            headers["Content-Type"] = "application/x-tar"
        try:
            stream = self._wire.stream(
                "POST",
                "/build",
                doing=doing,
                parameters=parameters,
                data=context,
                headers=headers,
                timeout=BUILD_SILENCE,
                hide=hide,
            )
            image = ""
            for news in _told(stream, doing, hide):
                image = str((news.get("aux") or {}).get("ID") or image)
                for line in _lines(news):
                    progress(line)
        finally:
            if context is not None:
                context.close()
        return self._tagged(image or tag, tag, build)

    def _tagged(self, image: str, tag: str, build: Build) -> str:
        """Give the further tags that a build asks for; returns the image's id."""
        for other in build.tags:
            repository, name = _parts(other)
            self._wire.call(
                "POST",
                f"/images/{_path(image)}/tag",
                doing=f'tag image "{tag}" as "{other}"',
                parameters={"repo": repository, "tag": name},
            )
        if image.startswith("sha256:"):
            return image
        seen = self.image(image)
        if seen is None:
            raise Rejected(f'cannot build image "{tag}": the engine does not know its result')
        return seen.id

    def remove_image(self, reference: str) -> None:
        """Remove a reference, and the image with its last one."""
        try:
            self._wire.call("DELETE", f"/images/{_path(reference)}", doing=f'remove image "{reference}"')
        except NotFound:
            return


class Tally:
    """Adds up what a pull tells of each layer."""

    def __init__(self, reference: str, progress: Callable[[PullProgress], None]) -> None:
        self._reference = reference
        self._progress = progress
        self._layers: dict[str, tuple[int, int]] = {}
        self._status = "Pulling"
        self._next = 0.0

    def take(self, news: Mapping[str, Any]) -> None:
        """Take one message in, and report if it is time."""
        status = str(news.get("status") or "")
        layer = str(news.get("id") or "")
        detail: Mapping[str, Any] = news.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
        elif status.startswith(_FETCHED) and layer in self._layers:
            total = self._layers[layer][1]
            self._layers[layer] = (total, total)
        if status:
            # the last words come without a layer: "Status: Downloaded newer image for ..."
            self._status = status.removeprefix("Status: ")
        now = time.monotonic()
        if now >= self._next:
            self._next = now + BEAT
            self._report()

    def end(self) -> None:
        """Report the end, whenever the last report was."""
        self._report()

    def _report(self) -> None:
        current = sum(done for done, _ in self._layers.values())
        total = sum(size for _, size in self._layers.values())
        self._progress(PullProgress(image=self._reference, status=self._status, current=current, total=total))


def _told(stream: Stream, doing: str, hide: Collection[str] = ()) -> Iterator[Mapping[str, Any]]:
    """Yield the messages of a stream; one that tells of an error raises it."""
    try:
        with translated(doing, hide):
            for line in stream.lines():
                if not line.strip():
                    continue
                news: Mapping[str, Any] = json.loads(line)
                if news.get("error"):
                    detail = news.get("errorDetail") or {}
                    raise from_words(str(detail.get("message") or news["error"]), doing, hide)
                yield news
    finally:
        stream.close()


def _lines(news: Mapping[str, Any]) -> Iterator[str]:
    if news.get("stream"):
        yield from (line for line in str(news["stream"]).splitlines() if line.strip())
    elif news.get("status") and not news.get("progressDetail"):
        layer = f"{news['id']}: " if news.get("id") else ""
        yield f"{layer}{news['status']}"


def _parts(reference: str) -> tuple[str, str]:
    """Return the repository, and the digest or tag; a colon before the last slash is a registry's port."""
    repository, at, digest = reference.rpartition("@")
    if at:
        return repository, digest
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, "latest")


def _path(reference: str) -> str:
    return "/".join(quoted(part) for part in reference.split("/"))
