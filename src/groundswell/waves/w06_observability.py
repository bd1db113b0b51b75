"""Wave 6: what is told of a run is complete, and holds no secret."""

import secrets

from groundswell.client import Client
from groundswell.core.check import check, judged, measure, seen
from groundswell.core.records import Proof
from groundswell.waves.acting import PROBE, asked, called


@check(proves="w6.redaction")
async def a_secret_reaches_no_reader(platform: Client) -> Proof:
    """A secret in a question and in a tool's arguments is in no event, no run, no call and no answer."""
    secret = secrets.token_urlsafe(24)
    told = await asked(platform, f"the password is: password={secret}", agent=PROBE)
    call, _ = await called(platform, "collections_list", {"note": f"api_key={secret}"}, agent="web")
    shown = {
        "run": told.run.model_dump_json(),
        "events": str([event.model_dump_json() for event in (*told.events, *call.events)]),
        "calls": str(await platform.calls(call.run.id)),
        "list": str([run.model_dump_json() for run in (await platform.runs(limit=5))[0]]),
    }
    leaks = [where for where, text in shown.items() if secret in text]
    marked = "redacted" in shown["run"].lower() or "password=" in shown["run"]
    return judged(
        "it is nowhere to be read" if not leaks else f"it can be read in {', '.join(leaks)}",
        measure("places that were read", len(shown), 4),
        measure("places where it stands", len(leaks), 0),
        measure("the rest of the text is there", marked, threshold=True),
        seen=[seen(f"run:{told.run.id}", told.run.question)],
    )
