"""What each kind of complaint means, in words that go behind "because"."""

from groundswell.agents.observability.messages import Complaint


def because(complaint: Complaint) -> list[str]:
    """Wordings, most telling first; the last is one that any evidence of the kind bears."""
    host = f"`{complaint.host}:{complaint.port}`" if complaint.port else f"`{complaint.host}`"
    named = complaint.missing()
    about = f" (`{named}`)" if named else ""
    of_host = {
        "refused": [f"{host} refuses its connection", f"its connection to {host} is refused"],
        "timeout": [f"its connection to {host} times out", f"of a timeout on the way to {host}"],
        "dns": [f"the host name `{complaint.host}` does not resolve", f"the lookup of `{complaint.host}` goes wrong"],
        "reset": [f"{host} closes its connection", f"of its connection to {host}"],
        "upstream": [f"{host}, which it depends on, answers with an error", f"of what {host} answers"],
        "login": [f"{host} rejects its login", "its login is rejected"],
    }
    plain = {
        "refused": ["a connection is refused", "of a connection that is refused"],
        "timeout": ["a connection times out", "of a timeout"],
        "dns": ["a host name does not resolve", "the lookup of a host name goes wrong"],
        "reset": ["a connection is closed by the other side", "of a closed connection"],
        "upstream": ["what it depends on answers with an error", "of what it depends on"],
        "login": ["its login is rejected (credentials)", "of its credentials"],
        "throttled": ["it is throttled", "of a rate limit"],
        "rbac": ["its service account may not do that", "of the permissions of its service account"],
        "certificate": ["a certificate is refused", "of a certificate"],
        "disk": ["its disk is full", "of a full disk"],
        "read-only": ["it writes to a read-only file system", "of a read-only file system"],
        "memory": ["it runs out of memory", "of its memory"],
        "port": ["the port it wants is already in use", "of a port in use"],
        "schema": ["the database's schema is another than it expects", "of the database's schema"],
        "lease": ["it loses its leader lease, or clocks differ", "of its leader lease or a clock"],
        "limit": ["a limit on connections or open files is reached", "of a limit on connections or open files"],
        "program": ["the program it should run is wrong for it or not there", "of the program it should run"],
        "setting": [f"its configuration is wrong{about}", f"of its configuration{about}", "of its configuration"],
        "permission": ["a file permission is denied", "of a permission"],
        "file": ["a file it wants is not there", "of a file it wants to open"],
        "bug": ["its program ends on an error", "of an error in its program"],
    }
    found = list(plain.get(complaint.kind, []))
    if complaint.host and complaint.kind in of_host:
        found = [*of_host[complaint.kind], *found]
    return found
