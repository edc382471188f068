"""The words for a service's `build`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.parse.reference.wording.shared import EXTRA_HOSTS, file_mounts, ulimits

BUILD: Mapping[str, Any] = {
    "": (
        "How the image is made from source: the path of the context, or a mapping. Without an `image` the "
        "result is named after stack and service."
    ),
    "context": (
        "The folder that is sent to the builder, or the URL of a git repository. Default: the stack's folder."
    ),
    "dockerfile": "The file with the steps, relative to the context. Default: `Dockerfile`.",
    "dockerfile_inline": "The steps themselves, instead of `dockerfile`.",
    "entitlements": "Extra rights that the build may use, such as `network.host` or `security.insecure`.",
    "args": "Values for the `ARG`s of the Dockerfile. A name without a value takes it from the environment.",
    "ssh": "SSH agents or keys that steps may use: `default`, or `id=path`.",
    "labels": "Labels that the image is given.",
    "cache_from": "Images, or other sources, whose layers may be used again.",
    "cache_to": "Where layers are kept for later builds.",
    "no_cache": "Whether every step is run anew.",
    "no_cache_filter": "Stages whose steps are run anew.",
    "additional_contexts": (
        "Further contexts by name, for `FROM name` and `COPY --from=name`: a folder, a URL, "
        "`docker-image://...` or `service:NAME`."
    ),
    "network": "The network of `RUN` steps: `host`, `none`, or the name of one.",
    "provenance": "Whether, or how, an attestation of how the image was made is attached.",
    "sbom": "Whether, or how, a list of what is in the image is attached.",
    "pull": "Whether base images are pulled even where they are here already.",
    "target": "The stage of the Dockerfile that the image is made of. Default: the last.",
    "shm_size": "Size of `/dev/shm` during the build.",
    "extra_hosts": EXTRA_HOSTS,
    "isolation": "How the build is kept apart; it has a meaning on Windows only.",
    "privileged": "Whether the build runs with all privileges.",
    "secrets": file_mounts("secret", "`/run/secrets/NAME`"),
    "tags": "Further names for the image, besides `image`.",
    "ulimits": ulimits("the build"),
    "platforms": (
        "Platforms that the image is made for, such as `linux/arm64`; they must include the service's own."
    ),
}
