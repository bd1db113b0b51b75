"""Wave 8: one door with many protocols behind it; who has a key gets in, and each request gets to its service."""

from groundswell.client import Client
from groundswell.core.check import Place, check, judged, measure, seen
from groundswell.core.errors import GroundswellError
from groundswell.core.records import Proof
from groundswell.waves.acting import PROBE, asked, material

MESSAGES = ({"role": "user", "content": "go on"},)


@check(proves="w8.vscode")
async def openai_clients_get_answers(platform: Client) -> Proof:
    """An agent answers as a streamed chat completion: what editors and other OpenAI clients speak."""
    chunks = [chunk async for chunk in platform.completion(f"agent:{PROBE}", MESSAGES)]
    pieces = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", [])]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk.get("choices", [])]
    listed = [str(each["id"]) for each in await platform.models()]
    return judged(
        f"{len(chunks)} chunks: {''.join(pieces)!r}",
        measure("agents listed", sum(each.startswith("agent:") for each in listed), 3, relation=">="),
        measure("text", len("".join(pieces)), 1, relation=">=", unit="characters"),
        measure("finish", next((each for each in reversed(finishes) if each), None), "stop"),
        seen=[seen("chat.completion", "".join(pieces))],
    )


@check(proves="w8.web-ui")
async def the_page_is_served(platform: Client) -> Proof:
    """The page for people is there, whole, and asks nobody else for anything."""
    page = await platform.page("/")
    elsewhere = [word for word in ('src="http', 'href="http', "@import", "url(http") if word in page]
    return judged(
        f"{len(page):,} characters of HTML",
        measure("a page", page.lstrip()[:15].lower().startswith("<!doctype html"), threshold=True),
        measure("closed", "</html>" in page, threshold=True),
        measure("loads from elsewhere", len(elsewhere), 0),
    )


@check(proves=("w8.routing", "w8.authentication"))
async def requests_get_to_their_service(platform: Client) -> Proof:
    """The gateway's own routes and those it passes on answer, and what is no route is not found."""
    services = (await platform.platform())["services"]
    away = [name for name, body in services.items() if body.get("status") != "ready"]
    told = await asked(platform, "go on", agent=PROBE)
    try:
        await platform.page("/v1/no-such-thing")
        missing = "answered"
    except GroundswellError as error:
        missing = type(error).__name__
    return judged(
        f"{len(services) - len(away)} of {len(services)} services are ready behind the gateway",
        measure("services away", len(away), 0),
        measure("a run through the router", told.run.status, "succeeded"),
        measure("agents through the router", len(await platform.agents()), 3, relation=">="),
        measure("what is no route", missing, "NotFound"),
        seen=[seen("services", ", ".join(f"{name} {body.get('status')}" for name, body in services.items()))],
    )


@check(proves="w8.authentication")
async def keys_open_what_they_may(platform: Client, place: Place) -> Proof:
    """A new key runs an agent and may not make keys; once taken back it opens nothing."""
    made = await platform.create_key("verify", caller="verify")
    async with Client(platform.url, made["key"]) as keyed:
        told = await asked(keyed, "go on", agent=PROBE)
        makes = await _refused(keyed)
        source = await asked(keyed, "why", agent="observability", sources={"kubernetes": material(place)["kubernetes"]})
        await platform.revoke_key(made["record"]["id"])
        after = await _refused(keyed)
    return judged(
        f"with the key: {told.run.status}; its keys: {makes}; once revoked: {after}",
        measure("a run with the key", told.run.status, "succeeded"),
        measure("caller", told.run.caller, "verify"),
        measure("making keys", makes, "Denied"),
        measure("a folder of this machine", source.run.reason, "denied"),
        measure("once revoked", after, "Unauthenticated"),
    )


async def _refused(client: Client) -> str:
    try:
        await client.create_key("never")
    except GroundswellError as error:
        return type(error).__name__
    return "let in"
