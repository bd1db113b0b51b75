"""Runs checks: each ends in a proof, whatever happens to it, and a drill is undone."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from groundswell.core.check import Check, Place, failed, skipped, unknown
from groundswell.core.errors import GroundswellError, Unavailable
from groundswell.core.records import Proof
from groundswell.runtime.telemetry import failed_extension

DRILL = "it breaks something on purpose: groundswell verify --drills"


async def proof_of(check: Check, platform: Any, place: Place, *, drills: bool = False) -> Proof:
    """What a check measures now; what it cannot try here is skipped."""
    started = datetime.now(UTC)
    absent = [part for part in check.needs if not place.profile.has(part)]
    if absent:
        proof = skipped(f"there is no {' and no '.join(absent)} here")
    elif check.drill and not drills:
        proof = skipped(DRILL)
    else:
        proof = await _made(check, platform, place)
    ended = datetime.now(UTC)
    expires = ended + timedelta(hours=check.hours)
    return proof.model_copy(update={"check": check.name, "started": started, "ended": ended, "expires": expires})


async def _made(check: Check, platform: Any, place: Place) -> Proof:
    try:
        async with asyncio.timeout(check.seconds):
            return await check.function(platform, place)
    except TimeoutError:
        return unknown(f"it was not done within {check.seconds:g} s")
    except Unavailable as error:  # who cannot be asked has not answered wrongly
        return unknown(f"{error.message} ({error.code})")
    except GroundswellError as error:
        return failed(f"{error.message} ({error.code})")
    except Exception as error:  # noqa: BLE001  # a check's code: that it breaks says nothing about the platform
        failed_extension("check", check.name, error)
        return unknown(f"the check itself broke: {type(error).__name__}: {error}"[:300])
    finally:
        if check.undo is not None:
            await _undone(check, platform, place)


async def _undone(check: Check, platform: Any, place: Place) -> None:
    """Its proof stands or falls by what was measured; that it could not be undone is told beside it."""
    assert check.undo is not None
    try:
        async with asyncio.timeout(check.seconds):
            await check.undo(platform, place)
    except Exception as error:  # noqa: BLE001  # a check's code
        failed_extension("check", check.name, error)
