"""Waves through Git and a real Argo CD: opened by proof alone, closed by what is wrong, opened again by its revert."""

import base64
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cluster.live import Live, clean, server
from cluster.places import Local
from cluster.through_git import ARGO, BREAKS, Break, Governed, edited, waited
from groundswell.core.records import Verdict
from groundswell.deployment import layout
from groundswell.deployment.argocd import HEALTH
from groundswell.deployment.objects import service
from groundswell.waves.boards import NAMESPACE, PRIVATE, job_of, name_of, signer_of

pytestmark = [pytest.mark.long, pytest.mark.through_git]
OPENS, TOLD = 900.0, 420.0  # seconds at most
SETTLES = 10.0  # seconds in which a wave that is not held would begin
SLOW = """
import socket, threading, time
def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    for each in (one, other):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve(near):
    time.sleep(3)
    far = socket.create_connection(("{name}-itself", {port}))
    threading.Thread(target=pump, args=(far, near)).start()
    pump(near, far)
with socket.create_server(("", {port})) as listening:
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],)).start()
"""


@pytest.fixture(scope="module")
def governed(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Governed:
    """All waves, opened through Git; where others rolled out before, that goes first."""
    if not isinstance(live.place, Local) or "argocd" not in live.place.addons:
        pytest.skip("there is no Argo CD with a Git server here")
    clean(live.kubectl)
    found = Governed(live, live.place, tmp_path_factory.mktemp("git"))
    # of the cluster's own Argo CD: what `bootstrap` prints as advice
    patch = {"data": {"resource.customizations.health.ConfigMap": HEALTH}}
    live.kubectl("-n", ARGO, "patch", "configmap", "argocd-cm", "--type=merge", "-p", json.dumps(patch))
    found.begin(live.place.git_url())
    began = time.monotonic()
    fixed = ("--cluster", live.profile, "--from", str(found.folder / "deploy"))
    live.home.well("bootstrap", *fixed, "--kubeconfig", str(live.kubectl.kubeconfig), "--yes")
    took: dict[str, int] = {}
    for wave in layout.WAVES:
        waited(lambda wave=wave: found.opens(wave), f"wave {wave} opens: {found.state(wave)}", OPENS)
        took[str(wave)] = round(time.monotonic() - began)
    live.figures["opened through Git, seconds since bootstrap"] = took
    live.figures["breaks through Git"] = found.rows
    return found


def wrong(governed: Governed, broken: Break) -> dict[str, Any]:
    """Push it; the gate tells it, the next wave stays as it is; a revert opens both."""
    new, row = {}, dict[str, Any]({"what": broken.name, "wave": broken.wave})
    for file, edit in ((broken.file, broken.edit), *broken.more):
        edited(governed.folder / "deploy" / file.format(profile=governed.live.profile), edit)
    after = broken.wave + 1
    for wave in sorted({*broken.also, broken.wave, after}):
        new[wave] = governed.stamp(wave)
    governed.push(broken.name)
    try:
        state = lambda: governed.state(broken.wave)  # noqa: E731 - asked again and again

        def told() -> bool:
            at = state()
            return at.applied == new[broken.wave] and not at.open and bool(re.search(broken.told, at.reason))

        try:
            row["told after, s"] = round(waited(told, f"{broken.told!r} is told", TOLD))
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {state()}, held: {governed.held(broken.wave)}") from error
        row["message"] = state().reason
        time.sleep(SETTLES)
        assert governed.state(after).applied != new[after], f"wave {after} was applied"
        row["the next wave says"] = governed.held(after).splitlines()[-1:]
    finally:
        governed.revert()
    again = sorted({*broken.also, broken.wave, after})
    row["opened by the revert after, s"] = round(waited(lambda: governed.opens(*again), f"{again} open", OPENS))
    return row


@pytest.mark.timeout(OPENS * 3)
@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.name)
def test_what_is_pushed_broken_is_told_and_its_revert_opens(governed: Governed, broken: Break) -> None:
    governed.rows.append(wrong(governed, broken))


def signed(governed: Governed, folder: Path) -> Any:
    """The key that gates sign with."""
    secret = governed.live.kubectl.json("-n", NAMESPACE, "get", "secret", "groundswell-proofs")
    (folder / PRIVATE).write_bytes(base64.b64decode(secret["data"][PRIVATE]))
    return signer_of(folder)


@pytest.mark.timeout(OPENS * 3)
def test_a_proof_that_expired_or_was_changed_holds_the_next_wave_until_it_is_made_again(
    governed: Governed, tmp_path: Path
) -> None:
    signer, words = signed(governed, tmp_path), ("-n", NAMESPACE, "patch", "configmap", name_of(2), "--type=merge")
    text = governed.live.kubectl.json("-n", NAMESPACE, "get", "configmap", name_of(2))["data"]["record"]
    verdict, why = signer.read(text, Verdict)
    assert (verdict is not None, why) == (True, "")
    old = verdict.model_copy(update={"expires": datetime.now(UTC) - timedelta(minutes=1)})
    longer = json.loads(signer.sign(old))
    longer["record"]["expires"] = "2099-01-01T00:00:00Z"
    digest = None
    for what, record, told in (
        ("an expired proof", signer.sign(old), r"wave 2: its proof expired on"),
        ("a tampered proof", json.dumps(longer), r"wave 2: it was changed after it was signed"),
    ):
        governed.live.kubectl(*words, "-p", json.dumps({"data": {"record": record}}))
        if digest is None:
            digest = governed.stamp(3)
            governed.push("another revision of wave 3")
        seconds = waited(lambda told=told: re.search(told, governed.held(3)), told, TOLD)
        row = {"what": what, "wave": 2, "told after, s": round(seconds), "message": governed.held(3).splitlines()[-1]}
        time.sleep(SETTLES)
        assert governed.state(3).applied != digest
        governed.rows.append(row)
    began = time.monotonic()
    governed.again()
    waited(lambda: governed.opens(2, 3), "proven again, both open", OPENS)
    governed.rows[-1]["opened by proving again after, s"] = round(time.monotonic() - began)


@pytest.mark.timeout(OPENS * 3)
def test_a_wave_that_goes_unhealthy_after_it_opened_degrades_what_stands_on_it(governed: Governed) -> None:
    kubectl, secret = governed.live.kubectl, "groundswell-database-router"
    kept = kubectl.json("-n", "ai-router", "get", "secret", secret)
    kept["metadata"] = {
        key: kept["metadata"][key] for key in ("name", "namespace", "labels") if key in kept["metadata"]
    }
    kubectl("-n", "ai-router", "delete", "secret", secret)
    kubectl("-n", "ai-router", "delete", "pod", "-l", "app.kubernetes.io/name=router", "--wait=false")
    began = time.monotonic()
    try:
        governed.again()
        states = {wave: governed.state(wave) for wave in layout.WAVES}
        assert [wave for wave, each in states.items() if not each.open][0] == 3, states
        assert "Deployment ai-router/router" in states[3].reason
        assert all("it stands on wave 3" in states[wave].below for wave in (4, 5))
        row: dict[str, Any] = {"what": "a wave that goes unhealthy", "wave": 3, "message": states[3].reason}
        row["told after, s"] = round(time.monotonic() - began)
        degraded = lambda: {wave for wave, said in governed.health().items() if said == "Degraded"}  # noqa: E731
        waited(lambda: degraded() >= {3, 4, 5}, "Argo CD shows 3, 4 and 5 as Degraded", TOLD)
        row["Degraded in Argo CD"] = sorted(degraded())
        assert degraded() == {3, 4, 5}
        digest = governed.stamp(4)
        governed.push("another revision of wave 4")
        waited(lambda: "Deployment ai-router/router" in governed.held(4), "the new revision is held", TOLD)
        time.sleep(SETTLES)
        assert governed.state(4).applied != digest
        row["the next wave says"] = governed.held(4).splitlines()[-1:]
    finally:
        governed.live.apply(kept)
    governed.live.stands("ai-router", "deployment", "router")
    began = time.monotonic()
    governed.again()
    waited(lambda: governed.opens(3, 4, 5), "all are open again", OPENS)
    row["opened by its mending after, s"] = round(time.monotonic() - began)
    waited(lambda: set(governed.health().values()) == {"Healthy"}, "Argo CD shows all as Healthy", TOLD)
    governed.rows.append(row)


@pytest.fixture
def slow(governed: Governed) -> Iterator[None]:
    """Three seconds lie before every request to the Git server."""
    live = governed.live
    where = urlsplit(governed.place.git_url())
    name, space = (where.hostname or "").split(".")[:2]
    pods = live.kubectl.json("-n", space, "get", "service", name)["spec"]["selector"]
    itself = service(f"{name}-itself", space, {"git": where.port or 9418})
    itself["spec"] |= {"selector": pods, "ports": [{"port": where.port, "targetPort": where.port}]}
    program = SLOW.format(name=name, port=where.port)
    live.apply(itself, server("slow", space, live.image, program, {"git": where.port or 9418}, app="slow"))
    live.kubectl("-n", space, "wait", "--for=condition=Ready", "pod/slow", "--timeout=60s")

    def lead(selector: dict[str, str]) -> None:
        change = json.dumps([{"op": "replace", "path": "/spec/selector", "value": selector}])
        live.kubectl("-n", space, "patch", "service", name, "--type=json", "-p", change)

    lead({"app": "slow"})
    yield
    lead(pods)
    live.kubectl("-n", space, "delete", "pod/slow", f"service/{name}-itself", "--wait=false")


@pytest.mark.usefixtures("slow")
@pytest.mark.timeout(OPENS * 3)
def test_no_wave_passes_early_when_git_is_slow(governed: Governed) -> None:
    """A break of wave 0 is told, its revert opens; then of new revisions none begins before those below are proven."""
    (dns,) = [each for each in BREAKS if each.wave == 0]
    row = wrong(governed, Break("the same, from a slow Git server", 0, dns.file, dns.edit, dns.told))
    for wave in range(3):
        governed.stamp(wave)
    governed.push("other revisions of waves 0 to 2")
    row["three waves open after, s"] = round(waited(lambda: governed.opens(0, 1, 2), "0 to 2 open", OPENS))
    proven, began = dict[int, datetime](), dict[int, datetime]()
    for wave in range(3):
        digest = governed.digest(wave)
        record = governed.live.kubectl.json("-n", NAMESPACE, "get", "configmap", name_of(wave))["data"]["record"]
        proven[wave] = datetime.fromisoformat(json.loads(record)["record"]["at"])
        job = governed.live.kubectl.json("-n", NAMESPACE, "get", "job", job_of(wave, digest))
        began[wave] = datetime.fromisoformat(job["metadata"]["creationTimestamp"]) + timedelta(seconds=1)
    assert all(proven[below] <= began[wave] for wave in range(3) for below in range(wave)), (proven, began)
    governed.rows.append(row)
