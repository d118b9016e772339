"""URLs of weights: what they look like in messages, and where redirects may lead."""

from __future__ import annotations

import urllib.request
from http.client import HTTPMessage
from typing import IO
from urllib.parse import SplitResult, urlsplit

from rnaformer_cli.errors import InputError

_PORTS = {"http": 80, "https": 443}


def check_url(url: str) -> None:
    """Refuse what nothing can be fetched from.

    Raises:
        ValueError: no URL of the web.
        InputError: a URL with a user name, which would not be sent.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or _port(parts) < 1:
        raise ValueError(url)
    if "@" in parts.netloc:
        message = "a user name in a URL is not supported"
        raise InputError(message, path=without_credentials(url))


def without_credentials(url: str) -> str:
    """The URL as messages and configs show it: without a user's name and password.

    What is no URL loses all before its last `@`.
    """
    if "@" not in url:
        return url
    try:
        parts = urlsplit(url)
        if parts.hostname and _port(parts):
            return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        pass
    scheme, mark, _ = url.partition("//")
    return f"{scheme}{mark}{url.rpartition('@')[2]}" if mark else url.rpartition("@")[2]


def _port(parts: SplitResult) -> int:
    return _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port


class SameHostRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the user pointed, and not to where anybody can listen."""

    def redirect_request(  # the signature is urllib's
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse before anything is sent there."""
        fault = _redirect_fault(urlsplit(req.full_url), urlsplit(newurl))
        if fault:
            message = f"redirected to {fault}: {without_credentials(newurl)}"
            raise InputError(message, path=without_credentials(req.full_url))
        fp.close()  # urllib reads the page of a redirect whole, whatever its size
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _redirect_fault(asked: SplitResult, told: SplitResult) -> str | None:
    """What is wrong with a redirect; from http to https with the usual ports is fine."""
    if told.hostname != asked.hostname:
        return "another host"
    if told.scheme not in _PORTS:
        return "what is not the web"
    if (asked.scheme, told.scheme) == ("https", "http"):
        return "plain http"
    ports = (_port(asked), _port(told))
    is_upgrade = told.scheme != asked.scheme and ports == (_PORTS["http"], _PORTS["https"])
    return None if is_upgrade or ports[0] == ports[1] else "another port"
