"""What every call has: the microversion negotiated, timeouts, retries, and no body in the log."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions as ksa
from openstack import proxy

from zun_compose.openstack import errors, microversions, retrying
from zun_compose.openstack.microversions import Microversion, Offer

if TYPE_CHECKING:
    from requests import Response

_LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0

# Zun itself waits 60 s for its compute service: give up later than it does, and so get its answer.
READ_TIMEOUT = 75.0


class ZunSession(proxy.Proxy):
    """The SDK's Proxy, speaking as Zun wants it; `timeouts` and `retries` may be set on one Proxy."""

    api_version = "1"

    # Zun's discovery lies at its root and names no service type: the catalog's URL is used as it is.
    skip_discovery = True

    timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT)
    """Seconds to connect, and seconds without a byte of the answer."""

    retries: retrying.RetryPolicy = retrying.RetryPolicy()

    _offer: Offer | None = None
    _sleep: Callable[[float], None] = staticmethod(time.sleep)

    def request(self, url: str, method: str, *args: Any, **kwargs: Any) -> Response:
        """Send a request and return the answer, also one that is an error.

        Raises:
            AuthenticationFailed: Keystone gave no token.
            CallTimeout: No answer in time, after the retries.
            Unreachable: No connection, or one that broke, after the retries.
        """
        kwargs.setdefault("timeout", self.timeouts)
        # keystoneauth would repeat a POST as well.
        kwargs.update(connect_retries=0, status_code_retries=0)
        kwargs.setdefault("microversion_service_type", microversions.SERVICE_WORD)
        # It would log bodies, and with them environments and passwords.
        kwargs.setdefault("log", False)
        # It would not tell a Keystone that fails from a Zun that does.
        kwargs["allow_reauth"] = False
        # Methods of one super() are not found inside a nested function's frame without its arguments.
        sent = super().request
        began = time.monotonic()
        try:
            response = retrying.send(
                self.retries,
                method,
                lambda: self._authenticated(lambda: sent(url, method, *args, **kwargs)),
                self._sleep,
            )
        except ksa.ConnectionError as error:
            raise errors.silence(error, method, url) from None
        _LOG.debug(
            "%s -> %d in %.3f s, %s",
            errors.place_of(method, url),
            response.status_code,
            time.monotonic() - began,
            response.headers.get("x-openstack-request-id", "no request id"),
        )
        return response

    def _authenticated(self, call: Callable[[], Response]) -> Response:
        """Make a call with a token, and once more with a fresh one where Zun finds that one expired."""
        self._get_token()
        response = call()
        if response.status_code == 401 and self.invalidate():
            self._get_token()
            response = call()
        return response

    def _get_token(self) -> None:
        """Have a token at hand, fetched only where there is none or it is about to expire."""
        for pause in (*map(self.retries.before, range(self.retries.tries - 1)), None):
            try:
                self.get_token()
            except ksa.ClientException as error:
                if pause is None or not retrying.may_pass(error):
                    raise errors.no_token(error) from None
                self._sleep(pause)
            else:
                return

    def get_microversions(self) -> Offer:
        """Return the microversions in force: lowest and highest.

        They are the server's, asked for once, cut to 1.40 and to the Connection's
        `container_default_microversion`, if it has one.

        Raises:
            ServiceError: The service's root did not say.
        """
        if self._offer is None:
            offer = self._ask_offer().cut(microversions.NEWEST)
            if self.default_microversion:
                offer = offer.cut(Microversion.parse(self.default_microversion))
            self._offer = offer
        return self._offer

    def _ask_offer(self) -> Offer:
        # The catalog comes with it.
        self._get_token()
        endpoint = self.get_endpoint() or ""
        root = re.sub(r"/v1(\.\d+)?/*$", "", endpoint).rstrip("/") + "/"
        response = self.request(root, "GET", endpoint_override=root, microversion=None)
        errors.raise_for(response)
        offer = microversions.read_offer(errors.body_of(response))
        if offer is None:
            raise errors.ServerFault(
                f"{errors.place_of('GET', root)}: this is not the root of a Zun", response
            )
        return offer

    def choose_microversion(
        self, what: str, since: str = "1.1", until: str | None = None, *, instead: str = ""
    ) -> str:
        """Return the newest microversion in force that has a call; see Offer.choose.

        Raises:
            MicroversionNotSupported: None in force has it.
        """
        return self.get_microversions().choose(what, since, until, instead=instead)
