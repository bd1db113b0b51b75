"""Callers who come with a token of the issuer that the settings trust."""

import httpx2
import pytest

from groundswell.core.errors import ConfigError
from groundswell.core.settings import load
from groundswell.runtime.platform import Running
from services.issuer import Issuer
from services.test_api import finished, problem


def bearing(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def test_a_caller_of_the_issuer_has_the_tenant_and_the_scopes_that_the_settings_map(
    http: httpx2.AsyncClient, issuer: Issuer
):
    ana = bearing(issuer.token(sub="ana", groups=["shop-devs", "unheard-of"]))
    run = await finished(http, {"input": "why", "agent": "trial"}, **ana)
    assert (run["tenant"], run["caller"], run["status"]) == ("shop", "oidc:ana", "succeeded")
    assert problem(await http.get("/v1/keys", headers=ana)) == (403, "scope_missing")
    root = bearing(issuer.token(sub="root", groups=["shop-devs", "admins"]))
    assert (await http.get("/v1/keys", headers=root)).json() == []
    known = {tenant["name"]: tenant for tenant in (await http.get("/v1/tenants", headers=root)).json()}
    assert known["shop"]["created"]
    assert known["narrow"]["policy"]
    # what the local caller may name is not theirs to name
    refused = await finished(http, {"input": "why", "agent": "trial", "sources": {"kubernetes": "kubeconfig:"}}, **ana)
    assert (refused["status"], refused["reason"]) == ("failed", "denied")


@pytest.mark.parametrize(
    ("claims", "status", "code"),
    [
        ({"groups": []}, 403, "no_tenant"),
        ({"groups": None}, 403, "no_tenant"),
        ({"groups": ["narrow"]}, 403, "no_tenant"),
        ({"groups": ["shop-devs", "other-devs"]}, 403, "no_tenant"),
        ({"sub": None}, 403, "no_caller"),
        ({"sub": ""}, 403, "no_caller"),
        ({"sub": "a" * 500}, 403, "no_caller"),
        ({"aud": "another"}, 401, "bad_token"),
        ({"exp": 1}, 401, "token_expired"),
    ],
)
async def test_who_has_no_place_here_is_refused(
    http: httpx2.AsyncClient, issuer: Issuer, claims: dict[str, object], status: int, code: str
):
    assert problem(await http.get("/v1/runs", headers=bearing(issuer.token(**claims)))) == (status, code)


async def test_while_the_issuer_is_away_a_new_key_waits_and_known_ones_go_on(
    http: httpx2.AsyncClient, issuer: Issuer, platform: Running
):
    good = bearing(issuer.token())
    assert (await http.get("/v1/runs", headers=good)).status_code == 200
    new = bearing(issuer.token("new", key=issuer.keys["one"]))
    issuer.is_away = True
    try:
        away = await http.get("/v1/runs", headers=new)
        assert problem(away) == (503, "issuer_away")
        assert away.headers["retry-after"]
        assert (await http.get("/v1/runs", headers=good)).status_code == 200
    finally:
        issuer.is_away = False


@pytest.mark.parametrize(
    "settings",
    [
        {"oidc.issuer": "https://login.example.org"},
        {"oidc.issuer": "http://login.example.org", "oidc.audience": "x"},
        {"oidc.issuer": "https://login.example.org?x=1", "oidc.audience": "x"},
        {"oidc.algorithms": ["HS256"]},
        {"oidc.algorithms": ["none"]},
        {"oidc.algorithms": []},
        {"oidc.tenants": {"devs": "Not A Name"}},
        {"oidc.scopes": {"devs": ["everything"]}},
    ],
)
def test_settings_that_would_trust_too_much_are_refused(settings: dict[str, object], tmp_path):
    with pytest.raises(ConfigError):
        load(tmp_path, settings, {"HOME": str(tmp_path)})
