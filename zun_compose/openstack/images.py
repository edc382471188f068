"""Images that compute hosts hold."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

from openstack import resource

from zun_compose.openstack import errors
from zun_compose.openstack.resource import ZunResource, remove, wire
from zun_compose.openstack.session import ZunSession


class Image(ZunResource):
    """An image that Zun was asked to pull to a host; what containers pulled is not among them."""

    resources_key = "images"
    base_path = "/images"
    allow_create = True
    allow_fetch = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters("sort_key", "sort_dir")

    host: str = resource.Body("host")
    """The compute host that has it, or is to have it."""
    image_id: str = resource.Body("image_id")
    """The engine's id; None until it is pulled."""
    image_pull_policy: str = resource.Body("image_pull_policy")
    links: list[dict[str, str]] = resource.Body("links", type=list)
    project_id: str = resource.Body("project_id")
    repo: str = resource.Body("repo")
    """Without the tag; when asking, with it."""
    size: str = resource.Body("size")
    """Bytes, as the engine says it."""
    tag: str = resource.Body("tag")


class ImageCalls(ZunSession):
    """Images; pulling and deleting is for admins by Zun's default policy."""

    def images(self, **query: Any) -> Generator[Image, None, None]:
        """Yield images, page after page; `query` as for containers, all compared here."""
        return self._list(Image, **query)

    def get_image(self, image: str | Image) -> Image:
        """Return an image.

        Raises:
            NotFound: There is none of that id.
        """
        return self._get_resource(Image, image).fetch(self, skip_cache=True)

    def pull_image(self, repo: str, host: str) -> Image:
        """Have a host pull an image, and return it; its fetched `image_id` is None until that is done.

        If the pull fails, Zun removes the image.

        Args:
            repo: The image with its tag, or the id of one in Glance.
            host: The compute host, by name or id.

        Raises:
            BadRequest: There is no such host.
            Conflict: That image is there already.
        """
        return self._create(Image, repo=repo, host=host)

    def delete_image(self, image: str | Image, ignore_missing: bool = True) -> None:
        """Have an image deleted, from its host too; wait_for_delete tells when it is gone.

        Raises:
            NotFound: There is none, and `ignore_missing` is false.
        """
        remove(self, self._get_resource(Image, image), ignore_missing)

    def search_images(
        self,
        name: str,
        *,
        image_driver: Literal["docker", "glance"] | None = None,
        exact_match: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the images of a driver's store whose name has this in it, as that store tells of them.

        Args:
            name: A part of the name, or all of it; without a slash.
            image_driver: The store; None is Zun's default.
            exact_match: Whether the name is all of it.
        """
        image = Image.new(id=name)
        params = wire({"image_driver": image_driver, "exact_match": exact_match})
        found: list[dict[str, Any]] = errors.body_of(image.call(self, "GET", "search", params=params), list)
        return found
