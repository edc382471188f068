"""What all Resource classes share: typed errors, paging, finding by name, a repr without secrets."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

from openstack import exceptions as sdk
from openstack import resource

from zun_compose.openstack import errors, secrecy
from zun_compose.openstack.session import ZunSession

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter
    from requests import Response

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_SEGMENT = re.compile(r"[^/?#%\\\s]+")

# A page's marker can be deleted between two pages; so often in one listing is no accident.
_RESTARTS = 5


def looks_like_uuid(text: str) -> bool:
    """Return whether Zun takes this for an id rather than a name."""
    return _UUID.fullmatch(text) is not None


class ZunResource(resource.Resource):
    """One kind of object that Zun has."""

    since: ClassVar[str] = "1.1"
    """The first microversion that has this kind."""

    paged: ClassVar[bool] = True
    """Whether its list takes `limit` and `marker`."""

    id: str = resource.Body("uuid", alternate_id=True)
    created_at: str = resource.Body("created_at")
    updated_at: str = resource.Body("updated_at")

    @classmethod
    def _alternate_id(cls) -> str:
        # The SDK finds it only in a class that declares `id` itself.
        return str(cls._attribute("id").name)

    @classmethod
    def _attribute(cls, name: str) -> Any:
        return next(found for attribute, found in cls._attributes_iterator() if attribute == name)

    @classmethod
    def _get_microversion(cls, session: Adapter) -> str | None:
        return ours(session).choose_microversion(cls.__name__, cls.since)

    def _translate_response(
        self,
        response: Response,
        has_body: bool | None = None,
        error_message: str | None = None,
        *,
        resource_response_key: str | None = None,
    ) -> None:
        errors.raise_for(response)
        if has_body is not False:
            # The SDK takes an answer that is none for one without news.
            errors.body_of(response)
        super()._translate_response(response, has_body, resource_response_key=resource_response_key)

    def _prepare_request(
        self,
        *,
        requires_id: bool | None = None,
        prepend_key: bool = True,
        patch: bool = False,
        base_path: str | None = None,
        params: dict[str, Any] | None = None,
        resource_request_key: str | None = None,
    ) -> Any:
        if self.requires_id if requires_id is None else requires_id:
            segment(self.id)
        return super()._prepare_request(
            requires_id=requires_id,
            prepend_key=prepend_key,
            patch=patch,
            base_path=base_path,
            params=params,
            resource_request_key=resource_request_key,
        )

    def call(
        self,
        session: Adapter,
        method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        *path: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        since: str | None = None,
        until: str | None = None,
        instead: str = "",
    ) -> Response:
        """Make a call below this object and return its answer.

        Args:
            session: The Proxy.
            method: HTTP's.
            *path: What follows the object in the path, such as "start".
            params: The query; entries that are None are left out.
            json: The body.
            since: The first microversion that has the call, if that is not the kind's.
            until: The last microversion that has it; None if it was not removed.
            instead: What to do where it is not to be had.

        Raises:
            MicroversionNotSupported: No microversion in force has the call.
            ServiceError: Zun answered with an error; see errors.
        """
        zun = ours(session)
        what = f"{type(self).__name__} {' '.join(path) or method}"
        microversion = zun.choose_microversion(what, since or self.since, until, instead=instead)
        base = self.base_path % dict(self._uri.attributes)
        response = zun.request(
            "/".join([base, segment(self.id), *path]),
            method,
            microversion=microversion,
            params=wire(params or {}),
            **({} if json is None else {"json": json}),
        )
        errors.raise_for(response)
        return response

    @classmethod
    def list(
        cls,
        session: Adapter,
        paginated: bool = True,
        base_path: str | None = None,
        allow_unknown_params: bool = False,
        *,
        microversion: str | None = None,
        headers: dict[str, str] | None = None,
        max_items: int | None = None,
        **params: Any,
    ) -> Generator[Self, None, None]:
        """Yield the objects, page after page as they are consumed.

        `limit` is the length of a page, `marker` the id after which to begin. What the server cannot
        filter by is compared here.

        Raises:
            InvalidResourceQuery: Neither the server nor the objects know that parameter.
            MicroversionNotSupported: The kind needs a newer microversion.
        """
        zun = ours(session)
        microversion = microversion or cls._get_microversion(session)
        parents = {name: params.pop(name) for name in (*params,) if name in cls._uri_mapping()}
        query, mine = cls._split(params, allow_unknown_params)
        path = (base_path or cls.base_path) % parents
        begin = query.get("marker")
        seen: set[str] = set()
        restarts = 0
        while True:
            response = zun.get(path, params=wire(query), microversion=microversion, headers=headers or {})
            if response.status_code == 404 and seen and restarts < _RESTARTS:
                # The marker was deleted meanwhile: go through it again, past what was seen.
                restarts += 1
                query["marker"] = begin
                continue
            errors.raise_for(response)
            page = errors.body_of(response)
            last = None
            for row in cls._rows(response, page):
                found = cls.existing(
                    connection=zun._get_connection(), microversion=microversion, **parents, **row
                )
                last = found.id
                if last in seen:
                    continue
                seen.add(last)
                if all(getattr(found, name) == value for name, value in mine.items()):
                    yield found
                    if max_items is not None and (max_items := max_items - 1) <= 0:
                        return
            if not (paginated and cls.paged and page.get("next") and last):
                return
            query["marker"] = last

    @classmethod
    def _rows(cls, response: Response, page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        rows = page.get(str(cls.resources_key))
        if not isinstance(rows, Sequence):
            raise errors.unreadable(response, f"lacks {cls.resources_key}")
        return rows

    @classmethod
    def _split(cls, params: dict[str, Any], lenient: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the server filters by, and what is left to us."""
        known = cls._query_mapping._mapping
        query = {name: value for name, value in params.items() if name in known and value is not None}
        rest = {name: value for name, value in params.items() if name not in known}
        attributes = {name for name, _ in cls._attributes_iterator()}
        strange = sorted(rest.keys() - attributes)
        if strange and not lenient:
            raise sdk.InvalidResourceQuery(
                f"{cls.__name__} has no {', '.join(strange)} to filter by", extra_data=strange
            )
        return query, {name: value for name, value in rest.items() if name in attributes}

    @overload
    @classmethod
    def find(
        cls,
        session: Adapter,
        name_or_id: str,
        ignore_missing: Literal[False],
        list_base_path: str | None = None,
        *,
        microversion: str | None = None,
        all_projects: bool | None = None,
        **params: Any,
    ) -> Self: ...

    @overload
    @classmethod
    def find(
        cls,
        session: Adapter,
        name_or_id: str,
        ignore_missing: bool = True,
        list_base_path: str | None = None,
        *,
        microversion: str | None = None,
        all_projects: bool | None = None,
        **params: Any,
    ) -> Self | None: ...

    @classmethod
    def find(
        cls,
        session: Adapter,
        name_or_id: str,
        ignore_missing: bool = True,
        list_base_path: str | None = None,
        *,
        microversion: str | None = None,
        all_projects: bool | None = None,
        **params: Any,
    ) -> Self | None:
        """Return the object of that name or id, freshly fetched; None if there is none and that is fine.

        Zun itself takes names in paths, but then it looks in all projects for an admin; this looks in one.

        Raises:
            AmbiguousName: Several have that name.
            NotFound: There is none, and `ignore_missing` is false.
            MicroversionNotSupported: The kind, or what was asked, needs a newer microversion.
        """
        everywhere: dict[str, Any] = {"all_projects": True} if all_projects else {}
        try:
            if looks_like_uuid(name_or_id):
                return cls._fresh(session, name_or_id, **everywhere)
        except errors.NotFound:
            pass
        if "name" in cls._query_mapping._mapping:
            params["name"] = name_or_id
        rows = cls.list(session, base_path=list_base_path, microversion=microversion, **everywhere, **params)
        matches = [row.id for row in rows if row.name == name_or_id]
        if len(matches) > 1:
            raise errors.AmbiguousName(
                f'{len(matches)} objects of kind {cls.__name__} are named "{name_or_id}": use an id'
            )
        if matches:
            try:
                return cls._fresh(session, matches[0], **everywhere)
            except errors.NotFound:
                pass
        if ignore_missing:
            return None
        raise errors.NotFound(f'no {cls.__name__} named "{name_or_id}"')

    @classmethod
    def _fresh(cls, session: Adapter, ident: str, **params: Any) -> Self:
        found = cls.new(id=ident, connection=ours(session)._get_connection())
        return found.fetch(session, **wire(params)) if cls.allow_fetch else found

    def __repr__(self) -> str:
        parts = {**self._body.attributes, **self._header.attributes, **self._uri.attributes}
        told = ", ".join(f"{name}={secrecy.shown(value, name)!r}" for name, value in parts.items())
        return f"{type(self).__module__}.{type(self).__name__}({told})"


def segment(ident: object) -> str:
    """Return a name or id that can stand in a path without leading elsewhere.

    Raises:
        InvalidRequest: It cannot; Zun has no object with such a name.
    """
    if isinstance(ident, str) and _SEGMENT.fullmatch(ident) and ident not in {".", ".."}:
        return ident
    raise sdk.InvalidRequest(f'"{ident}" is neither a name nor an id')


def ours(session: Adapter) -> ZunSession:
    """Return the Proxy that a Resource's method was given.

    Raises:
        TypeError: It is another adapter, which does not speak as Zun wants.
    """
    if not isinstance(session, ZunSession):
        raise TypeError(f"a Proxy of zun_compose.openstack is wanted, not {type(session).__name__}")
    return session


def remove(
    session: Adapter,
    resource: ZunResource,
    ignore_missing: bool,
    *,
    params: Mapping[str, Any] | None = None,
    since: str | None = None,
) -> None:
    """Have an object deleted.

    Raises:
        NotFound: There is none, and `ignore_missing` is false.
        ServiceError: Zun answered with an error; see errors.
    """
    try:
        resource.call(session, "DELETE", params=params, since=since)
    except errors.NotFound:
        if not ignore_missing:
            raise


def wire(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query as Zun reads it: truth as a word, what is None left out."""
    spelled = {True: "true", False: "false"}
    return {
        name: spelled[value] if isinstance(value, bool) else value
        for name, value in params.items()
        if value is not None
    }
