"""Chooses free loopback ports, and the same ones again at the next start."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping, Sequence

from stack.config import LOOPBACK, PortSpec
from stack.errors import PortInUseError


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The servers set it too, so a port with old connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def accepts_connections(port: int, timeout: float = 2.0) -> bool:
    """Whether a server accepts connections on this loopback port; `timeout` in seconds."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=timeout).close()
    except OSError:
        return False
    return True


def choose(
    specs: Sequence[PortSpec],
    requested: Mapping[str, int | None],
    remembered: Mapping[str, int],
    reserved: Collection[int] = (),
) -> dict[str, int]:
    """A number for every port of `specs`.

    A requested number (other than 0) is used as it is. Otherwise the first of these that is free:
    the `remembered` one, the default (unless 0 was requested), any port; never one of `reserved`.

    Raises:
        PortInUseError: a requested port is in use; the message names the variable.
    """
    chosen: dict[str, int] = {}
    for spec in specs:
        wanted = requested.get(spec.name)
        if wanted:
            if wanted in chosen.values() or not is_free(wanted):
                raise PortInUseError(
                    f"Port {wanted}, which {spec.variable} requests, is in use; stop what uses "
                    f"it, or set {spec.variable} to another port (0 = any free one)."
                )
            chosen[spec.name] = wanted
    fixed = {port for name, port in requested.items() if port and name not in chosen}
    for spec in specs:
        if spec.name in chosen:
            continue
        candidates = [remembered.get(spec.name)]
        if requested.get(spec.name) is None:
            candidates.append(spec.default)
        avoid = {*chosen.values(), *fixed, *reserved}
        usable = (port for port in candidates if port and port not in avoid and is_free(port))
        chosen[spec.name] = next(usable, None) or _any_free(avoid)
    return {spec.name: chosen[spec.name] for spec in specs}


def _any_free(avoid: Collection[int]) -> int:
    # Rejected sockets stay bound until a usable port is found, so that the system does not return
    # the same port again.
    losers: list[socket.socket] = []
    try:
        while True:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            losers.append(probe)
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
            if port not in avoid:
                return port
    finally:
        for probe in losers:
            probe.close()
