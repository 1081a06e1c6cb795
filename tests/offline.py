"""`python tests/offline.py` is `python app.py` that cannot reach any other machine, and says so."""

import ipaddress
import runpy
import socket
import sys
from pathlib import Path

OUTGOING = "tried to reach"


def local(host: object) -> bool:
    """Whether that is this machine."""
    if host in (None, "", b"", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def forbid(name: str, host_of) -> None:
    """Replaces a function of sockets by one that refuses other machines."""
    owner = socket if hasattr(socket, name) else socket.socket
    real = getattr(owner, name)

    def guarded(*given, **named):
        host = host_of(given)
        if not local(host):
            print(OUTGOING, host, file=sys.stderr, flush=True)
            raise OSError("no other machine may be reached")
        return real(*given, **named)

    setattr(owner, name, guarded)


def guard() -> None:
    """No connection to another machine, nor a question for its address, from here on."""
    forbid("getaddrinfo", lambda given: given[0])
    for name in ("connect", "connect_ex"):
        forbid(name, lambda given: given[1][0] if isinstance(given[1], tuple) else None)
    forbid("sendto", lambda given: given[-1][0] if isinstance(given[-1], tuple) else None)


if __name__ == "__main__":
    guard()
    runpy.run_path(str(Path(__file__).parents[1] / "app.py"), run_name="__main__")
