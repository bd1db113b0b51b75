"""The kinds of object that are looked at: where the API has them, and which files of a dump do."""

import re
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of object."""

    name: str
    plural: str
    path: str  # of the API's group and version
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API's group; "" is Kubernetes' first."""
        return self.path.split("/")[1] if self.path.startswith("apis/") else ""


KINDS = (
    Kind("Namespace", "namespaces", "api/v1", namespaced=False),
    Kind("Node", "nodes", "api/v1", namespaced=False),
    Kind("Pod", "pods", "api/v1"),
    Kind("Event", "events", "api/v1"),
    Kind("Service", "services", "api/v1"),
    Kind("Endpoints", "endpoints", "api/v1"),
    Kind("EndpointSlice", "endpointslices", "apis/discovery.k8s.io/v1"),
    Kind("Deployment", "deployments", "apis/apps/v1"),
    Kind("ReplicaSet", "replicasets", "apis/apps/v1"),
    Kind("StatefulSet", "statefulsets", "apis/apps/v1"),
    Kind("DaemonSet", "daemonsets", "apis/apps/v1"),
    Kind("ReplicationController", "replicationcontrollers", "api/v1"),
    Kind("Job", "jobs", "apis/batch/v1"),
    Kind("CronJob", "cronjobs", "apis/batch/v1"),
    Kind("ConfigMap", "configmaps", "api/v1"),
    Kind("Secret", "secrets", "api/v1"),
    Kind("ServiceAccount", "serviceaccounts", "api/v1"),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims", "api/v1"),
    Kind("PersistentVolume", "persistentvolumes", "api/v1", namespaced=False),
    Kind("StorageClass", "storageclasses", "apis/storage.k8s.io/v1", namespaced=False),
    Kind("VolumeAttachment", "volumeattachments", "apis/storage.k8s.io/v1", namespaced=False),
    Kind("Ingress", "ingresses", "apis/networking.k8s.io/v1"),
    Kind("IngressClass", "ingressclasses", "apis/networking.k8s.io/v1", namespaced=False),
    Kind("NetworkPolicy", "networkpolicies", "apis/networking.k8s.io/v1"),
    Kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", "apis/autoscaling/v2"),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", "apis/policy/v1"),
    Kind("ResourceQuota", "resourcequotas", "api/v1"),
    Kind("LimitRange", "limitranges", "api/v1"),
    Kind("PriorityClass", "priorityclasses", "apis/scheduling.k8s.io/v1", namespaced=False),
    Kind("Role", "roles", "apis/rbac.authorization.k8s.io/v1"),
    Kind("RoleBinding", "rolebindings", "apis/rbac.authorization.k8s.io/v1"),
    Kind("ClusterRole", "clusterroles", "apis/rbac.authorization.k8s.io/v1", namespaced=False),
    Kind("ClusterRoleBinding", "clusterrolebindings", "apis/rbac.authorization.k8s.io/v1", namespaced=False),
    Kind(
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "apis/admissionregistration.k8s.io/v1",
        namespaced=False,
    ),
    Kind(
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "apis/admissionregistration.k8s.io/v1",
        namespaced=False,
    ),
    Kind("APIService", "apiservices", "apis/apiregistration.k8s.io/v1", namespaced=False),
    Kind("Lease", "leases", "apis/coordination.k8s.io/v1"),
    Kind("Certificate", "certificates", "apis/cert-manager.io/v1"),
    Kind("Application", "applications", "apis/argoproj.io/v1alpha1"),
    Kind("AppProject", "appprojects", "apis/argoproj.io/v1alpha1"),
)
BY_NAME = {kind.name: kind for kind in KINDS}
BY_PLURAL = {kind.plural: kind for kind in KINDS} | {
    "replication-controllers": BY_NAME["ReplicationController"],  # as kubectl names the file
}
# a `Secret` is never asked for: there is no right to read it. These are not asked for unless somebody names them:
UNASKED = frozenset(
    """Secret ClusterRole ClusterRoleBinding Role RoleBinding Lease ServiceAccount PriorityClass Certificate
    Application AppProject""".split()  # noqa: SIM905
)
EXPECTED = tuple(kind.name for kind in KINDS if kind.name not in UNASKED)
ASKED = (*EXPECTED, "PriorityClass")  # of a live cluster: `kubectl cluster-info dump` does not write it, an API has it


def is_name(text: str) -> bool:
    """Whether an object may be called so: what else stands in a path could lead to another namespace."""
    return re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", text) is not None and ".." not in text


def named(word: str) -> Kind | None:
    """A kind by its name or plural, as people write it: `pods`, `Pod`, `pvc`."""
    word = word.lower()
    short = SHORT.get(word, word)
    return next((kind for kind in KINDS if short in (kind.name.lower(), kind.plural)), None)


SHORT = {
    "po": "pod",
    "svc": "service",
    "deploy": "deployment",
    "rs": "replicaset",
    "sts": "statefulset",
    "ds": "daemonset",
    "cj": "cronjob",
    "cm": "configmap",
    "sa": "serviceaccount",
    "pvc": "persistentvolumeclaim",
    "pv": "persistentvolume",
    "sc": "storageclass",
    "ing": "ingress",
    "netpol": "networkpolicy",
    "hpa": "horizontalpodautoscaler",
    "pdb": "poddisruptionbudget",
    "quota": "resourcequota",
    "ns": "namespace",
    "no": "node",
    "ep": "endpoints",
    "ev": "event",
}
