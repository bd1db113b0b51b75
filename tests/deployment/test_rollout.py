"""Bringing it onto a cluster: what is said before, what is done once, and who is told why a wave stays closed."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from groundswell.cli.main import app
from groundswell.core.errors import ConfigError, Conflict, Denied, Unavailable
from groundswell.deployment import argocd, bootstrap, charts, layout, lint, render, rollout, secrets
from groundswell.deployment.kubectl import Kubectl
from groundswell.runtime import keys

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIG = {"current-context": "there", "clusters": [{"cluster": {"server": "https://there:6443"}}]}
KUBECTL = """#!/bin/sh
printf "%s\\n" "$*" >> {log}
case "$*" in
  *"config view"*) cat {config} ;;
  *"auth can-i"*) {rights} ;;
  *kustomize*) cat {objects} ;;
  *"rollout status"*) {stands} ;;
  *"get pods"*) cat {pods} ;;
  apply*) {applies} ;;
  *"get events"*) echo '{{"items": []}}' ;;
  *) cat > /dev/null ;;
esac
"""


@dataclass
class Api:
    """An API server that keeps Secrets, and says what it was asked."""

    kubeconfig: Path
    there: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, bool]] = field(default_factory=list)
    status: int = 0


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    found = Api(tmp_path / "kubeconfig")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            space = re.search(r"/namespaces/([^/]+)/secrets", self.path)
            name, dry = f"{space[1] if space else ''}/{body['metadata']['name']}", "dryRun=All" in self.path
            found.asked.append((name, dry))
            status = found.status or (409 if name in found.there else 201)
            if status == 201 and not dry:
                found.there[name] = body["data"]
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    config = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {"token": "t"}}]}
    found.kubeconfig.write_text(
        yaml.safe_dump({**config, "current-context": "x", "apiVersion": "v1", "kind": "Config"})
    )
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Program:
    """A `kubectl` that writes down what it was asked."""

    folder: Path
    rights: str = "true"
    stands: str = "true"
    applies: str = "cat > /dev/null"
    pods: str = '{"items": []}'

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        objects = [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "tools", "namespace": "ai-tools"}}
        ]
        objects.append(
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "ai-vector"}}
        )
        (self.folder / "config").write_text(json.dumps(CONFIG))
        (self.folder / "objects").write_text(yaml.safe_dump_all(objects))
        (self.folder / "pods").write_text(self.pods)
        files = {name: self.folder / name for name in ("log", "config", "objects", "pods")}
        program = self.folder / "bin/kubectl"
        program.parent.mkdir()
        program.write_text(KUBECTL.format(**files, rights=self.rights, stands=self.stands, applies=self.applies))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    @property
    def lines(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


def test_without_consent_it_says_where_and_what_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(tmp_path)
    program.install(monkeypatch)
    for command in ("bootstrap", "rollout"):
        done = CliRunner().invoke(app, [command, "--cluster", "single-node", "--from", str(DEPLOY)])
        assert done.exit_code == 2
        assert "context there, server https://there:6443" in done.stdout
        assert "groundswell-database-owner" in done.stdout
    assert [line for line in program.lines if "config view" not in line and "can-i" not in line] == []


def test_rights_that_are_missing_are_named_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(tmp_path, rights='case "$*" in *secrets*ai-tools*) exit 1;; esac')
    program.install(monkeypatch)
    with pytest.raises(Denied, match="create secrets in ai-tools"):
        bootstrap.plan(render.cluster(DEPLOY, "single-node").profile, Kubectl())


async def test_waves_are_applied_in_order_and_a_job_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, said, proven = Program(tmp_path), list[str](), list[int]()
    program.install(monkeypatch)

    async def prove(number: int) -> None:
        proven.append(number)

    took = await rollout.rollout(DEPLOY, "single-node", Kubectl(), said.append, prove)
    assert list(took) == proven == list(layout.WAVES)
    applied = [line.rpartition("/")[2] for line in program.lines if line.startswith("apply")]
    assert applied == list(layout.WAVES.values())
    deleted = next(n for n, line in enumerate(program.lines) if "delete job migrate" in line)
    assert deleted < next(n for n, line in enumerate(program.lines) if line.startswith("apply"))


async def test_a_wave_that_does_not_stand_stays_closed_and_says_what_its_pods_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}}}
    pods = {"items": [{"metadata": {"name": "tools-1"}, "status": {"containerStatuses": [waiting]}}]}
    program = Program(tmp_path, stands="echo timed out >&2; exit 1", pods=json.dumps(pods))
    program.install(monkeypatch)
    with pytest.raises(Unavailable, match=r'Deployment ai-tools/tools .*secret "x" not found') as closed:
        await rollout.rollout(DEPLOY, "single-node", Kubectl(), lambda _: None)
    assert closed.value.code == "wave_closed"
    assert len([line for line in program.lines if line.startswith("apply")]) == 1


async def test_secrets_are_made_once_and_stay(api: Api) -> None:
    source = f"kubeconfig:{api.kubeconfig}"
    groups = bootstrap.groups(render.cluster(DEPLOY, "single-node").profile)
    assert [await secrets.ensure(source, each) for each in groups] == [True, True, True]
    before = dict(api.there)
    again = bootstrap.groups(render.cluster(DEPLOY, "single-node").profile)
    assert [await secrets.ensure(source, each) for each in again] == [False, False, False]
    assert api.there == before


async def test_a_part_of_what_belongs_together_is_never_filled_up(api: Api) -> None:
    signing = secrets.signing({"a": ["router"], "b": ["agents"]})
    api.there["a/groundswell-signing"] = {}
    with pytest.raises(Conflict, match="only a/groundswell-signing"):
        await secrets.ensure(f"kubeconfig:{api.kubeconfig}", signing)
    assert list(api.there) == ["a/groundswell-signing"]


async def test_who_may_not_make_secrets_is_told(api: Api) -> None:
    api.status = 403
    with pytest.raises(Denied, match="answers 403"):
        await secrets.ensure(f"kubeconfig:{api.kubeconfig}", secrets.gateway_key("ai-router"))


def test_signing_keys_that_were_made_together_trust_each_other(tmp_path: Path) -> None:
    made = {each.namespace: each.values for each in secrets.signing({"one": ["router"], "two": ["agents"]})}
    loaded = {}
    for name, values in made.items():
        (tmp_path / name).mkdir()
        for file, text in values.items():
            (tmp_path / name / file).write_bytes(text)
        loaded[name] = keys.load(tmp_path / name, create=False)
    assert set(loaded["one"].private) == {"router"}
    token = loaded["two"].sign("agents", keys.WorkerToken("w"), 60)
    assert loaded["one"].read(keys.WorkerToken, "agents", token).worker == "w"


def test_argo_cd_is_allowed_what_is_rendered_and_no_more() -> None:
    found = render.cluster(DEPLOY, "production")
    objects = argocd.root(found)
    assert lint.findings(objects) == []
    platform, operators = [each["spec"] for each in objects if each["kind"] == "AppProject"]
    allowed = {
        (each["group"], each["kind"])
        for part in ("cluster", "namespace")
        for each in platform[f"{part}ResourceWhitelist"]
    }
    rendered = [each for number in layout.WAVES for each in layout.assembled(found, number)]
    assert allowed == {(each["apiVersion"].rpartition("/")[0], each["kind"]) for each in rendered}
    assert ("", "Secret") not in allowed
    assert {each["namespace"] for each in operators["destinations"]} == {"cert-manager", "cnpg-system", "gpu-operator"}
    wide = {**platform, "sourceRepos": ["*"]}
    assert lint.findings([{"apiVersion": "x/v1", "kind": "AppProject", "metadata": {"name": "p"}, "spec": wide}]) != []


def test_every_wave_but_the_first_is_held_until_all_before_are_proven() -> None:
    found = render.cluster(DEPLOY, "production")
    (waves,) = [each for each in argocd.root(found) if each["kind"] == "ApplicationSet"]
    assert {each["folder"] for each in waves["spec"]["generators"][0]["list"]["elements"]} == set(layout.WAVES.values())
    digests = layout.digests(found)
    for number in layout.WAVES:
        jobs = [each for each in layout.assembled(found, number) if each["kind"] == "Job"]
        held = [each for each in jobs if "argocd.argoproj.io/hook" in each["metadata"].get("annotations", {})]
        (gate,) = [each for each in jobs if each["metadata"]["name"].endswith(digests[number][:10])]
        words = gate["spec"]["template"]["spec"]["containers"][0]["args"]
        assert words[words.index("--digest") + 1] == digests[number]
        assert len(held) == (1 if number else 0)
        for job in held:
            assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
            words = job["spec"]["template"]["spec"]["containers"][0]["args"]
            proven = [words[place + 1] for place, word in enumerate(words) if word == "--proven"]
            assert proven == [f"{each}={digests[each]}" for each in range(number)]


def test_every_chart_is_pinned_and_only_what_is_ours_is_brought() -> None:
    production = charts.ours(render.cluster(DEPLOY, "production").profile)
    assert [each.name for each in production] == [
        "cert-manager",
        "cloudnative-pg",
        "plugin-barman-cloud",
        "gpu-operator",
    ]
    assert all(re.fullmatch(r"v?\d+\.\d+\.\d+", each.version) for each in production)
    assert charts.ours(render.cluster(DEPLOY, "single-node").profile) == []


def fake_helm(folder: Path, monkeypatch: pytest.MonkeyPatch, ends: str = "true") -> Path:
    program = folder / "helm-bin/helm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word" >> {folder}/helm.log; done\n{ends}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return folder / "helm.log"


def test_helm_gets_the_pins_and_values_that_argo_cd_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, said = render.cluster(DEPLOY, "production"), list[str]()
    log = fake_helm(tmp_path, monkeypatch)
    charts.install(charts.ours(found.profile), Kubectl(tmp_path / "config", "there"), said.append)
    told = log.read_text().splitlines()
    applications = [each["spec"]["sources"][0] if "sources" in each["spec"] else each["spec"]["source"]
                    for each in argocd.root(found) if each["kind"] == "Application"]  # fmt: skip
    assert len(applications) == len(said) == 4
    for words, source in zip(split(told), applications, strict=True):
        assert words[2:4] == [source["helm"]["releaseName"], source["chart"]]
        given = dict(zip(words, words[1:], strict=False))
        assert (given["--repo"], given["--version"]) == (source["repoURL"], source["targetRevision"])
        values = [words[at + 1].partition("=") for at, word in enumerate(words) if word == "--set-json"]
        assert {key: json.loads(text) for key, _, text in values} == source["helm"]["valuesObject"]
        assert f"--kubeconfig={tmp_path / 'config'}" in words
        assert "--kube-context=there" in words


def split(words: list[str]) -> list[list[str]]:
    starts = [at for at, word in enumerate(words) if word == "upgrade"]
    return [words[start:end] for start, end in zip(starts, [*starts[1:], len(words)], strict=True)]


def test_a_chart_that_fails_ends_the_rollout_with_what_helm_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_helm(tmp_path, monkeypatch, "echo no such host >&2; exit 1")
    with pytest.raises(Unavailable, match=r"cert-manager v1\.18\.2: no such host") as failed:
        charts.install(charts.ours(render.cluster(DEPLOY, "production").profile), Kubectl(), lambda _: None)
    assert failed.value.hint.startswith("helm upgrade --install cert-manager")
    assert log.read_text().count("upgrade\n") == 1


def test_without_helm_nothing_is_begun_and_the_charts_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(tmp_path)
    program.install(monkeypatch)
    done = CliRunner().invoke(app, ["rollout", "--cluster", "production", "--from", str(DEPLOY), "--yes"])
    assert done.exit_code == 2
    assert isinstance(done.exception, ConfigError | SystemExit)
    with pytest.raises(ConfigError, match="gpu-operator") as told:
        charts.helm(charts.ours(render.cluster(DEPLOY, "production").profile))
    assert '--set-json \'mig={"strategy":"single"}\'' in told.value.hint
    assert not (tmp_path / "log").exists() or not [line for line in program.lines if "apply" in line]


async def test_a_wave_that_the_cluster_refuses_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(tmp_path, applies='case "$*" in */03-runtime) echo "nodeName names a node" >&2; exit 1;; esac')
    program.install(monkeypatch)
    said: list[str] = []
    with pytest.raises(
        Unavailable, match=r"wave 3 \(03-runtime\) cannot be applied: .*nodeName names a node"
    ) as refused:
        await rollout.rollout(DEPLOY, "single-node", Kubectl(), said.append)
    assert refused.value.code == "wave_refused"
    assert len(said) == 3
