"""What `doctor --egress URL` says: how this platform would reach an address, and why it would or would not."""

import re
from typing import TYPE_CHECKING, Any

from groundswell.cli.terminal import printable, say, styled
from groundswell.core.errors import GroundswellError

if TYPE_CHECKING:
    from groundswell.core.settings import Loaded

ROUTES = {
    "pinned": "directly, to the address that was checked",
    "granted": "directly: this host and port are granted by name, wherever they are",
    "proxy": "through the proxy, which alone resolves the name: its rules for hosts take the place of address pinning",
}


async def explained(loaded: "Loaded", url: str) -> dict[str, Any]:
    """The decision on a URL, with all that led to it. Nothing is sent to it; its name is resolved."""
    from groundswell.backends.web.download import checked
    from groundswell.core.hosts import host_of, port_of
    from groundswell.runtime.egress import egress

    way = egress(loaded.settings.egress)
    shown = re.sub(r"//[^/?#]*@", "//…@", url)  # what stands there may be a password
    told: dict[str, Any] = {"url": shown, "allowed": False, "scheme": url.partition(":")[0].lower()}
    try:
        url = checked(url)
        told |= {"host": host_of(url), "port": port_of(url)}
        decision = await way.decide(host_of(url), port_of(url))
    except GroundswellError as error:
        return told | _why(error)
    told["route"] = decision.route
    if decision.route == "proxy":
        told["proxy"] = way.proxy
    told["addresses"] = [
        {"address": str(address), "public": not why, "why": why or "on the internet"}
        for address, why in decision.addresses
    ]
    if decision.route == "granted":
        told["addresses"] = [{"address": str(address), "why": "granted by name"} for address, _ in decision.addresses]
    return told | (_why(decision.refusal) if decision.refusal else {"allowed": True})


def _why(error: GroundswellError) -> dict[str, str]:
    return {"code": error.code, "reason": error.message, "hint": error.hint}


def show(told: dict[str, Any]) -> None:
    """The same for people."""
    sign = styled("✓", "good") if told["allowed"] else styled("✗", "bad")
    say(f"{sign} {printable(told['url'])} {'would be asked' if told['allowed'] else 'would be refused'}")
    rows = [("scheme", told["scheme"]), ("host", told.get("host", "")), ("port", str(told.get("port", "")))]
    rows += [("address", f"{each['address']}: {each['why']}") for each in told.get("addresses", [])]
    if told["allowed"]:
        rows.append(("way", ROUTES[told["route"]] + (f" ({told['proxy']})" if "proxy" in told else "")))
    rows += [("why", told.get("reason", "")), ("→", told.get("hint", ""))]
    for name, text in rows:
        if text:
            say(f"  {name:8} {printable(text)}")
    if told["allowed"]:
        say("  policy   whose run may ask for it is another question: `domains` in policy.toml")
