"""The declared graph and the rendered policies say the same of every pair of pods, and of what lies outside."""

import itertools
from pathlib import Path

import pytest

from groundswell.core.errors import ConfigError
from groundswell.core.settings import PolicyFile
from groundswell.deployment import all_in_one, foundation, names, render
from groundswell.deployment.graph import Edge, Others, Port, Workload, denied, policies
from groundswell.deployment.netpol import Outside, Pod, Policies
from groundswell.deployment.objects import PART_OF, selector

DEPLOY = Path(__file__).parents[2] / "deploy"
CLUSTERS = render.names(DEPLOY)
METADATA = [Outside(address) for address in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")]
WEB, PRIVATE = Outside("93.184.215.14"), Outside("10.1.2.3")
STRANGER = Pod("default", "stranger", {"app.kubernetes.io/name": "router"}, "10.244.9.9")
DNS = Pod("kube-system", "dns", {"k8s-app": "kube-dns"}, "10.244.0.2")
INTRUDER = Pod("ai-tools", "intruder", {"app.kubernetes.io/name": "none"}, "10.244.8.8")
ASKED = (53, 80, 443, 5353, 5432, 6333, 6334, 6335, 6443, 8000, 8080, 9090)


class World:
    """One cluster's pods and policies."""

    def __init__(self, name: str) -> None:
        found = render.cluster(DEPLOY, name)
        self.edges = [*foundation.inner_edges(), *foundation.outer_edges(found.profile, found.policy)]
        rendered = [*foundation.isolation(), *foundation.openings(found.profile, found.policy)]
        spaces = {name: dict(PART_OF) for name in foundation.NAMESPACES}
        self.policies = Policies(rendered, spaces | {"kube-system": {}, "default": {}, "openshift-dns": {}})
        ours = {
            each
            for edge in self.edges
            for each in (edge.source, edge.target)
            if isinstance(each, Workload) and each.name
        }
        self.pods = {
            each: Pod(each.namespace, each.name, selector(each.name), f"10.244.1.{number}")
            for number, each in enumerate(sorted(ours, key=str), 1)
        }

    def declared(self, source: Workload, target: Workload, port: int, protocol: str) -> bool:
        return any(
            edge.source in (source, Workload(source.namespace))
            and edge.target in (target, Workload(target.namespace))
            and any(p.number <= port <= (p.end or p.number) and p.protocol == protocol for p in edge.ports)
            for edge in self.edges
        )


@pytest.fixture(scope="module", params=CLUSTERS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_the_whole_matrix_is_as_declared(world: World) -> None:
    """Every workload to every other, on every port that anything listens on: what is not an edge is shut."""
    wrong, opened = [], 0
    for (source, s), (target, t) in itertools.permutations(world.pods.items(), 2):
        for port, protocol in itertools.product(ASKED, ("TCP", "UDP")):
            allowed = world.policies.allow(s, t, port, protocol)
            opened += allowed
            if allowed != world.declared(source, target, port, protocol):
                wrong.append(f"{source} → {target}:{port}/{protocol} is {'open' if allowed else 'shut'}")
    assert wrong == []
    assert opened > 20


def test_names_can_be_looked_up_from_everywhere(world: World) -> None:
    for pod in (*world.pods.values(), INTRUDER):
        for protocol in ("UDP", "TCP"):
            assert world.policies.allow(pod, DNS, 53, protocol), pod
            assert world.policies.allow(pod, Outside("169.254.20.10"), 53, protocol)
            openshift = Pod(
                "openshift-dns", "dns", {"dns.operator.openshift.io/daemonset-dns": "default"}, "10.244.0.3"
            )
            assert world.policies.allow(pod, openshift, 5353, protocol)


def test_no_pod_reaches_a_metadata_service(world: World) -> None:
    for pod, target, port in itertools.product(world.pods.values(), METADATA, (53, 80, 443, 6443, 8080)):
        assert not world.policies.allow(pod, target, port), f"{pod.name} → {target.address}:{port}"


def test_nobody_else_comes_in_and_a_pod_without_a_part_gets_nowhere(world: World) -> None:
    for pod, port in itertools.product(world.pods.values(), ASKED):
        assert not world.policies.allow(STRANGER, pod, port), f"stranger → {pod.name}:{port}"
        assert not world.policies.allow(INTRUDER, pod, port), f"intruder → {pod.name}:{port}"
    assert not world.policies.allow(INTRUDER, WEB, 443)


def test_only_who_needs_it_gets_out(world: World) -> None:
    """The web is for the tools; the API server for the tools, the gate, and a database that has an operator."""
    out = {pod.name for pod in world.pods.values() if world.policies.allow(pod, WEB, 443)}
    api = {pod.name for pod in world.pods.values() if world.policies.allow(pod, PRIVATE, 6443)}
    assert out - {"postgres"} == {"tools", "gate"}
    assert api - {"postgres"} == {"tools", "gate"}
    assert not any(world.policies.allow(pod, PRIVATE, 80) for pod in world.pods.values())


def test_only_models_and_the_gate_reach_an_engine(world: World) -> None:
    engine = Pod("ai-inference", "planner", selector("planner"), "10.244.7.7")
    assert {p.name for p in world.pods.values() if world.policies.allow(p, engine, 8000)} - {"planner"} == {
        "models",
        "gate",
    }


def test_every_edge_says_why(world: World) -> None:
    assert [edge for edge in world.edges if len(edge.why) < 8] == []


def test_an_address_of_the_metadata_service_is_open_for_names_alone_and_only_where_it_answers_them() -> None:
    edges = names.lookups("ai-tools", ("cloud-dns",))
    opened = Policies([denied("ai-tools"), *policies(edges)], {"ai-tools": {}})
    assert opened.allow(INTRUDER, METADATA[0], 53, "UDP")
    assert not opened.allow(INTRUDER, METADATA[0], 80)
    with pytest.raises(ConfigError, match="no DNS 'bind'"):
        names.lookups("ai-tools", ("bind",))


def test_an_edge_that_is_taken_out_shuts_the_way() -> None:
    """The control: with one edge less the matrix is not the declared one."""
    world = World(CLUSTERS[0])
    kept = [edge for edge in foundation.inner_edges() if "run asks the tools" not in edge.why]
    less = Policies(
        [denied("ai-agents"), denied("ai-tools"), *policies(kept)], dict.fromkeys(foundation.NAMESPACES, {})
    )
    agents, tools = world.pods[Workload("ai-agents", "agents")], world.pods[Workload("ai-tools", "tools")]
    assert world.policies.allow(agents, tools, 8000)
    assert not less.allow(agents, tools, 8000)


def test_tools_that_are_not_granted_open_no_way() -> None:
    found = render.cluster(DEPLOY, CLUSTERS[0])
    nothing = PolicyFile.model_validate({"tenants": {"local": {"tools": ["file_read"]}}})
    edges = foundation.outer_edges(found.profile, nothing)
    named = {str(edge.target) for edge in edges if edge.source == Workload("ai-tools", "tools")}
    assert "the API server" not in named


def test_the_pod_that_is_all_in_one_takes_nothing_in_and_reaches_what_its_tools_need() -> None:
    objects = [each for each in all_in_one.rendered() if each["kind"] == "NetworkPolicy"]
    found = Policies(objects, {"groundswell": {}, "kube-system": {}, "default": {}})
    pod = Pod("groundswell", "groundswell", selector("groundswell"), "10.244.1.1")
    assert found.allow(pod, PRIVATE, 6443)
    assert found.allow(pod, WEB, 443)
    assert found.allow(pod, DNS, 53, "UDP")
    assert not any(found.allow(pod, each, 80) for each in METADATA)
    assert not found.allow(pod, PRIVATE, 5432)
    assert not any(found.allow(STRANGER, pod, port) for port in ASKED)


def test_an_edge_of_others_is_rendered_at_our_end_only() -> None:
    scraper = Others("scraper", (("name", "monitoring"),), (("app", "prometheus"),))
    (only,) = policies([Edge(scraper, Workload("ai-vector", "qdrant"), (Port(6333),), "it is scraped")])
    assert only["metadata"]["namespace"] == "ai-vector"
    assert only["spec"]["policyTypes"] == ["Ingress"]
