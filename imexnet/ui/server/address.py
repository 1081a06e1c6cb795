"""Who a request comes from: the visitor's address, whatever proxies stand between."""

import ipaddress
import os
from collections.abc import Iterator, MutableMapping
from functools import lru_cache
from typing import Any

from starlette.datastructures import Headers

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

PRIVATE = (
    "127.0.0.0/8, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 100.64.0.0/10, "
    "::1, fe80::/10, fc00::/7"
)
"""Networks that no visitor from outside comes from, so that a peer there may be a proxy."""

PREFIX = 64  # bits of an IPv6 address that tell visitors apart; the others they choose themselves


def visitor(scope: MutableMapping[str, Any]) -> str:
    """The address that a request comes from: IPv4, or the /64 network of IPv6.

    Each proxy appends to `X-Forwarded-For` whom it was asked by; what stands before that can be
    made up by the visitor. `IMEXNET_PROXIES` names the proxies: the last address that is none of
    them is the visitor's. If it is not set, a peer with a private address counts as the only
    proxy, and the last address is the visitor's. On a Space all private addresses are proxies.
    """
    peer = _peer(scope)
    address, named = parse(peer), _named()
    if address and not _within(address, _networks(PRIVATE) if named is None else named):
        return _shown(address)
    hops = list(_hops(scope))
    if not hops:
        return _shown(address) if address else peer
    behind = (hop for hop in hops if named is None or not _within(hop, named))
    return _shown(next(behind, hops[0]))


def scheme(scope: MutableMapping[str, Any]) -> str:
    """`https` where the proxy says that the visitor came by it, else what the server sees."""
    address, named = parse(_peer(scope)), _named()
    proxies = _networks(PRIVATE) if named is None else named
    said = Headers(scope=scope).get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    proxied = address is None or _within(address, proxies)
    return said if proxied and said in ("http", "https") else scope.get("scheme", "http")


def parse(entry: str) -> Address | None:
    """The address in an entry of `X-Forwarded-For`, which may have quotes, brackets and a port."""
    host = entry.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def check_proxies() -> None:
    """Refuses to start with proxies that nobody can be.

    Raises:
        ValueError: names the entry of `IMEXNET_PROXIES` that is no address and no network.
    """
    _named()


def _hops(scope: MutableMapping[str, Any]) -> Iterator[Address]:
    """The addresses of `X-Forwarded-For` from the last on, up to the first that is none."""
    entries = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    for entry in filter(str.strip, reversed(entries)):
        address = parse(entry)
        if address is None:
            return
        yield address


def _peer(scope: MutableMapping[str, Any]) -> str:
    return (scope.get("client") or ("",))[0]


def _named() -> Networks | None:
    """The proxies that have been named; None if nobody has."""
    value = os.environ.get("IMEXNET_PROXIES", PRIVATE if "SPACE_ID" in os.environ else None)
    return None if value is None else _networks(value)


@lru_cache(maxsize=8)
def _networks(value: str) -> Networks:
    try:
        entries = filter(None, map(str.strip, value.split(",")))
        return tuple(ipaddress.ip_network(entry, strict=False) for entry in entries)
    except ValueError as error:
        raise ValueError(
            f"IMEXNET_PROXIES takes addresses and networks with commas between: {error}"
        ) from None


def _within(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)


def _shown(address: Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.IPv6Network((int(address), PREFIX), strict=False))
