"""Services that listen on TCP, as `serve` starts them: no route of theirs answers whom its signer has not named."""

import re
import socket
from collections.abc import Callable, Iterator

import httpx2
import pytest

from e2e.program import Home, until
from groundswell.runtime import keys
from groundswell.runtime.discovery import discover
from groundswell.runtime.keys import CallerToken, RunToken, WorkerToken
from groundswell.runtime.service import Service
from services.test_routes import listed

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
SERVICES = ("router", "tools", "models")
TOKENS = {
    "gateway": CallerToken("local", "local", ("runs", "keys", "approve", "prune", "admin"), local=True),
    "router": RunToken("run_x", 1, "coding", "local", "local"),
    "agents": WorkerToken("w"),
}
Clients = dict[str, httpx2.Client]


@pytest.fixture
def served(homes: Callable[..., Home]) -> Iterator[tuple[Home, Clients]]:
    """A home whose inner services are a process of their own, and a client of each."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in SERVICES]
    urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in zip(SERVICES, free, strict=True)}
    for each in free:
        each.close()
    settings = {f"GROUNDSWELL_SERVICES__{name.upper()}": url for name, url in urls.items()}
    home = homes(GROUNDSWELL_EMBEDDINGS__URL="none:", **settings)
    serving = home.begin("serve", *SERVICES)
    clients = {name: httpx2.Client(base_url=url, timeout=30, trust_env=False) for name, url in urls.items()}

    def ready() -> bool:
        assert serving.poll() is None, serving.communicate()
        try:
            return all(http.get("/ready").status_code == 200 for http in clients.values())
        except httpx2.TransportError:
            return False

    until(ready, "all answer", 120)
    yield home, clients
    for http in clients.values():
        http.close()
    serving.terminate()
    serving.communicate(timeout=30)
    assert serving.returncode == 0


def test_no_inner_route_answers_a_stranger_over_tcp(served: tuple[Home, Clients]) -> None:
    home, clients = served
    ours, others = keys.load(home.data / "keys", create=False), keys.generate()
    strangers = {"nobody": "", "garbage": "garbage"}
    for signer, token in TOKENS.items():
        strangers[f"a forged word of {signer}"] = others.sign(signer, token, 60)
        strangers[f"an old word of {signer}"] = ours.sign(signer, token, -60)
    found, taken = discover("groundswell.services", Service), set[str]()
    for service, http in clients.items():
        routes = [route for part in (found[service].routes, *found[service].more) for route in listed(part.routes)]
        assert routes, service
        for method, path in routes:

            def status(text: str, http: httpx2.Client = http, method: str = method, path: str = path) -> int:
                body = {} if method in ("POST", "PUT", "PATCH") else None
                headers = {"Authorization": f"Bearer {text}"} if text else {}
                return http.request(method, re.sub(r"{\w+}", "absent", path), json=body, headers=headers).status_code

            for name, text in strangers.items():
                assert status(text) == 401, f"{service}: {method} {path} answers {name}"
            known = {signer for signer, token in TOKENS.items() if status(ours.sign(signer, token, 60)) != 401}
            assert len(known) == 1, f"{service}: {method} {path} listens to {known}"
            taken |= known
    assert taken == set(TOKENS), "each kind of token is of use somewhere"
