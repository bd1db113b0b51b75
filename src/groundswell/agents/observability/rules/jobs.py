"""Jobs that failed and CronJobs that do not run."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, quoted, statement
from groundswell.agents.observability.pods import is_over
from groundswell.agents.observability.world import Ref, Thing, World, newest


def find(world: World) -> Iterator[Finding]:
    """Failed Jobs that no later one made up for, and CronJobs that are held up."""
    for job in world.all("Job"):
        failed = job.condition("Failed")
        if failed.get("status") == "True" and not is_over(world, job):
            yield _failed(world, job, failed)
    for cron in world.all("CronJob"):
        yield from _held(world, cron)


def _failed(world: World, job: Thing, failed: dict[str, object]) -> Finding:
    reason, message = str(failed.get("reason", "")), str(failed.get("message", ""))
    owner = str(job.data.get("owner", ""))
    about = Ref("CronJob", job.ref.namespace, owner.partition("/")[2]) if owner.startswith("CronJob/") else job.ref
    deadline = reason == "DeadlineExceeded"
    why = {
        "BackoffLimitExceeded": "its pods ended badly as often as its backoff limit allows",
        "DeadlineExceeded": "it took longer than its active deadline allows",
        "PodFailurePolicy": "its pod failure policy ended it",
    }.get(reason, f"of {reason or 'a failure'}")
    limit = job.spec.get("activeDeadlineSeconds" if deadline else "backoffLimit")
    limited = (
        field_of(job, f"{'activeDeadlineSeconds' if deadline else 'backoffLimit'}: {limit}")
        if limit is not None
        else None
    )
    name = "" if about == job.ref else f" (its {job.ref})"
    return Finding(
        rule="jobs",
        cause="job.deadline" if deadline else "job.failed",
        about=about,
        headline=statement(
            [
                f"{about}{name} gave up, because {why}: {quoted(message or reason)}",
                f"{about}{name}: {quoted(message or reason)}",
            ],
            field_of(job, message, f"reason: {reason}"),
            limited,
            field_of(world.by_ref.get(about)) if about != job.ref else None,
        ),
        depth=3 if deadline else 1,
        weight=0.8,
        touches={job.ref},
        needs={about},
        next=f"kubectl -n {job.ref.namespace} logs job/{job.ref.name}",
        since=str(failed.get("since", "")),
    )


def _held(world: World, cron: Thing) -> Iterator[Finding]:
    events = world.events.get(cron.ref, [])
    missed = newest(
        [
            e
            for e in events
            if e.reason
            in ("FailedNeedsStart", "MissSchedule", "TooManyMissedTimes", "UnparseableSchedule", "JobAlreadyActive")
            and world.age(e.last) < 86400
        ]
    )
    if missed is not None:
        yield Finding(
            rule="jobs",
            cause="cronjob.missed",
            about=cron.ref,
            headline=statement(
                [f"{cron.ref} misses its schedule: {quoted(missed.message)}", f"{cron.ref}: {quoted(missed.message)}"],
                event_of(missed),
                field_of(cron),
            ),
            depth=2,
            weight=0.6,
            needs={job.ref for job in world.all("Job") if job.data.get("owner") == f"CronJob/{cron.ref.name}"},
            next=f"kubectl -n {cron.ref.namespace} describe cronjob {cron.ref.name}",
        )
    running = _still_running(world, cron)
    if running is not None and missed is None:
        yield Finding(
            rule="jobs",
            cause="cronjob.blocked",
            about=cron.ref,
            headline=statement(
                [
                    f"{cron.ref} is held up: its {running.ref} is still running (active) since "
                    f"{running.data.get('created')}, and `concurrencyPolicy: Forbid` lets the next start after that.",
                    f"{cron.ref} is held up: its {running.ref} is still active since {running.data.get('created')}.",
                    f"{cron.ref} is held up by its {running.ref}.",
                ],
                field_of(cron, "concurrencyPolicy: Forbid"),
                field_of(running, "active: 1"),
                field_of(running, f"created: {running.data.get('created')}"),
            ),
            depth=2,
            weight=0.8,
            needs={running.ref},
            touches={running.ref},
            next=f"kubectl -n {cron.ref.namespace} logs job/{running.ref.name} --tail=50",
        )
    if cron.spec.get("suspend") is True:
        yield Finding(
            rule="jobs",
            cause="cronjob.suspended",
            about=cron.ref,
            headline=statement(f"{cron.ref} is suspended (`suspend: true`).", field_of(cron, "suspend: true")),
            depth=3,
            weight=0.35,
            is_broken=False,
            next=f"kubectl -n {cron.ref.namespace} get cronjob {cron.ref.name}",
        )


def _still_running(world: World, cron: Thing) -> Thing | None:
    """A Job that runs for longer than its CronJob's schedule leaves between two, where no two may run at once."""
    if cron.spec.get("concurrencyPolicy") != "Forbid" or cron.spec.get("suspend") is True:
        return None
    seconds = _between(str(cron.spec.get("schedule", "")))
    for job in world.all("Job"):
        own = job.data.get("owner") == f"CronJob/{cron.ref.name}" and job.ref.namespace == cron.ref.namespace
        if own and job.status.get("active") and world.age(job.data.get("created")) > 1.5 * seconds:
            return job
    return None


def _between(schedule: str) -> float:
    """Seconds between two times of a schedule, at the least; a day where that cannot be told."""
    fields = schedule.split()
    if len(fields) != 5:
        return {"@hourly": 3600.0, "@daily": 86400.0}.get(schedule, 86400.0)
    every = re.fullmatch(r"\*/(\d+)", fields[0])
    if fields[0] == "*" or every:
        return 60.0 * int(every.group(1) if every else 1)
    if fields[1] == "*":
        return 3600.0
    hours = re.fullmatch(r"\*/(\d+)", fields[1])
    return 3600.0 * int(hours.group(1)) if hours else 86400.0
