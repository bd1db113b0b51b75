"""Nothing of a platform on loopback goes to a page of another origin, or to a name that was made to mean loopback."""

from typing import Any

import httpx2
import pytest

from groundswell.runtime.platform import Running

VERBS = ("get", "post", "put", "patch", "delete")
FEW = (("GET", "/v1/runs"), ("POST", "/v1/runs"), ("GET", "/"), ("GET", "/openapi.json"))
OUTSIDE = ("/", "/docs", "/openapi.json", "/v1/no-such-route", "/v1", "/favicon.ico", "//v1/runs", "/v1/../v1/runs")
NAMES = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example",
    "localhost@evil.example",
    "evil.example#127.0.0.1",
    "2130706433:{port}",
    "0x7f000001:{port}",
    "0.0.0.0:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "192.168.1.5:{port}",
    "",
)
ORIGINS = ("https://evil.example", "http://evil.example:{port}", "null", "http://127.0.0.1", "http://127.0.0.1:1")
ORIGINS += ("http://127.0.0.1:{port}.evil.example", "http://localhost:{port}", "http://[::1")


@pytest.fixture
async def routes(platform: Running, http: httpx2.AsyncClient) -> list[tuple[str, str]]:
    """Every route there is, by the OpenAPI document, with what else is answered."""
    document = (await http.get("/openapi.json")).json()
    found = [
        (verb.upper(), path.replace("{", "").replace("}", ""))
        for path, item in document["paths"].items()
        for verb in item
        if verb in VERBS
    ]
    assert len(found) > 20
    return [*found, *(("GET", path) for path in OUTSIDE), ("OPTIONS", "/v1/runs"), ("HEAD", "/")]


def gave_nothing(answer: httpx2.Response) -> None:
    assert answer.status_code == 403, (answer.request.method, answer.request.url, answer.status_code)
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)
    if answer.request.method != "HEAD":
        assert set(answer.json()) == {"type", "title", "status", "code", "detail", "hint"}


async def test_no_route_answers_under_a_foreign_name(http: httpx2.AsyncClient, routes: list[tuple[str, str]]) -> None:
    host = f"evil.example:{http.base_url.port}"
    # what a page under that name may add to its own requests
    own = {"Host": host, "Origin": f"http://{host}", "X-Forwarded-For": "8.8.8.8", "Sec-Fetch-Site": "same-origin"}
    for verb, path in routes:
        gave_nothing(await http.request(verb, path, headers=own))
        gave_nothing(await http.request(verb, path, headers={"Host": host, "Authorization": "Bearer x"}))


async def test_no_foreign_name_opens_the_door(http: httpx2.AsyncClient) -> None:
    for name in NAMES:
        for verb, path in FEW:
            gave_nothing(await http.request(verb, path, headers={"Host": name.format(port=http.base_url.port)}))


async def test_no_route_answers_a_page_of_another_origin(
    http: httpx2.AsyncClient, routes: list[tuple[str, str]]
) -> None:
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    for verb, path in routes:
        gave_nothing(await http.request(verb, path, headers={"Origin": "https://evil.example"}))
        gave_nothing(await http.request(verb, path, headers=image))


async def test_no_foreign_origin_opens_the_door(http: httpx2.AsyncClient) -> None:
    marks = [{"Origin": origin.format(port=http.base_url.port)} for origin in ORIGINS]
    for site in ("cross-site", "same-site"):
        marks += [{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode} for mode in ("no-cors", "cors", "websocket")]
        marks += [{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}]
    for given in marks:
        for verb, path in FEW:
            gave_nothing(await http.request(verb, path, headers={**given, "Content-Type": "text/plain"}))


async def test_a_preflight_is_answered_with_no_permission(http: httpx2.AsyncClient) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await http.options("/v1/runs", headers=asked | {"Access-Control-Request-Headers": "authorization"})
    gave_nothing(answer)


async def test_a_link_from_elsewhere_opens_a_page_and_nothing_else(http: httpx2.AsyncClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/", "/docs"):
        answer = await http.get(path, headers=link)
        assert answer.status_code == 200
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    for path in ("/v1/runs", "/openapi.json", "/v1/platform", "/health"):
        gave_nothing(await http.get(path, headers=link))
    gave_nothing(await http.post("/", headers=link))


async def test_the_pages_own_requests_work(http: httpx2.AsyncClient) -> None:
    own = {"Origin": str(http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert (await http.get("/v1/runs", headers=own)).status_code == 200
    made = await http.post("/v1/runs", json={"input": "why", "agent": "trial"}, headers=own)
    assert made.status_code == 201
    local = {"Host": f"localhost:{http.base_url.port}", "Origin": f"http://localhost:{http.base_url.port}"}
    assert (await http.get("/v1/runs", headers=local)).status_code == 200
    for path in ("/", "/docs", "/openapi.json", "/health", "/ready"):
        answer = await http.get(path)
        assert answer.status_code == 200
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_key_works_for_programs_wherever_they_run(http: httpx2.AsyncClient, key: dict[str, str]) -> None:
    assert (await http.get("/v1/runs", headers={**key, "Origin": "vscode-webview://x"})).status_code == 200


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
async def test_what_a_proxy_on_this_machine_passes_on_needs_a_key(
    http: httpx2.AsyncClient, key: dict[str, str], header: str
) -> None:
    assert (await http.get("/v1/runs", headers={header: "127.0.0.1"})).status_code == 401
    assert (await http.get("/v1/runs", headers={header: "127.0.0.1", **key})).status_code == 200


async def test_a_name_that_the_settings_list_is_answered_with_a_key_alone(
    platform: Running, http: httpx2.AsyncClient, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Any = platform.base.settings
    listed = settings.gateway.model_copy(update={"hosts": ("gs.corp.example",)})
    monkeypatch.setitem(settings.__dict__, "gateway", listed)  # a platform of its own would show the same, later
    named = {"Host": "gs.corp.example"}
    assert (await http.get("/v1/runs", headers={**named, **key})).status_code == 200
    assert (await http.get("/v1/runs", headers=named)).status_code == 403
    assert (await http.get("/v1/runs", headers={"Host": "other.corp.example", **key})).status_code == 403
