"""The evaluator against a second reading of the specification, written apart from it, sentence by sentence."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundswell.core.errors import ConfigError
from groundswell.deployment.netpol import Outside, Pod, Policies

SPACES = {"one": {"team": "a"}, "two": {"team": "b"}, "three": {}}
KEYS, VALUES = ("app", "tier"), ("x", "y")
PORTS = (53, 80, 443, 8080)
ADDRESSES = ("10.0.0.1", "10.0.1.1", "10.0.1.2", "192.168.7.7")
BLOCKS = ("0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "10.0.1.2/32", "192.168.0.0/16")


def brute(
    policies: list[dict[str, Any]], source: Pod | Outside, target: Pod | Outside, port: int, protocol: str
) -> bool:
    """By elimination: write every rule that a side is held to out as a set of what it permits, and look."""
    if source == target:
        return True
    for side, other, word, peers, kind in (
        (source, target, "egress", "to", "Egress"),
        (target, source, "ingress", "from", "Ingress"),
    ):
        if isinstance(side, Outside) or side.host_network:
            continue
        holding = []
        for policy in policies:
            spec = policy["spec"]
            types = spec.get("policyTypes")
            if types is None:  # "If not specified, defaults to Ingress; Egress too if there are egress rules"
                types = ["Ingress"] + (["Egress"] if len(spec.get("egress") or []) > 0 else [])
            if policy["metadata"]["namespace"] == side.namespace and chosen(spec["podSelector"], side.labels):
                holding += [spec] if kind in types else []
        if not holding:
            continue
        permitted: set[tuple[int, str]] = set()
        for spec in holding:
            for rule in spec.get(word) or []:
                if not rule.get(peers) or any(named(peer, other, side.namespace) for peer in rule[peers]):
                    permitted |= opened(rule.get("ports"), target)
        if (port, protocol) not in permitted:
            return False
    return True


def opened(ports: list[dict[str, Any]] | None, target: Pod | Outside) -> set[tuple[int, str]]:
    everything = {(number, protocol) for number in range(1, 9000) for protocol in ("TCP", "UDP")}
    if not ports:
        return everything
    found: set[tuple[int, str]] = set()
    for each in ports:
        protocol = each.get("protocol", "TCP")
        if "port" not in each:
            found |= {pair for pair in everything if pair[1] == protocol}
        elif isinstance(each["port"], int):
            found |= {(number, protocol) for number in range(each["port"], each.get("endPort", each["port"]) + 1)}
        elif isinstance(target, Pod):
            found |= {
                (number, p) for (name, p), number in target.ports.items() if (name, p) == (each["port"], protocol)
            }
    return found


def named(peer: dict[str, Any], other: Pod | Outside, own: str) -> bool:
    if "ipBlock" in peer:
        inside = IPv4Address(other.address) in IPv4Network(peer["ipBlock"]["cidr"])
        return inside and all(
            IPv4Address(other.address) not in IPv4Network(e) for e in peer["ipBlock"].get("except", [])
        )
    if isinstance(other, Outside) or other.host_network:
        return False
    if "namespaceSelector" in peer:
        space = dict(SPACES[other.namespace])
        space["kubernetes.io/metadata.name"] = other.namespace
        if not chosen(peer["namespaceSelector"], space):
            return False
    elif other.namespace != own:
        return False
    return chosen(peer["podSelector"], other.labels) if "podSelector" in peer else True


def chosen(selector: dict[str, Any], labels: Any) -> bool:
    wanted = [{"key": k, "operator": "In", "values": [v]} for k, v in selector.get("matchLabels", {}).items()]
    for each in [*wanted, *selector.get("matchExpressions", [])]:
        has = each["key"] in labels
        fits = has and labels[each["key"]] in each.get("values", [])
        if not {"In": fits, "NotIn": not fits, "Exists": has, "DoesNotExist": not has}[each["operator"]]:
            return False
    return True


labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
expression = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from((*KEYS, "team")),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from((*VALUES, "a", "b")), min_size=1, max_size=2),
        }
    ),
    st.fixed_dictionaries({"key": st.sampled_from(KEYS), "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
selector = st.fixed_dictionaries(
    {}, optional={"matchLabels": labels, "matchExpressions": st.lists(expression, max_size=2)}
)
spaces = st.one_of(
    selector,
    st.sampled_from([{"matchLabels": {"kubernetes.io/metadata.name": name}} for name in SPACES]),
    st.sampled_from([{"matchLabels": {"team": "a"}}, {"matchLabels": {"team": "b"}}]),
)
block = st.fixed_dictionaries(
    {"cidr": st.sampled_from(BLOCKS)}, optional={"except": st.lists(st.sampled_from(BLOCKS[2:4]), max_size=2)}
)
peer = st.one_of(
    st.fixed_dictionaries({"ipBlock": block}),
    st.fixed_dictionaries({"podSelector": selector}),
    st.fixed_dictionaries({"namespaceSelector": spaces}),
    st.fixed_dictionaries({"podSelector": selector, "namespaceSelector": spaces}),
)
protocol = st.sampled_from(["TCP", "UDP"])
port = st.one_of(
    st.fixed_dictionaries({}, optional={"protocol": protocol}),
    st.fixed_dictionaries({"port": st.sampled_from(PORTS)}, optional={"protocol": protocol, "endPort": st.just(8080)}),
    st.fixed_dictionaries({"port": st.sampled_from(["http", "dns", "nothing"])}, optional={"protocol": protocol}),
)


def rules(word: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    rule = st.fixed_dictionaries({}, optional={word: st.lists(peer, max_size=2), "ports": st.lists(port, max_size=2)})
    return st.lists(rule, max_size=2)


policy = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries({"name": st.just("p"), "namespace": st.sampled_from(sorted(SPACES))}),
        "spec": st.fixed_dictionaries(
            {"podSelector": selector},
            optional={
                "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
                "ingress": rules("from"),
                "egress": rules("to"),
            },
        ),
    }
)
pod = st.builds(
    Pod,
    namespace=st.sampled_from(sorted(SPACES)),
    name=st.sampled_from("mn"),
    labels=labels,
    address=st.sampled_from(ADDRESSES[:3]),
    ports=st.dictionaries(st.tuples(st.sampled_from(["http", "dns"]), protocol), st.sampled_from(PORTS), max_size=2),
    host_network=st.sampled_from([False, False, False, True]),
)
end = st.one_of(pod, st.builds(Outside, st.sampled_from(ADDRESSES)))


@settings(max_examples=600, deadline=None)
@given(st.lists(policy, max_size=4), end, end, st.sampled_from(PORTS), protocol)
def test_the_evaluator_reads_policies_as_a_second_reader_does(
    policies: list[dict[str, Any]], source: Pod | Outside, target: Pod | Outside, number: int, kind: str
) -> None:
    assert Policies(policies, SPACES).allow(source, target, number, kind) == brute(
        policies, source, target, number, kind
    )


def _policy(namespace: str = "one", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


A = Pod("one", "a", {"app": "x"}, "10.0.0.1", {("http", "TCP"): 80})
B = Pod("two", "b", {"app": "y"}, "10.0.1.1", {("http", "TCP"): 8080})


def test_without_a_policy_all_is_open_and_with_an_empty_one_nothing_comes_in() -> None:
    assert Policies([], SPACES).allow(B, A, 80)
    closed = Policies([_policy()], SPACES)
    assert not closed.allow(B, A, 80)
    assert closed.allow(A, B, 80), "a policy without egress rules does not hold for egress"
    assert closed.allow(A, A, 80), "a pod reaches itself"


def test_one_side_alone_does_not_open_a_way() -> None:
    both = _policy(policyTypes=["Ingress", "Egress"])
    opened = _policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}])
    assert Policies([both, opened], SPACES).allow(B, A, 80)
    assert not Policies([both, opened, _policy("two", policyTypes=["Egress"])], SPACES).allow(B, A, 80)


def test_a_name_means_each_targets_own_port_and_no_address_outside_has_one() -> None:
    named = Policies([_policy("one", policyTypes=["Egress"], egress=[{"ports": [{"port": "http"}]}])], SPACES)
    assert named.allow(A, B, 8080)
    assert not named.allow(A, B, 80)
    assert not named.allow(A, Outside("192.168.7.7"), 80)


def test_an_exception_takes_out_of_its_own_block_only() -> None:
    blocks = [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}}]
    one = Policies([_policy(policyTypes=["Egress"], egress=[{"to": blocks}])], SPACES)
    assert not one.allow(A, B, 80)
    two = Policies(
        [_policy(policyTypes=["Egress"], egress=[{"to": [*blocks, {"ipBlock": {"cidr": "10.0.1.1/32"}}]}])], SPACES
    )
    assert two.allow(A, B, 80)


def test_a_selector_of_an_unknown_kind_is_refused_and_not_passed_over() -> None:
    odd = _policy(podSelector={"matchExpressions": [{"key": "app", "operator": "Matches", "values": ["x"]}]})
    with pytest.raises(ConfigError, match="Matches"):
        Policies([odd], SPACES).allow(B, A, 80)
