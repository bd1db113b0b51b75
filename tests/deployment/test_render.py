"""What is rendered is what is committed, is valid for every Kubernetes that is supported, and breaks no rule."""

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from pydantic import ValidationError

from groundswell.backends.kube.kinds import KINDS
from groundswell.core.errors import ConfigError
from groundswell.core.policy import SourceUse
from groundswell.core.settings import PolicyFile, TenantPolicy, load
from groundswell.deployment import all_in_one, layout, lint, render, rights, workloads
from groundswell.deployment.objects import as_yaml, from_yaml
from groundswell.policies.sources import allowed_sources
from groundswell.runtime import discovery
from groundswell.runtime.grants import grant_for
from groundswell.waves import plan

DEPLOY = Path(__file__).parents[2] / "deploy"
CLUSTERS = render.names(DEPLOY)
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
# kinds that an operator brings: no schema of theirs is in the package
CUSTOM = {"Certificate", "Cluster", "ClusterIssuer", "ObjectStore", "ScheduledBackup", "ServiceMonitor"}
Object = dict[str, Any]


def whole(name: str) -> list[Object]:
    if name == render.ALL_IN_ONE:
        objects = copy.deepcopy(all_in_one.rendered())
        for each in objects:
            for container in (lint.template(each) or {"spec": {"containers": []}})["spec"]["containers"]:
                container["image"] = "localhost/groundswell:0.1.0"
        return objects
    found = render.cluster(DEPLOY, name)
    return [each for number in layout.WAVES for each in layout.assembled(found, number)]


@pytest.fixture(scope="module", params=[*CLUSTERS, render.ALL_IN_ONE])
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return whole(request.param)


def test_the_committed_manifests_are_the_rendered_ones() -> None:
    assert render.drifted(DEPLOY, render.files(DEPLOY)) == [], "run: groundswell render"


def test_a_manifest_that_was_edited_or_is_left_over_is_found_and_mended(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    folder = tmp_path / "deploy"
    edited, old = folder / "waves/04-tools/tools.yaml", folder / "waves/04-tools/before.yaml"
    old.write_text(edited.read_text())
    edited.write_text(edited.read_text().replace("runAsNonRoot: true", "runAsNonRoot: false"))
    rendered = render.files(folder)
    assert render.drifted(folder, rendered) == ["waves/04-tools/before.yaml", "waves/04-tools/tools.yaml"]
    render.write(folder, rendered)
    assert render.drifted(folder, rendered) == []
    assert not old.exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_built_in_kind_is_valid(objects: list[Object], version: str) -> None:
    checked = 0
    for each in objects:
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, version, strict=True)
            checked += 1
    assert checked > 10


def test_a_field_that_kubernetes_does_not_know_is_found(objects: list[Object]) -> None:
    wrong = copy.deepcopy(next(each for each in objects if each["kind"] == "Deployment"))
    wrong["spec"]["template"]["spec"]["nodename"] = "worker-1"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.35", strict=True)


def test_no_rule_is_broken(objects: list[Object]) -> None:
    assert lint.findings(objects) == []


def _pod(each: Object) -> Object:
    return each["spec"]["template"]["spec"]


def _container(each: Object) -> Object:
    return _pod(each)["containers"][0]


BREAKS = {
    "nodeName is 'worker-1'": lambda each: _pod(each).update(nodeName="worker-1"),
    "nodeSelector names the node": lambda each: _pod(each).update(nodeSelector={"kubernetes.io/hostname": "a"}),
    "has no limits.memory": lambda each: _container(each)["resources"].pop("limits"),
    "has no requests.cpu": lambda each: _container(each)["resources"]["requests"].pop("cpu"),
    "may run as root": lambda each: _pod(each)["securityContext"].update(runAsNonRoot=False),
    "writes its root": lambda each: _container(each)["securityContext"].update(readOnlyRootFilesystem=False),
    "may gain privileges": lambda each: _container(each)["securityContext"].update(privileged=True),
    "keeps capabilities": lambda each: _container(each)["securityContext"].pop("capabilities"),
    "enableServiceLinks": lambda each: _pod(each).pop("enableServiceLinks"),
    "has no readinessProbe": lambda each: _container(each).pop("readinessProbe"),
    "of no version": lambda each: _container(each).update(image="groundswell:latest"),
    "is a path of its node": lambda each: _pod(each)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
    "default ServiceAccount": lambda each: _pod(each).pop("serviceAccountName"),
    "shares its node's": lambda each: _pod(each).update(hostNetwork=True),
    "node affinity names a node": lambda each: _pod(each).update(
        affinity={
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}
                    ]
                }
            }
        }
    ),
}


@pytest.mark.parametrize("sentence", BREAKS)
def test_each_rule_finds_what_breaks_it(sentence: str) -> None:
    found = copy.deepcopy(whole("single-node"))
    gateway = next(each for each in found if each["kind"] == "Deployment" and each["metadata"]["name"] == "gateway")
    BREAKS[sentence](gateway)
    assert [text for text in lint.findings(found) if sentence in text and "ai-router/gateway" in text], sentence


def test_rights_that_are_too_wide_and_names_that_point_nowhere_are_found() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "wide"}}
    role["rules"] = [{"apiGroups": ["*"], "resources": ["secrets"], "verbs": ["get"]}]
    bound = {**role, "kind": "ClusterRoleBinding", "roleRef": {"name": "cluster-admin"}}
    lost = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "ai-tools"}}
    lost["spec"] = {"selector": {"app": "renamed"}, "type": "NodePort"}
    text = "\n".join(lint.findings([role, bound, lost, lost]))
    for sentence in (
        "* for apiGroups",
        "reads or changes Secrets",
        "cluster-admin",
        "selects no pod",
        "NodePort",
        "twice",
    ):
        assert sentence in text


def test_tools_read_the_kinds_they_know_and_no_secret() -> None:
    rules = rights.reading()
    named = {(group, name) for rule in rules for group in rule["apiGroups"] for name in rule["resources"]}
    for kind in KINDS:
        group = "" if kind.path == "api/v1" else kind.path.split("/")[1]
        assert ((group, kind.plural) in named) == (kind.name != "Secret"), kind
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch", "create"}
    assert [rule["resources"] for rule in rules if "create" in rule["verbs"]] == [["subjectaccessreviews"]]


def test_custom_kinds_that_a_policy_names_are_granted_to_the_tools_alone(tmp_path: Path) -> None:
    deploy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, deploy)
    named = ["postgresqls.acid.zalan.do", "operatorconfigurations.acid.zalan.do", "kafkas.kafka.strimzi.io"]
    (deploy / "policy.toml").write_text(f"[tenants.shop]\ncustom_kinds = {json.dumps(named)}\n")
    wave = next(name for name in render.files(deploy) if name.startswith("clusters/") and name.endswith("/custom.yaml"))
    role, binding = from_yaml(render.files(deploy)[wave])
    assert role["rules"] == [
        {"apiGroups": ["acid.zalan.do"], "resources": ["operatorconfigurations", "postgresqls"], "verbs": rights.READ},
        {"apiGroups": ["kafka.strimzi.io"], "resources": ["kafkas"], "verbs": rights.READ},
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "tools", "namespace": "ai-tools"}]
    assert "custom.yaml" in render.files(deploy)[wave.replace("custom.yaml", "kustomization.yaml")]
    assert not any(name.endswith("/custom.yaml") for name in render.files(DEPLOY))


@pytest.mark.parametrize(
    "kind", ["*", "pods", "deployments.apps", "secrets.vault.example.com", "*.example.com", "x.y.k8s.io"]
)
def test_what_is_no_custom_kind_or_is_secret_is_granted_to_nobody(kind: str) -> None:
    with pytest.raises(ValidationError):
        TenantPolicy(custom_kinds=(kind,))


def test_only_pods_that_talk_to_the_api_get_a_token(objects: list[Object]) -> None:
    given = {
        p["spec"]["serviceAccountName"]
        for e in objects
        if (p := lint.template(e)) and p["spec"]["automountServiceAccountToken"]
    }
    assert given <= {"tools", "gate", "groundswell", "groundswell-key"}


def test_the_rendered_settings_are_settings(tmp_path: Path) -> None:
    for name in CLUSTERS:
        found = render.cluster(DEPLOY, name)
        (read,) = workloads.settings(found.profile, found.policy_text, "ai-tools")
        (tmp_path / "key").write_text("the-key-of-qdrant\n")
        for file, text in read["data"].items():
            (tmp_path / file).write_text(text.replace(workloads.VECTORS, str(tmp_path)))
        loaded = load(tmp_path, environment={})
        settings = loaded.settings
        assert (settings.vectors.key is not None) is found.profile.ours("qdrant"), "only tools are told the key's place"
        (elsewhere,) = workloads.settings(found.profile, found.policy_text, "ai-router")
        assert workloads.VECTORS not in elsewhere["data"]["groundswell.toml"]
        ruled = loaded.policy.tenants["local"]
        given = grant_for(discovery.agents()["observability"], "local", loaded.policy)
        use = SourceUse(kind="kubernetes", source=settings.sources.kubernetes)
        assert allowed_sources.function(use, given).allowed, "what tools are set to read is what policy grants"
        assert ruled.namespaces is None, "the key of bootstrap reads what the tools' own rights reach"
        assert settings.gateway.keyless is False
        assert settings.database.migrate is False
        assert settings.services.tools == "http://tools.ai-tools.svc:8000"
        assert "{role}" in settings.database.url
    (tmp_path / "groundswell.toml").write_text(all_in_one.SETTINGS)
    assert load(tmp_path, environment={}).settings.sources.kubernetes == "in-cluster:"


def test_a_profile_says_of_every_line_whether_it_is_proven_there() -> None:
    for name in CLUSTERS:
        assert plan.profile(DEPLOY / "clusters" / name / "profile.toml").name == name


def test_each_service_gets_its_own_private_key_and_no_other() -> None:
    for name, found in workloads.services().items():
        volumes = {e["name"]: e for e in _pod(workloads.rendered(found)[1])["volumes"]}
        private = {item["path"] for item in volumes["signing"]["secret"]["items"] if "private" in item["path"]}
        assert private == ({f"{name}.private.pem"} if name in workloads.SIGNERS else set())


def test_the_grants_that_are_written_down_are_those_of_agents_and_policy() -> None:
    ruled = PolicyFile.model_validate({"tenants": {"a": {"tools": ["web_fetch"]}, "b": {"tools": []}, "c": {}}})
    found = json.loads(workloads.grants(ruled)["data"]["grants.json"])
    assert found["a"]["web"] == ["web_fetch"]
    assert found["a"]["coding"] == found["b"]["web"] == []
    assert found["c"]["web"] == sorted(discovery.agents()["web"].tools)


def test_what_tools_reach_is_read_off_the_tools() -> None:
    assert workloads.needs(PolicyFile()) == {"cluster", "metrics", "repo", "web"}
    assert "cluster" not in workloads.needs(PolicyFile.model_validate({"tenants": {"t": {"tools": ["web_fetch"]}}}))


def test_a_plan_with_two_claims_on_one_gpu_is_refused(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    file = tmp_path / "deploy/clusters/production/profile.toml"
    file.write_text(file.read_text().replace("gpus = 8\nnodes = 1", "gpus = 4\nnodes = 1"))
    with pytest.raises(ConfigError) as refused:
        render.files(tmp_path / "deploy")
    assert refused.value.code == "gpu_claimed_twice"


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not there: the overlays are read by our own reading alone"
)
@pytest.mark.parametrize("name", CLUSTERS)
def test_kustomize_makes_of_the_overlays_what_is_checked_here(name: str) -> None:
    def keyed(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
        return {(e["kind"], e["metadata"].get("namespace", ""), e["metadata"]["name"]): e for e in objects}

    for number, folder in layout.WAVES.items():
        words = ["kubectl", "kustomize", str(DEPLOY / "clusters" / name / folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
        ours = from_yaml(as_yaml(layout.assembled(render.cluster(DEPLOY, name), number)))
        assert keyed(from_yaml(done.stdout)) == keyed(ours)
