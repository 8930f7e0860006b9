"""Base URLs as people write them, made into the one form that the adapters use."""

from __future__ import annotations

import re

from ei.providers.base import Endpoint


class BadAddressError(ValueError):
    """str() says in a few words what is wrong with the address; it never repeats it."""


def normal_url(text: str, endpoint: Endpoint) -> str:
    """The base URL without a slash at its end, completed by what this provider's addresses need.

    `host:port` without a scheme is http; 0.0.0.0 (what a server listens on) becomes 127.0.0.1; local servers
    get `/v1` where no path was given, Ollama its port, Azure `/openai/v1`; Anthropic's SDK adds `/v1` itself.
    Raises BadAddressError.
    """
    url = text.strip().strip("\"'").strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        url = complete_host(url) if endpoint.wire == "ollama" else f"http://{url}"
    scheme, host, port, path = split(url)
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    path = path.rstrip("/")
    if endpoint.wire == "ollama":
        path = path.removesuffix("/api")  # of the addresses in its documentation
    if not path and (endpoint.local or endpoint.wire == "ollama"):
        path = "/v1"
    elif not path and endpoint.name == "azure":
        path = "/openai/v1"
    elif endpoint.wire == "anthropic":
        path = path.removesuffix("/v1")
    return f"{scheme}://{join(host, port)}{path}"


def split(url: str) -> tuple[str, str, int | None, str]:
    """(scheme, host without brackets, port, path). Raises BadAddressError."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadAddressError("it is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise BadAddressError("it must begin with http:// or https://")
    if not host or re.search(r"[\s\x00-\x1f\\]", url):
        raise BadAddressError("it is not a URL")
    if parts.username is not None or parts.password is not None:
        raise BadAddressError("it must not hold a user name or password; send a header instead")
    if parts.query or parts.fragment:
        raise BadAddressError("it must not have a query (?…) or a fragment (#…)")
    return parts.scheme, host, port, parts.path


def join(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def complete_host(text: str) -> str:
    """OLLAMA_HOST without a scheme (`host`, `host:port`, `:port`, `[::1]`), with Ollama's own port 11434."""
    host, slash, path = text.partition("/")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    elif host.startswith(":"):
        host = f"127.0.0.1{host}"
    if not re.search(r":\d+\Z", host) or host.endswith("]"):
        host = f"{host}:11434"
    return f"http://{host}{slash}{path}"


def is_loopback(url: str) -> bool:
    """Whether the address is this machine."""
    try:
        host = split(url)[1]
    except BadAddressError:
        return False
    return host in ("localhost", "::1") or host.endswith(".localhost") or bool(re.fullmatch(r"127(\.\d+){3}", host))
