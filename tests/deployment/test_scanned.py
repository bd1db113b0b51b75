"""What other programs say of the manifests: kubeconform of operators' kinds, checkov of all. Both are fetched."""

import copy
import json
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundswell.deployment import argocd, charts, layout, lint, render
from groundswell.deployment.objects import as_yaml, from_yaml

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"
CHECKOV = "checkov==3.3.30"
# where an operator's Go module has its kinds; what a chart pins is the program of that version
MODULES = {
    "github.com/argoproj/argo-cd/v3@v3.5.1": "manifests/crds/*-crd.yaml",
    "github.com/cert-manager/cert-manager@v1.18.2": "deploy/crds/*.yaml",
    "github.com/cloudnative-pg/cloudnative-pg@v1.30.0": "config/crd/bases/*.yaml",
    "github.com/cloudnative-pg/plugin-barman-cloud@v0.13.0": "config/crd/bases/*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.93.1": "example/*-crd/*_servicemonitors.yaml",
}
PROGRAMS = {  # chart at its version → the program that it brings
    "cert-manager v1.18.2": "cert-manager@v1.18.2",
    "cloudnative-pg 0.29.0": "cloudnative-pg@v1.30.0",
    "plugin-barman-cloud 0.7.0": "plugin-barman-cloud@v0.13.0",
    "gpu-operator v26.7.0": "",  # none of its kinds is rendered
}
Object = dict[str, Any]


def run(*words: str, folder: Path, ok: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in ok, f"{words[0]}: {done.stderr[-2000:]}"
    return done.stdout


def everything() -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for name in render.names(DEPLOY):
        cluster = render.cluster(DEPLOY, name)
        found[name] = [each for number in layout.WAVES for each in layout.assembled(cluster, number)]
        if cluster.profile.repository:
            found[name] += argocd.root(cluster)
    found[render.ALL_IN_ONE] = from_yaml((DEPLOY / "clusters/all-in-one/platform.yaml").read_text())
    for each in found[render.ALL_IN_ONE]:
        for container in (lint.template(each) or {"spec": {"containers": []}})["spec"]["containers"]:
            container["image"] = "localhost/groundswell:0.1.0"  # as its kustomization.yaml does
    return found


def closed(schema: Any) -> Any:
    """A schema as the API server reads it in strict mode: a field that it does not name is refused."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if found.pop("x-kubernetes-int-or-string", False):
        found = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if "properties" in found and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kinds of operators, each as a file of JSON Schema."""
    assert shutil.which("go"), "the kinds of operators are in their Go modules: install Go"
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "go.mod").write_text("module kinds\n")
    fetched = run("go", "mod", "download", "-json", *MODULES, folder=folder)
    places = [each["Dir"] for each in json.loads("[" + fetched.replace("}\n{", "},{") + "]")]
    for place, (module, pattern) in zip(places, MODULES.items(), strict=True):
        files = sorted(Path(place).glob(pattern))
        assert files, f"{module} has no kinds at {pattern}"
        for kind in [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]:
            if kind["kind"] == "CustomResourceDefinition":
                names, group = kind["spec"]["names"], kind["spec"]["group"]
                for version in kind["spec"]["versions"]:
                    schema = closed(version["schema"]["openAPIV3Schema"])
                    schema["properties"]["metadata"] = {"type": "object"}
                    file = folder / f"{group}_{names['kind'].lower()}_{version['name']}.json"
                    file.write_text(json.dumps(schema))
    return folder


def conforming(schemas: Path, objects: list[Object]) -> list[dict[str, str]]:
    """What kubeconform says of each object."""
    (schemas / "objects.yaml").write_text(as_yaml(objects))
    place = "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
    words = ["-strict", "-verbose", "-output", "json", "-schema-location", str(schemas / place), "objects.yaml"]
    return json.loads(run("go", "run", KUBECONFORM, *words, folder=schemas, ok=(0, 1)))["resources"]


def test_the_kinds_that_are_checked_are_those_that_the_pinned_charts_bring() -> None:
    pinned = [f"{each.name} {each.version}" for each in charts.ours(render.cluster(DEPLOY, "production").profile)]
    assert pinned == list(PROGRAMS)
    assert all(any(module.endswith(program) for module in MODULES) for program in PROGRAMS.values())


def test_every_operators_kind_conforms_and_none_is_left_unverified(schemas: Path) -> None:
    objects = [each for found in everything().values() for each in found]
    custom = [each for each in objects if "." in each["apiVersion"].partition("/")[0] and not ours(each)]
    said = conforming(schemas, custom)
    wrong = [f"{each['kind']} {each['name']}: {each['msg']}" for each in said if each["status"] != "statusValid"]
    assert not wrong, wrong
    assert {each["kind"] for each in custom} == {
        "Application",
        "ApplicationSet",
        "AppProject",
        "Certificate",
        "Cluster",
        "ClusterIssuer",
        "ObjectStore",
        "ScheduledBackup",
        "ServiceMonitor",
    }
    assert len(said) == len(custom)


def ours(each: Object) -> bool:
    """A built-in kind: `kubernetes-validate` has it, in every test run."""
    return each["apiVersion"].partition("/")[0].endswith(".k8s.io")


def test_a_field_that_an_operator_does_not_know_is_found(schemas: Path) -> None:
    objects = {each["kind"]: each for each in copy.deepcopy(everything()["production"])}
    objects["Cluster"]["spec"]["postgresql"]["synchronous"]["numbers"] = 1
    objects["ObjectStore"]["spec"]["configuration"]["wal"]["compression"] = "brotli"
    objects["Certificate"]["spec"]["dnsNames"] = "postgres-rw"
    said = conforming(schemas, [objects[kind] for kind in ("Cluster", "ObjectStore", "Certificate")])
    assert [each["status"] for each in said] == ["statusInvalid"] * 3


def test_checkov_finds_nothing_that_is_not_accepted_with_a_reason(tmp_path: Path) -> None:
    for name, objects in everything().items():
        (tmp_path / f"{name}.yaml").write_text(as_yaml(objects))
    (tmp_path / "planted.yaml").write_text(as_yaml([PLANTED]))
    uvx = str(Path(sys.executable).with_name("uvx"))
    options = ["--framework", "kubernetes", "--skip-download", "--quiet", "--compact", "--output", "json", "-d", "."]
    report = json.loads(run(uvx, "--from", CHECKOV, "checkov", *options, folder=tmp_path, ok=(0, 1)))
    report = report[0] if isinstance(report, list) else report
    assert report["summary"]["parsing_errors"] == 0
    found = {
        (each["file_path"].strip("/"), each["check_id"], each["resource"])
        for each in report["results"]["failed_checks"]
    }
    planted = {check for file, check, _ in found if file == "planted.yaml"}
    assert {"CKV_K8S_16", "CKV_K8S_19"} <= planted, "it sees a privileged pod on the host's network"
    accepted = tomllib.loads((DEPLOY / "accepted.toml").read_text())["accepted"]
    pairs = [(each["check"], pattern) for each in accepted for pattern in each["objects"]]
    left = sorted(
        (check, of, file)
        for file, check, of in found
        if file != "planted.yaml" and not any(check == one and fnmatch(of, pattern) for one, pattern in pairs)
    )
    assert not left, "\n".join(map(str, left))
    idle = [
        (one, pattern) for one, pattern in pairs if not any(c == one and fnmatch(of, pattern) for _, c, of in found)
    ]
    assert idle == [], "accepted, and found nowhere any more"
    assert all(len(each["why"]) > 30 for each in accepted)


PLANTED: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "planted", "namespace": "ai-tools"},
    "spec": {
        "hostNetwork": True,
        "containers": [{"name": "c", "image": "x:latest", "securityContext": {"privileged": True}}],
    },
}
