"""Checks of URLs and redirects, and URLs without credentials for messages."""

from __future__ import annotations

import re
import urllib.request
from http.client import HTTPMessage, InvalidURL
from typing import IO
from urllib.parse import SplitResult, urlsplit

from rnaformer_cli.errors import InputError

_PORTS = {"http": 80, "https": 443}
_MAX_SHOWN = 200  # characters of a redirect's target in a message


def check_url(url: str) -> None:
    """Check that a URL can be downloaded.

    Raises:
        ValueError: not an http or https URL, or one with spaces or non-ASCII characters.
        InputError: a URL with a user name, a query or a fragment.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(url)
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or _port(parts) < 1:
        raise ValueError(url)
    if "@" in parts.netloc:
        message = "a user name in a URL is not supported"
        raise InputError(message, path=without_credentials(url))
    if "?" in url or "#" in url:
        message = "`?` and `#` in a URL are not supported"
        raise InputError(message, path=without_credentials(url))


def without_credentials(url: str) -> str:
    """The URL without user name, password and query, for messages and configs.

    A query may hold a token. If the text is not a valid URL, everything before the last `@` is
    removed, except for the scheme.
    """
    return re.split("[?#]", _without_user(url), maxsplit=1)[0]


def _without_user(url: str) -> str:
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
    """Follows redirects on the same host only, and never from https to http."""

    def redirect_request(  # the signature is urllib's
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Check the target before a request is sent to it.

        Raises:
            InputError: a redirect to another host, port or protocol.
        """
        if fault := _redirect_fault(urlsplit(req.full_url), urlsplit(newurl)):
            message = f"redirected to {fault}: {_shorten(without_credentials(newurl))}"
            raise InputError(message, path=without_credentials(req.full_url))
        fp.close()  # otherwise urllib reads the whole body of the redirect
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
    ) -> IO[bytes] | None:
        """Follow a redirect; report a target that urllib cannot parse or does not support.

        Raises:
            InputError: a redirect to another host, port or protocol, or to an invalid URL.
        """
        try:
            target = headers.get("Location", "")
            if urlsplit(target).scheme in (*_PORTS, ""):
                return super().http_error_302(req, fp, code, msg, headers)
            shown = _shorten(without_credentials(target))
            message = f"redirected to a URL that is not http or https: {shown}"
        except (ValueError, InvalidURL):
            message = "redirected to an invalid URL"
        raise InputError(message, path=without_credentials(req.full_url))

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _shorten(url: str) -> str:
    return url if len(url) <= _MAX_SHOWN else url[:_MAX_SHOWN] + "..."


def _redirect_fault(original: SplitResult, target: SplitResult) -> str | None:
    """What is wrong with a redirect, for a message; None for an allowed redirect.

    A redirect from http to https on the default ports is allowed.
    """
    if target.hostname != original.hostname:
        return "another host"
    if target.scheme not in _PORTS:
        return "a URL that is not http or https"
    if "@" in target.netloc:
        return "a URL with a user name"
    if (original.scheme, target.scheme) == ("https", "http"):
        return "plain http"
    ports = (_port(original), _port(target))
    is_upgrade = target.scheme != original.scheme and ports == (_PORTS["http"], _PORTS["https"])
    return None if is_upgrade or ports[0] == ports[1] else "another port"
