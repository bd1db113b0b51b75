"""Wave 7: what was not allowed does not happen, and that it was refused can be read."""

import secrets

from groundswell.client import Client
from groundswell.core.check import check, judged, measure, seen
from groundswell.core.errors import GroundswellError
from groundswell.core.records import Proof
from groundswell.waves.acting import asked, called

UNLISTED = ("https://unlisted.invalid/", "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:1/")


@check(proves=("w7.domains", "w7.violations"))
async def an_unlisted_host_is_not_reached(platform: Client) -> Proof:
    """A host that no policy lists, the metadata address and loopback: none is fetched from."""
    results = [(url, (await called(platform, "web_fetch", {"url": url}, agent="web"))[1]) for url in UNLISTED]
    denied = [url for url, result in results if result.status == "denied"]
    return judged(
        f"{len(denied)} of {len(UNLISTED)} addresses were refused by policy",
        measure("refused", len(denied), len(UNLISTED), unit="addresses"),
        seen=[seen(url, f"{result.status} ({result.code}): {result.message}") for url, result in results],
    )


@check(proves="w7.violations")
async def an_ungranted_source_is_not_opened(platform: Client) -> Proof:
    """A source with a scheme that nothing opens ends its run, or is refused, before anything is read."""
    key = await platform.create_key("verify", caller="verify")
    try:
        stranger = Client(platform.url, key["key"])
        async with stranger:
            told = await asked(stranger, "Where is main defined?", agent="coding", sources={"repo": "path:/etc"})
            other = await asked(
                stranger, "What is wrong?", agent="observability", sources={"kubernetes": "kubeconfig:"}
            )
    finally:
        await platform.revoke_key(key["record"]["id"])
    ends = [(run.run.status, run.run.reason, len(run.bodies("call.started"))) for run in (told, other)]
    refused = [end for end in ends if end[:2] == ("failed", "denied")]
    return judged(
        f"{len(refused)} of {len(ends)} sources that a key's caller was not granted were refused",
        measure("refused", len(refused), len(ends), unit="sources"),
        measure("calls begun", sum(calls for _, _, calls in ends), 0),
        seen=[seen(f"run:{run.run.id}", run.run.error.message if run.run.error else "") for run in (told, other)],
    )


@check(proves="w7.unauthorized")
async def strangers_are_refused(platform: Client) -> Proof:
    """A key that nobody made, one that was taken back, and one without the scope: each is turned away."""
    key = await platform.create_key("verify", caller="verify")
    await platform.revoke_key(key["record"]["id"])
    codes = [await _refusal(platform.url, text) for text in (f"gs_{secrets.token_urlsafe(24)}", key["key"])]
    narrow = await platform.create_key("verify", caller="verify")
    try:
        codes.append(await _refusal(platform.url, narrow["key"], keys=True))
    finally:
        await platform.revoke_key(narrow["record"]["id"])
    expected = ["Unauthenticated", "Unauthenticated", "Denied"]
    right = sum(code == wanted for code, wanted in zip(codes, expected, strict=True))
    return judged(
        f"an unknown key: {codes[0]}; a revoked one: {codes[1]}; one without the scope: {codes[2]}",
        measure("turned away", right, len(expected), unit="keys"),
    )


async def _refusal(url: str, key: str, *, keys: bool = False) -> str:
    """How a platform turns a key away."""
    async with Client(url, key) as stranger:
        try:
            await (stranger.keys() if keys else stranger.runs(limit=1))
        except GroundswellError as error:
            return type(error).__name__
    return "let in"


@check(proves="w7.events")
async def each_refusal_leaves_an_event(platform: Client) -> Proof:
    """A refused tool and a refused host: each run has an event that names the rule, and it stays to be read."""
    first, _ = await called(platform, "file_read", {"path": "README.md"})
    second, _ = await called(platform, "web_fetch", {"url": UNLISTED[0]}, agent="web")
    rules = [body.rule for run in (first, second) for body in run.bodies("denial")]
    again = [event async for event in platform.follow(second.run.id)]
    kept = [event.body.rule for event in again if event.body.kind == "denial"]
    return judged(
        f"events name {', '.join(rules) or 'no rule'}",
        measure("events", len(rules), 2),
        measure("rule of the tool", rules[0] if rules else None, "tool_not_allowed"),
        measure("rule of the host", rules[1] if len(rules) > 1 else None, "domain_not_allowed"),
        measure("read again", kept == rules[1:], threshold=True),
        seen=[seen(f"run:{run.run.id}", str(run.bodies("denial"))) for run in (first, second)],
    )
