"""A dump is read as kubectl writes it, whole or damaged, and Secrets leave their values behind."""

import json
from pathlib import Path

import pytest

from agents.observability.dumps import event, log, node, pod, write
from groundswell.backends.kube import dump
from groundswell.backends.kube.bounds import Bounds
from groundswell.core.errors import ToolFailed
from groundswell.core.manifests import parsed

NAME = "shop-5d4f-x"


def test_lists_events_and_logs_become_one_pack(tmp_path: Path) -> None:
    broken = pod(NAME, ready=False, restarts=4, state={"waiting": {"reason": "CrashLoopBackOff"}})
    logs = {
        f"{NAME}/logs.txt": log("INFO up\nERROR it broke"),
        f"{NAME}/previous-logs.txt": log("ERROR it broke before"),
    }
    pack = dump.evidence(write(tmp_path, logs, pods=[broken], events=[event("Pod", NAME, "BackOff", "Back-off")]), ())
    assert [each.source for each in pack.objects if "/Pod/" in each.source] == [f"k8s:demo/Pod/{NAME}"]
    assert [(each.container, each.previous) for each in pack.logs] == [("app", False), ("app", True)]
    assert pack.logs[0].excerpts[0].source == f"k8s:demo/Pod/{NAME}/app/logs#L1-L2"
    assert "BackOff Pod/shop-5d4f-x x5" in pack.events[0].text
    assert pack.taken == "2026-03-01T12:00:00Z"


def test_a_kind_without_a_list_is_unknown_and_one_with_an_empty_list_is_known(tmp_path: Path) -> None:
    pack = dump.evidence(write(tmp_path, configmaps=[]), ())
    assert "ConfigMap" in {each.kind for each in pack.listed}
    assert "PersistentVolumeClaim" in {each.what for each in pack.blind}
    assert "PersistentVolumeClaim" not in {each.kind for each in pack.listed}


def test_a_secret_keeps_the_names_of_its_keys_and_nothing_else(tmp_path: Path) -> None:
    secret = {
        "metadata": {
            "name": "login",
            "namespace": "demo",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"key":"aHVudGVyMg=="}}'},
        },
        "data": {"password": "aHVudGVyMg=="},
        "stringData": {"plain": "hunter2"},
    }
    pack = dump.evidence(write(tmp_path, secrets=[secret]), ())
    assert "hunter2" not in pack.model_dump_json()
    assert "aHVudGVyMg" not in pack.model_dump_json()
    found = next(each for each in pack.objects if each.source == "k8s:demo/Secret/login")
    assert parsed(found.text)[0]["keys"] == ["password", "plain"]


def test_a_list_that_is_cut_off_gives_what_stands_whole_and_is_not_fully_known(tmp_path: Path) -> None:
    folder = write(tmp_path, pods=[pod(NAME), pod("shop-5d4f-y")])
    file = folder / "demo" / "pods.json"
    text = file.read_text()
    file.write_text(text[: text.index("shop-5d4f-y") + 20])
    pack = dump.evidence(folder, ())
    assert any(each.what == "demo/pods.json" and "1 objects" in each.why for each in pack.blind)
    assert "Pod" not in {each.kind for each in pack.listed}
    assert NAME in "".join(each.text for each in pack.objects)


@pytest.mark.parametrize(
    "body", ["", "no json", "[1, 2]", '{"items": 3, "kind": "PodList"}', '{"kind":"PodList","items":[{"metadata":7}]}']
)
def test_what_is_no_list_is_said_to_be_none(body: str, tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "demo" / "pods.json").write_text(body)
    dump.evidence(folder, ())
    assert dump.read(folder).origin == f"dump:{folder}"


def test_a_folder_that_is_no_dump_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="no lists") as empty:
        dump.evidence(tmp_path, ())
    assert "cluster-info dump" in empty.value.hint
    (tmp_path / "notes.json").write_text("{ cut")
    with pytest.raises(ToolFailed, match="no file"):
        dump.evidence(tmp_path, ())
    with pytest.raises(ToolFailed, match="no folder"):
        dump.evidence(tmp_path / "gone", ())


def test_a_log_is_split_at_kubectls_markers_also_when_it_is_cut_off(tmp_path: Path) -> None:
    text = log("one", "app") + log("two\nthree", "proxy").rpartition("==== END")[0]
    folder = write(tmp_path, {f"{NAME}/logs.txt": text}, pods=[pod(NAME)])
    found = dump.logs_of(folder, dump.Wanted("demo", NAME, well=False))
    assert [(each.container, each.text.strip()) for each in found] == [("app", "one"), ("proxy", "two\nthree")]


def test_a_pod_whose_name_leads_out_of_the_dump_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "logs.txt").write_text(log("secret"))
    folder = write(tmp_path / "dump", pods=[pod("../../outside")])
    assert dump.logs_of(folder, dump.Wanted("demo", "../../outside", well=False)) == []
    (folder / "demo" / "linked.json").symlink_to(tmp_path / "outside" / "logs.txt")
    dump.evidence(folder, ())


def test_of_very_many_pods_that_are_well_a_few_stand_for_the_rest_and_the_rest_is_named(tmp_path: Path) -> None:
    many = [pod(f"shop-5d4f-{number}") for number in range(450)]
    sick = pod("shop-5d4f-sick", ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}})
    pack = dump.evidence(write(tmp_path, pods=[*many, sick], nodes=[node()]), ())
    assert any(each.startswith("447 pods that are well") for each in pack.left_out)
    assert "k8s:demo/Pod/shop-5d4f-sick" in {each.source for each in pack.objects}
    assert pack.census is not None
    assert "pods: 451, 450 of them well" in pack.census.text
    assert len(json.dumps(pack.model_dump(mode="json"))) < 100_000


def test_a_custom_kind_of_a_dump_is_found_by_its_list_and_seen_only_where_it_is_granted(tmp_path: Path) -> None:
    item = {"apiVersion": "cache.example.com/v1", "kind": "Memcache", "metadata": {"name": "fast", "namespace": "shop"}}
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "pods.json").write_text(json.dumps({"kind": "PodList", "items": [pod(NAME, "shop")]}))
    (tmp_path / "shop" / "memcaches.json").write_text(json.dumps({"kind": "List", "items": [item]}))
    for word in ("Memcache", "memcaches", "memcaches.cache.example.com"):
        kind = dump.kind_called(tmp_path, word)
        assert (kind.name, kind.plural, kind.group) == ("Memcache", "memcaches", "cache.example.com")
    with pytest.raises(ToolFailed) as unknown:
        dump.kind_called(tmp_path, "gadgets")
    assert "memcaches" in unknown.value.hint
    granted, other = Bounds(("shop",), (), ("memcaches.cache.example.com",)), Bounds(("shop",), (), ())
    assert [each["name"] for each in dump.read(tmp_path, bounds=granted).items["Memcache"]] == ["fast"]
    assert "Memcache" not in dump.read(tmp_path, bounds=other).items
    with pytest.raises(ToolFailed) as hidden:
        dump.kind_called(tmp_path, "memcaches", other)
    assert "memcaches" not in hidden.value.hint
