"""Who holds a TCP port that the platform would listen on."""

import errno
import socket
from contextlib import suppress

import psutil

from groundswell.core.errors import ConfigError


def port_taken(port: int, host: str = "127.0.0.1") -> ConfigError | None:
    """Why the platform cannot listen there, with the process that holds the port; None if it can."""
    if port == 0 or (failure := _bind_failure(host, port)) is None:
        return None
    if failure.errno == errno.EADDRINUSE:
        message = f"Port {port} is held by {port_holder(port)}."
        return ConfigError("port_taken", message, f"Choose another: --port {_free_after(port, host)}", port=port)
    if failure.errno == errno.EACCES:
        return ConfigError("port_not_allowed", f"Port {port} is for root only.", "Choose another: --port 8080")
    return ConfigError("bad_address", f"Nothing can listen on {host}: {failure.strerror}.", "Check gateway.host.")


def port_holder(port: int) -> str:
    """The process that listens on a port, as a phrase: `nginx (pid 12)`."""
    try:
        listeners = [c for c in psutil.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN]
    except psutil.AccessDenied:  # macOS tells it only to root
        listeners = []
    for listener in listeners:
        if listener.laddr and listener.laddr.port == port and listener.pid:
            with suppress(psutil.Error):
                return f"{psutil.Process(listener.pid).name()} (pid {listener.pid})"
    return "a process that only root may see (as root: `ss -ltnp`)"


def _free_after(port: int, host: str) -> int:
    candidates = range(port + 1, min(port + 100, 65536))
    return next((candidate for candidate in candidates if _bind_failure(host, candidate) is None), 0)


def _bind_failure(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None
