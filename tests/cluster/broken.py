"""Workloads that are broken on purpose, each with the question that a person would ask and what the answer must say.

Two are well by all that the API says: that one answers with errors and the other is starved of CPU only metrics tell.
"""

from dataclasses import dataclass, field
from typing import Any

from groundswell.deployment.objects import Object

SPACE = "shop"
SLEEP = "import signal; signal.pause()"
# counts requests that nobody makes, half of them answered with an error, and logs nothing of it
FAILS = """
import http.server, threading, time
count = {"200": 0, "500": 0}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        lines = [f'http_requests_total{{code="{code}"}} {number}' for code, number in count.items()]
        body = "\\n".join(["# TYPE http_requests_total counter", *lines, ""]).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
threading.Thread(target=http.server.ThreadingHTTPServer(("", 8001), Handler).serve_forever).start()
while True:
    count["200"] += 1
    count["500"] += 1
    time.sleep(0.2)
"""
SPINS = "while True: pass"
GROWS = "import time\nheld = []\nwhile True:\n    held.append(b'x' * 2**22)\n    time.sleep(0.05)"


@dataclass(frozen=True)
class Broken:
    """One workload, and what is asked about it."""

    name: str
    question: str
    says: tuple[str, ...]  # each of these must stand in the first paragraph of the answer
    program: str = SLEEP
    container: dict[str, Any] = field(default_factory=dict[str, Any])
    service: dict[str, str] = field(default_factory=dict[str, str])  # what its Service selects
    metrics: bool = False  # only Prometheus knows

    def objects(self, image: str) -> list[Object]:
        """Its Deployment, and its Service where it has one."""
        labels = {"app": self.name}
        about = {"metadata": {"labels": labels}}
        if self.program == FAILS:
            notes = {"prometheus.io/scrape": "true", "prometheus.io/port": "8001"}
            about = {"metadata": {"labels": labels, "annotations": notes}}
        container = {"name": self.name, "image": image, "imagePullPolicy": "IfNotPresent"}
        container |= {"command": ["python3", "-u", "-c", self.program], **self.container}
        spec = {
            "selector": {"matchLabels": labels},
            "template": {**about, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}},
        }
        metadata = {"name": self.name, "namespace": SPACE}
        found: list[Object] = [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}]
        if self.service:
            ports = [{"port": 80, "targetPort": 8001}]
            told = {"selector": self.service, "ports": ports}
            found.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": told})
        return found


ALL = (
    Broken(
        "catalog",
        "Why does the deployment catalog in namespace shop not start?",
        ("shop/catalog", "catalog-settings"),
        container={"envFrom": [{"configMapRef": {"name": "catalog-settings"}}]},
    ),
    Broken(
        "cart",
        "Why does the deployment cart in namespace shop keep restarting?",
        ("shop/cart", "OOMKilled", "48Mi"),
        GROWS,
        {"resources": {"limits": {"memory": "48Mi"}}},
    ),
    Broken(
        "orders",
        "Why is the deployment orders in namespace shop not ready?",
        ("shop/orders", "eadiness", "8099"),
        container={"readinessProbe": {"httpGet": {"path": "/", "port": 8099}, "periodSeconds": 2}},
    ),
    Broken(
        "front",
        "Why does nobody reach the service front in namespace shop?",
        ("shop/front", "app", "frontend"),
        service={"app": "frontend"},
    ),
    Broken(
        "reports",
        "Why is the deployment reports in namespace shop pending?",
        ("shop/reports", "cpu"),
        container={"resources": {"requests": {"cpu": "640"}}},
    ),
    Broken(
        "payments",
        "Is anything wrong with the deployment payments in namespace shop?",
        ("payments", "server errors"),
        FAILS,
        metrics=True,
    ),
    Broken(
        "search",
        "Why is the deployment search in namespace shop slow?",
        ("search", "throttled"),
        SPINS,
        {"resources": {"limits": {"cpu": "50m"}}},
        metrics=True,
    ),
)
