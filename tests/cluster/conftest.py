"""One real cluster for all tests here: booted, rolled out onto once, ended. A failure shows what the cluster says."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.live import DEPLOY, MADE, PROVEN, STANDS, Live, clean
from cluster.places import Given, chosen
from cluster.trouble import told
from e2e.program import made
from groundswell.cli.gates import forwarded, key
from groundswell.client import Client
from groundswell.core.errors import GroundswellError
from groundswell.deployment import render
from groundswell.deployment.foundation import NAMESPACES
from groundswell.deployment.kubectl import Kubectl
from groundswell.runtime.base import VERSION

LIVE = pytest.StashKey[Live]()
HERE = Path(__file__).parent
LIMIT = 1200  # seconds of one test; the first ones boot the cluster and roll out


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cluster")
    group.addoption("--cluster", default="", help="a kubeconfig; the ambient one is never used")
    group.addoption("--cluster-program", default="", help="a program that boots a cluster on this machine")
    group.addoption("--cluster-addons", default="", help="what it shall have besides: A,B")
    group.addoption("--prometheus", default="", help="the address of one in the cluster, for what only it can answer")
    group.addoption("--image", default="", help="an archive of the image, to be loaded")
    group.addoption("--profile", default="single-node", help="the folder below deploy/clusters")
    group.addoption("--figures", default="", help="a file that gets what was measured, as JSON")
    group.addoption("--keep", action="store_true", help="end nothing, and go on with what a run before has kept")
    group.addoption("--no-skips", action="store_true", help="a test that is skipped is a failure")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(LIMIT))


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The cluster, with the image on it. Refuses one where we are already."""
    option = request.config.getoption
    addons = [each for each in option("--cluster-addons").split(",") if each]
    began, said, keep = time.monotonic(), {}, option("--keep")
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("KUBECONFIG", raising=False)
        try:
            place = chosen(option("--cluster"), option("--cluster-program"), tmp_path_factory.mktemp("kind"), addons)
            booted = place.boot(fresh=not keep)
        except GroundswellError as error:
            pytest.exit(f"{error.message}. {error.hint}", returncode=2)
        said["boot"] = time.monotonic() - began
        if booted.programs:
            patched.setenv("PATH", booted.programs, prepend=":")
        kubectl = Kubectl(booted.kubeconfig)
        there = present(kubectl, MADE)
        if there and not keep:  # one that was just made has none, so there is nothing to end
            context, server = kubectl.where()
            pytest.exit(f"{context} ({server}) has {', '.join(there)}: these tests take a cluster without them", 2)
        try:
            if (image := option("--image")) and not there:
                began = time.monotonic()
                place.load(Path(image))
                said["load"] = time.monotonic() - began
            home = made(tmp_path_factory.mktemp("home"))
            profile = option("--profile")
            named = render.cluster(DEPLOY, profile).profile.image
            at = {"date": datetime.now(UTC).date().isoformat(), "version": VERSION, "seconds": said}
            found = Live(kubectl, home, profile, named, place, option("--prometheus"), at)
            request.config.stash[LIVE] = found
            try:
                yield found
            finally:
                home.close()
        finally:
            if isinstance(place, Given) and not keep:
                clean(kubectl)
            if not keep:
                place.down()


def present(kubectl: Kubectl, names: Iterable[str]) -> list[str]:
    """Which of these namespaces are there: somebody's own, or what a run before has kept."""
    there = {each["metadata"]["name"] for each in kubectl.json("get", "namespaces")["items"]}
    return sorted(there & set(names))


@pytest.fixture(scope="session")
def opened(live: Live, request: pytest.FixtureRequest) -> str:
    """All waves, opened in order by `groundswell rollout`; what it said."""
    if request.config.getoption("--keep") and present(live.kubectl, NAMESPACES):
        return ""
    status, said = live.rollout()
    live.figures["waves"] = {wave: int(seconds) for wave, seconds in STANDS.findall(said)}
    live.figures["lines proven"] = {wave: int(lines) for wave, lines in PROVEN.findall(said)}
    assert status == 0, said
    return said


@pytest.fixture
async def platform(live: Live, opened: str) -> AsyncIterator[Client]:
    """The platform on the cluster, through a port-forward, with the key that bootstrap made."""
    secret = await asyncio.to_thread(key, live.kubectl)
    async with forwarded(live.kubectl) as url, Client(url, secret, patience=120) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Beside a failure: what of the cluster does not stand, its events and logs."""
    report: pytest.TestReport = yield
    found = item.config.stash.get(LIVE, None)
    if report.failed and found is not None:
        report.sections.append(("cluster", told(found)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash.get(LIVE, None)
    if found is None:
        return
    terminalreporter.section("measured on the cluster")
    terminalreporter.write_line(json.dumps(found.took(), indent=1))
    if file := config.getoption("--figures"):
        Path(file).write_text(json.dumps(found.took(), indent=1) + "\n")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips", False) and reporter is not None and reporter.stats.get("skipped"):
        sys.stderr.write("a test was skipped, and --no-skips makes that a failure\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
