"""What each kind of complaint means, in words that go behind "because"."""

from groundswell.agents.observability.messages import Complaint


def because(complaint: Complaint) -> list[str]:
    """Wordings, most telling first; the last is one that any evidence of the kind bears."""
    host = f"`{complaint.host}:{complaint.port}`" if complaint.port else f"`{complaint.host}`"
    named = complaint.missing()
    about = f" (`{named}`)" if named else ""
    if complaint.port == 53 and complaint.kind in ("timeout", "refused", "upstream"):
        return [
            f"the name server (DNS) {host} that it asks times out",
            f"of the name server (DNS) {host} that it asks",
            f"of {host}",
        ]
    of_host = {
        "refused": [f"{host} refuses its connection", f"its connection to {host} is refused"],
        "timeout": [f"its connection to {host} times out", f"of a timeout on the way to {host}"],
        "dns": [f"the host name `{complaint.host}` does not resolve", f"the lookup of `{complaint.host}` goes wrong"],
        "reset": [f"{host} closes its connection", f"of its connection to {host}"],
        "upstream": [f"{host}, which it depends on, answers with an error", f"of what {host} answers"],
        "login": [f"{host} rejects its login", "its login is rejected"],
        "memory": [f"{host} is out of memory"],
        "disk": [f"{host} is out of disk space"],
        "read-only": [f"{host} is read-only"],
        "limit": [f"{host} has given out its connections"],
        "throttled": [f"{host} throttles it (too many requests)", f"{host} limits its requests"],
        "certificate": [f"the certificate of {host} is refused", f"of the certificate of {host}"],
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
        "clock": ["clocks differ", "of a clock"],
        "slow": ["its storage answers too slowly", "of slow storage"],
        "network": ["the node's network is not as it should be", "of the node's network"],
        "lease": ["it loses its leader lease", "of its leader lease"],
        "limit": [
            "its pool of connections, or another limit, is used up",
            "a limit on connections or open files is reached",
            "of its connections: a limit or a pool of them",
        ],
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
