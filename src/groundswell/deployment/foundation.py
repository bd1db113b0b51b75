"""Wave 0: namespaces with their quotas and limits, the graph of edges, and what a pod may not say."""

from collections.abc import Mapping, Sequence

from groundswell.core.settings import PolicyFile
from groundswell.deployment import names
from groundswell.deployment.graph import Addresses, Edge, Others, Port, Workload, anywhere, denied, policies, public
from groundswell.deployment.objects import PART_OF, Object, made, space
from groundswell.deployment.profile import Profile
from groundswell.deployment.workloads import GATEWAY_PORT, PORT, needs, services

NAMESPACES = ("ai-agents", "ai-inference", "ai-observability", "ai-router", "ai-tools", "ai-vector")
HTTPS = (Port(443), Port(6443))
# cpu and memory that may be asked for, memory at most, pods: for each replica of what runs there
QUOTAS: dict[str, tuple[int, int, int, int]] = {
    "ai-agents": (4, 8, 16, 20),
    "ai-inference": (64, 512, 768, 20),
    "ai-observability": (4, 8, 16, 20),
    "ai-router": (4, 8, 16, 20),
    "ai-tools": (4, 8, 16, 20),
    "ai-vector": (16, 32, 64, 20),
}


def namespaces() -> list[Object]:
    """The six, each with what bounds it."""
    found = [space(name) for name in NAMESPACES]
    for name in NAMESPACES:
        found += [_default_account(name), _quota(name), _limits(name)]
    return found


def _default_account(namespace: str) -> Object:
    """The account of pods that name none: it has no token to lose."""
    return made("ServiceAccount", "v1", "default", namespace, automountServiceAccountToken=False)


def _quota(namespace: str) -> Object:
    cpu, memory, at_most, pods = QUOTAS[namespace]
    hard = {
        "requests.cpu": str(cpu),
        "requests.memory": f"{memory}Gi",
        "limits.memory": f"{at_most}Gi",
        "pods": str(pods),
        "services.nodeports": "0",
        "services.loadbalancers": "0",
    }
    return made("ResourceQuota", "v1", "bounds", namespace, spec={"hard": hard})


def _limits(namespace: str) -> Object:
    """What a container gets that says nothing; ours all say it."""
    limit = {
        "type": "Container",
        "default": {"memory": "256Mi"},
        "defaultRequest": {"cpu": "50m", "memory": "128Mi"},
    }
    return made("LimitRange", "v1", "bounds", namespace, spec={"limits": [limit]})


def inner_edges() -> list[Edge]:
    """What is open on every cluster: names, and the platform's own ways."""
    of = {name: Workload(each.namespace, name) for name, each in services().items()}
    postgres, qdrant = Workload("ai-vector", "postgres"), Workload("ai-vector", "qdrant")
    engines = [Workload("ai-inference", "planner"), Workload("ai-inference", "code")]
    gate = Workload("ai-observability", "gate")
    http, sql, rest = (Port(PORT),), (Port(5432),), (Port(6333),)
    edges = [edge for namespace in NAMESPACES for edge in names.lookups(namespace, names.USUAL)]
    edges += [
        Edge(of["gateway"], each, http, "it passes requests on, and shows how all stand")
        for name, each in of.items()
        if name != "gateway"
    ]
    edges += [Edge(of["agents"], of[name], http, f"a run asks the {name}") for name in ("router", "tools", "models")]
    edges += [Edge(each, postgres, sql, "everything durable is there") for each in of.values()]
    edges += [Edge(of["tools"], qdrant, rest, "vectors are written and searched")]
    edges += [Edge(of["models"], each, http, "only this asks engines") for each in engines]
    edges += [
        Edge(Workload("ai-vector", "migrate"), postgres, sql, "it brings the schema up to date"),
        Edge(postgres, postgres, (*sql, Port(8000)), "replicas follow, and ask how each stands"),
        Edge(qdrant, qdrant, (Port(6335), *rest), "peers agree, and send shards"),
    ]
    # a gate runs what a later wave brings in its own pod, so it reaches what those services reach
    edges += [
        Edge(gate, of["gateway"], (Port(GATEWAY_PORT),), "it asks as people do"),
        *(Edge(gate, each, http, "it tries it") for name, each in of.items() if name != "gateway"),
        *(Edge(gate, each, http, "it tries the engine") for each in engines),
        Edge(gate, postgres, sql, "it writes and reads back"),
        Edge(gate, qdrant, rest, "it writes and reads back"),
    ]
    return edges


def outer_edges(profile: Profile, policy: PolicyFile) -> list[Edge]:
    """What the profile says is there already, and what the granted tools must reach."""
    tools, models = Workload("ai-tools", "tools"), Workload("ai-inference", "models")
    gate, postgres = Workload("ai-observability", "gate"), Workload("ai-vector", "postgres")
    qdrant = Workload("ai-vector", "qdrant")
    server = Addresses("the API server", profile.api_server) if profile.api_server else anywhere("the API server")
    edges = [edge for namespace in NAMESPACES for edge in names.lookups(namespace, _more_dns(profile))]
    reached = needs(policy)
    edges.append(Edge(gate, server, HTTPS, "it records its verdict"))
    if "cluster" in reached:
        edges.append(Edge(tools, server, HTTPS, "its tools read the cluster"))
    if reached & {"web", "repo"}:
        edges.append(Edge(tools, public("the web"), (Port(80), Port(443)), "its tools read pages and clone"))
    if profile.git and "repo" in reached:
        edges.append(Edge(tools, Addresses("Git servers", profile.git), (Port(443),), "its tools clone"))
    edges += _from_profile(profile, tools=tools, models=models, gate=gate)
    if profile.ours("postgresql") and profile.database == "cnpg":
        operator = _operator("cloudnative-pg", "cnpg-system")
        edges += [
            Edge(operator, postgres, (Port(8000), Port(5432)), "the operator asks how it stands"),
            Edge(postgres, server, HTTPS, "its manager tells the operator"),
            Edge(postgres, public("the object store"), (Port(443),), "backups go there"),
        ]
    if scraper := profile.existing("prometheus"):
        node, _ = scraper.node("prometheus")
        scraped = [(Workload("ai-inference", role), Port(PORT)) for role in profile.models]
        scraped += [(qdrant, Port(6333))] if profile.ours("qdrant") else []
        edges += [Edge(node, each, (port,), "it is scraped") for each, port in scraped]
    return edges


def _from_profile(profile: Profile, *, tools: Workload, models: Workload, gate: Workload) -> list[Edge]:
    """Edges to and from each part that is there already."""
    edges: list[Edge] = []
    gateway = Workload("ai-router", "gateway")
    targets: Mapping[str, tuple[tuple[Workload, ...], str]] = {
        "prometheus": ((tools, gate), "its tools ask for metrics"),
        "search": ((tools,), "its tools search"),
        "inference": ((models, gate), "models are asked there"),
        "qdrant": ((tools, gate), "vectors are there"),
        "postgresql": (
            (
                *(Workload(each.namespace, name) for name, each in services().items()),
                Workload("ai-vector", "migrate"),
                gate,
            ),
            "everything durable is there",
        ),
    }
    for name, (sources, why) in targets.items():
        if part := profile.existing(name):  # type: ignore[arg-type]  # all are names of parts
            node, port = part.node(name)
            edges += [Edge(source, node, (port,), why) for source in sources]
    if part := profile.existing("ingress"):
        node, _ = part.node("ingress")
        edges.append(Edge(node, gateway, (Port(GATEWAY_PORT),), "people come in through it"))
    return edges


def _operator(name: str, namespace: str) -> Others:
    """An operator's pods, as its chart labels them."""
    return Others(name, (("kubernetes.io/metadata.name", namespace),), (("app.kubernetes.io/name", name),))


def _more_dns(profile: Profile) -> tuple[str, ...]:
    return tuple(name for name in profile.dns if name not in names.USUAL)


def isolation() -> list[Object]:
    """Default deny, and what is open on every cluster."""
    return [*(denied(namespace) for namespace in NAMESPACES), *policies(inner_edges())]


def openings(profile: Profile, policy: PolicyFile) -> list[Object]:
    """What is open on this cluster besides; policies add up."""
    return policies(outer_edges(profile, policy), "-here")


SPEC = (
    "object.kind == 'Pod' ? object.spec : object.kind == 'CronJob' ? "
    "object.spec.jobTemplate.spec.template.spec : object.spec.template.spec"
)


def admission() -> list[Object]:
    """What the API server refuses in our namespaces: naming a node, and taking memory without a limit."""
    return [*_no_node_names(), *_bounded()]


def _no_node_names() -> list[Object]:
    """Where a pod of ours runs is the scheduler's word."""
    host = "'kubernetes.io/hostname'"
    rest = "leave the choice to the scheduler, and select nodes by what they are"
    unnamed = f"!has(term.matchExpressions) || term.matchExpressions.all(each, each.key != {host})"
    terms = (
        "variables.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution"
        ".?nodeSelectorTerms.orValue([])"
    )
    conditions = [
        # that controller binds each of its pods to a node, by the node's name
        {
            "name": "not-of-a-daemon-set",
            "expression": "request.userInfo.username != 'system:serviceaccount:kube-system:daemon-set-controller'",
        },
        # a pod that runs has its node; only what is new, or changes its template, chooses
        {"name": "chooses", "expression": "!(object.kind == 'Pod' && request.operation == 'UPDATE')"},
    ]
    validations = {
        "variables.spec.?nodeName.orValue('') == ''": f"nodeName names a node: {rest}",
        f"variables.spec.?nodeSelector.orValue({{}}).all(key, key != {host})": f"nodeSelector names a node: {rest}",
        f"variables.terms.all(term, !has(term.matchFields) && ({unnamed}))": f"node affinity names a node: {rest}",
    }
    rules = [*TEMPLATES, _rule("", "pods")]
    return _refused("groundswell-no-node-names", rules, {"spec": SPEC, "terms": terms}, validations, conditions)


def _bounded() -> list[Object]:
    """A pod gets a namespace's default, which fits nobody: what we deploy says how much it may take."""
    bound = "variables.spec.containers.all(each, each.?resources.?limits.?memory.hasValue())"
    message = "a container has no memory limit: say how much it may take (resources.limits.memory)"
    return _refused("groundswell-limits", TEMPLATES, {"spec": SPEC}, {bound: message})


def _refused(
    name: str,
    rules: Sequence[Object],
    variables: Mapping[str, str],
    validations: Mapping[str, str],
    conditions: Sequence[Object] = (),
) -> list[Object]:
    """A policy, and its binding to our namespaces."""
    group = "admissionregistration.k8s.io/v1"
    spec: Object = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": list(rules)}}
    if conditions:
        spec["matchConditions"] = list(conditions)
    spec["variables"] = [{"name": each, "expression": what} for each, what in variables.items()]
    spec["validations"] = [{"expression": what, "message": message} for what, message in validations.items()]
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": PART_OF}},
    }
    return [
        made("ValidatingAdmissionPolicy", group, name, spec=spec),
        made("ValidatingAdmissionPolicyBinding", group, name, spec=binding),
    ]


def _rule(group: str, *resources: str) -> Object:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(resources),
    }


TEMPLATES = (  # what says how pods of ours are made
    _rule("apps", "deployments", "statefulsets", "daemonsets", "replicasets"),
    _rule("batch", "jobs", "cronjobs"),
)
