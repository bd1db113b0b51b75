"""What an Argo CD is told, once: two AppProjects that allow what we have and no more, an Application for each wave."""

from collections.abc import Iterable

from groundswell.deployment import charts, layout
from groundswell.deployment.objects import PART_OF, Object, as_yaml, made
from groundswell.deployment.profile import Profile
from groundswell.waves.acting import WAVE_LABEL
from groundswell.waves.boards import NAMESPACE
from groundswell.waves.w00_foundation import GATE_LABEL

API = "argoproj.io/v1alpha1"
SERVER = "https://kubernetes.default.svc"
# cluster-wide kinds that the pinned charts bring
OPERATOR_KINDS = (
    ("", "Namespace"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("nvidia.com", "ClusterPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
)
OPERATOR_NAMESPACED = (
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("batch", "Job"),
    ("cert-manager.io", "Certificate"),
    ("cert-manager.io", "Issuer"),
    ("nfd.k8s-sigs.io", "NodeFeatureRule"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
)


def wanted(profile: Profile) -> bool:
    """Whether waves go through Argo CD here."""
    return profile.part("argocd").how != "none" and bool(profile.repository)


def namespace(profile: Profile) -> str:
    """Where Argo CD is."""
    there = profile.existing("argocd")
    return there.where if there else "argocd"


def root(found: layout.Cluster) -> list[Object]:
    """The projects, the operators' Applications, and one ApplicationSet of the waves."""
    profile = found.profile
    place = namespace(profile)
    operators = charts.ours(profile)
    objects = [_platform(found, place)]
    if operators:
        repositories = sorted({each.repository for each in operators})
        spaces = sorted({each.namespace for each in operators})
        spec = _spec("operators of the platform", repositories, spaces, OPERATOR_KINDS, OPERATOR_NAMESPACED)
        objects.append(made("AppProject", API, "operators", place, spec=spec))
        objects += [_operator(each, place) for each in operators]
    return [*objects, _waves(profile, place)]


def _platform(found: layout.Cluster, place: str) -> Object:
    """Exactly the kinds and namespaces of what is rendered."""
    objects = [each for number in layout.WAVES for each in layout.assembled(found, number)]
    kinds = {(_group(each), each["kind"], "namespace" in each["metadata"]) for each in objects}
    spaces = sorted({each["metadata"]["namespace"] for each in objects if "namespace" in each["metadata"]})
    wide = sorted((group, kind) for group, kind, namespaced in kinds if not namespaced)
    narrow = sorted((group, kind) for group, kind, namespaced in kinds if namespaced)
    spec = _spec("the platform, wave by wave", [found.profile.repository], spaces, wide, narrow)
    return made("AppProject", API, "groundswell", place, spec=spec)


def _spec(
    about: str,
    repositories: list[str],
    spaces: list[str],
    wide: Iterable[tuple[str, str]],
    narrow: Iterable[tuple[str, str]],
) -> Object:
    return {
        "description": about,
        "sourceRepos": repositories,
        "destinations": [{"server": SERVER, "namespace": each} for each in spaces],
        "clusterResourceWhitelist": [{"group": group, "kind": kind} for group, kind in wide],
        "namespaceResourceWhitelist": [{"group": group, "kind": kind} for group, kind in narrow],
    }


def _group(each: Object) -> str:
    group, slash, _ = each["apiVersion"].partition("/")
    return group if slash else ""


def _operator(chart: charts.Chart, place: str) -> Object:
    spec = {
        "project": "operators",
        "destination": {"server": SERVER, "namespace": chart.namespace},
        "sources": [
            {
                "repoURL": chart.repository,
                "chart": chart.chart,
                "targetRevision": chart.version,
                "helm": {"releaseName": chart.name, "valuesObject": chart.values},
            }
        ],
        "syncPolicy": {
            "automated": {"selfHeal": True},
            "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
        },
    }
    return made("Application", API, chart.name, place, spec=spec)


def _waves(profile: Profile, place: str) -> Object:
    """One Application a wave. Each syncs by itself; its own first step holds it until those before are proven.

    That needs nothing of Argo CD but hooks: neither progressive syncs nor the health of other Applications, which is
    told from the revision before while a new one is read.
    """
    elements = [{"wave": str(number), "folder": folder} for number, folder in layout.WAVES.items()]
    template = {
        "metadata": {"name": "groundswell-{{.folder}}", "labels": {**PART_OF, WAVE_LABEL: "{{.wave}}"}},
        "spec": {
            "project": "groundswell",
            "destination": {"server": SERVER, "namespace": NAMESPACE},  # of what names none: nothing
            "source": {
                "repoURL": profile.repository,
                "targetRevision": profile.revision,
                "path": f"deploy/clusters/{profile.name}/{{{{.folder}}}}",
            },
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true", "RespectIgnoreDifferences=true"],
                # a wave that is held tries on, each time with the newest commit
                "retry": {"limit": -1, "refresh": True, "backoff": {"duration": "5s", "factor": 1}},
            },
        },
    }
    spec = {
        "goTemplate": True,
        "goTemplateOptions": ["missingkey=error"],
        "generators": [{"list": {"elements": elements}}],
        "template": template,
    }
    return made("ApplicationSet", API, "groundswell", place, spec=spec)


# Argo CD's Lua has no clock: that a proof has expired is told by the gates alone, which are asked by every wave above
HEALTH = f"""\
hs = {{status = "Healthy", message = ""}}
if obj.metadata.labels == nil or obj.metadata.labels["{GATE_LABEL}"] == nil then return hs end
local d = obj.data or {{}}
if (d.below or "") ~= "" then
  hs.status, hs.message = "Degraded", d.below
elseif d.verdict == "closed" then
  hs.status, hs.message = "Degraded", d.reason or ""
elseif d.verdict ~= "open" then
  hs.status, hs.message = "Progressing", "its gate is not proven yet"
end
return hs
"""


def advice(profile: Profile) -> str:
    """What an Argo CD shows more with: a patch to read, which we do not apply. No gate needs it."""
    patch = {"data": {"resource.customizations.health.ConfigMap": HEALTH}}
    dumped = as_yaml([patch], head="").rstrip()
    return (
        "Argo CD shows a wave whose gate failed, or that stands on one, as Degraded with this in argocd-cm of "
        f"{namespace(profile)}; gates hold without it:\n{dumped}"
    )
