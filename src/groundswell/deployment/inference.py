"""vLLM as Deployments: one for each role of the profile that has a model."""

from groundswell.deployment.memory import checked, known, table
from groundswell.deployment.objects import Container, Object, account, empty, made, pod, selector, service
from groundswell.deployment.placement import RESOURCE, affinity
from groundswell.deployment.profile import Model, Profile
from groundswell.deployment.workloads import budget, claim, spread

NAMESPACE = "ai-inference"
PRIORITY = "groundswell-inference"
PORT = 8000


def rendered(profile: Profile) -> list[Object]:
    """All of it. Raises ConfigError for a model that does not fit its GPUs."""
    if not profile.models:
        return []
    checked(profile.models)
    priority = made(
        "PriorityClass",
        "scheduling.k8s.io/v1",
        PRIORITY,
        value=100_000,
        globalDefault=False,
        preemptionPolicy="PreemptLowerPriority",
        description="Engines hold GPUs and take minutes to start: they go last.",
    )
    return [priority, *(each for role, model in profile.models.items() for each in _one(role, model, profile))]


def _one(role: str, model: Model, profile: Profile) -> list[Object]:
    found = [
        account(role, NAMESPACE),
        claim(f"{role}-weights", NAMESPACE, profile, f"{round(known(model.name).weights_gb * 1.3) + 10}Gi"),
        _deployment(role, model),
        service(role, NAMESPACE, {"http": PORT}),
        budget(role, NAMESPACE),
    ]
    return found + ([monitor(role, NAMESPACE)] if profile.existing("prometheus") and profile.monitors else [])


def monitor(name: str, namespace: str, port: str = "http") -> Object:
    """What the Prometheus operator reads; only where the cluster has its kinds."""
    spec = {
        "selector": {"matchLabels": selector(name)},
        "endpoints": [{"port": port, "path": "/metrics", "interval": "15s"}],
    }
    return made("ServiceMonitor", "monitoring.coreos.com/v1", name, namespace, spec=spec)


def arguments(role: str, model: Model) -> list[str]:
    """vLLM's command line: nothing that matters is left to a default."""
    engine, found = table().engine, known(model.name)
    words = [
        f"--model={found.repository}",
        f"--served-model-name={role}",
        f"--port={PORT}",
        f"--tensor-parallel-size={model.gpu.count}",
        f"--max-model-len={model.context}",
        f"--max-num-seqs={model.concurrency}",
        f"--max-num-batched-tokens={engine.batched_tokens}",
        f"--max-num-queued-reqs={engine.queued_requests}",
        f"--gpu-memory-utilization={engine.gpu_memory_utilization}",
        f"--shutdown-timeout={engine.shutdown_seconds}",
        "--enable-prefix-caching",
        "--enable-prompt-tokens-details",
        "--enable-force-include-usage",
    ]
    if found.tools:
        words += ["--enable-auto-tool-choice", f"--tool-call-parser={found.tools}"]
    return words + ([f"--reasoning-parser={found.reasoning}"] if found.reasoning else [])


def _deployment(role: str, model: Model) -> Object:
    engine = table().engine
    health = {"httpGet": {"path": "/health", "port": "http"}, "timeoutSeconds": 5}
    memory = f"{max(16, round(known(model.name).weights_gb * 0.4) + 12)}Gi"
    container = Container(
        name="engine",
        image=f"{engine.image}:{engine.tag}",
        args=arguments(role, model),
        cpu=str(4 * model.gpu.count),
        memory=memory,
        env={
            "HOME": "/cache",
            "HF_HOME": "/weights",
            "VLLM_CACHE_ROOT": "/cache/vllm",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        },
        ports={"http": PORT},
        mounts={"/weights": "weights:ro", "/cache": "cache", "/tmp": "tmp", "/dev/shm": "shared"},  # noqa: S108
        probes={
            "startupProbe": {**health, "periodSeconds": 10, "failureThreshold": 180},  # weights are read, graphs made
            "readinessProbe": {**health, "periodSeconds": 5, "failureThreshold": 3},
            "livenessProbe": {**health, "periodSeconds": 15, "failureThreshold": 8},
        },
        more={"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}},
        resources={RESOURCE: str(model.gpu.count)},
    )
    volumes = [
        {"name": "weights", "persistentVolumeClaim": {"claimName": f"{role}-weights", "readOnly": True}},
        empty("cache", "16Gi"),
        empty("tmp", "4Gi"),
        empty("shared", "8Gi", medium="Memory"),
    ]
    template = pod(
        role,
        [container],
        volumes,
        account=role,
        component="engine",
        priorityClassName=PRIORITY,
        terminationGracePeriodSeconds=engine.shutdown_seconds + 15,
        affinity=affinity(model.gpu),
        tolerations=[{"key": RESOURCE, "operator": "Exists", "effect": "NoSchedule"}],
        topologySpreadConstraints=spread(role),
    )
    spec = {
        "replicas": model.replicas,
        # a new one would need GPUs that the old one still has
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "progressDeadlineSeconds": 2400,
        "selector": {"matchLabels": selector(role)},
        "template": template,
    }
    return made("Deployment", "apps/v1", role, NAMESPACE, spec=spec)
