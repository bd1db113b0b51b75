"""Evidence of many kinds with claims that it bears: what the mutation tests start from."""

# source, evidence, [(claim, quote)]
RETRY = """def retry(function, attempts=3, wait=0.5):
    \"\"\"Call a function again until it works.

    The wait doubles after each attempt. A KeyboardInterrupt is never retried.
    \"\"\"
    for attempt in range(attempts):
        try:
            return function()
        except TransientError:
            logger.warning("attempt %d failed", attempt)
            time.sleep(wait * 2**attempt)"""
GO = """// Client talks to the API server over HTTP/2.
// It is safe for concurrent use.
type Client struct {
\tbaseURL *url.URL
\tmaxRetries int // at most 5
\ttimeout time.Duration
}

// NewClient returns a Client with a timeout of 30 seconds.
func NewClient(base string) (*Client, error) {"""
LOG = """2026-11-20T08:14:02Z payments-7d9f8b6c5-x2x4z INFO starting payments version 2.14.3
2026-11-20T08:14:05Z payments-7d9f8b6c5-x2x4z WARN connection to postgres-primary not established, retrying in 250ms
2026-11-20T08:14:09Z payments-7d9f8b6c5-x2x4z ERROR out of memory: 512Mi limit, 530Mi used
2026-11-20T08:14:09Z payments-7d9f8b6c5-x2x4z ERROR worker 7 exited with code 137"""
POD = """Name: checkout-5c6d7-abcde
Namespace: shop
Restart Count: 14
Last State: Terminated
  Reason: OOMKilled
  Exit Code: 137
  Started: Tue, 17 Nov 2026 09:12:44 +0000
Image: registry.example.org/shop/checkout:1.8.2
Events: Failed to pull image "registry.example.org/shop/checkout:1.8.3": not found"""
NEWS = """The Aurora satellite was launched on 14 March 2025 from Kourou. It carries 6 instruments and weighs 1,240 kg.
The European Space Agency did not extend the mission beyond 2031. Dr. Elena Rossi leads the science team,
which has published 87 papers. The mission cost €412 million, about 12% less than planned.
Data is downlinked to Kiruna twice a day."""
TRACE = """Traceback (most recent call last):
  File "/app/orders/service.py", line 88, in place_order
    total = price * quantity
TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'"""
TS = """export class SessionStore {
  /** Sessions expire after 20 minutes of inactivity. */
  private readonly ttl = 20 * 60 * 1000;

  async load(id: string): Promise<Session | null> {
    if (!this.cache.has(id)) {
      return null;
    }"""
DOCS = """## Limits

Requests larger than 10 MB are rejected with status 413. Uploads are not resumable.
An account may hold up to 25 API keys; keys created before 2024-06-01 no longer work.
Webhooks are signed with HMAC-SHA256 and are enabled by default."""
PROM = """container_memory_working_set_bytes{ns="shop",pod="checkout-5c6d7-abcde"} 536870912 @ 2026-11-17T09:12:40Z
kube_pod_container_status_restarts_total{namespace="shop",pod="checkout-5c6d7-abcde"} 14"""

TRUE = [
    (
        "repo:src/net/retry.py#L41-L51",
        RETRY,
        [
            (
                "`retry` is defined as a function in src/net/retry.py:41.",
                "def retry(function, attempts=3, wait=0.5):",
            ),
            ("By default `retry` makes 3 attempts.", "def retry(function, attempts=3, wait=0.5):"),
            (
                "Its documentation says: “Call a function again until it works.”",
                "Call a function again until it works.",
            ),
            ("A `KeyboardInterrupt` is never retried.", "A KeyboardInterrupt is never retried."),
            ("The wait doubles after each attempt.", "The wait doubles after each attempt."),
            ("`retry` catches `TransientError` in line 49.", "except TransientError:"),
            (
                "It logs “attempt %d failed” as a warning (line 50).",
                'logger.warning("attempt %d failed", attempt)',
            ),
        ],
    ),
    (
        "repo:pkg/client/client.go#L12-L21",
        GO,
        [
            ("`Client` is a struct in pkg/client/client.go:14.", "type Client struct {"),
            ("`Client` is safe for concurrent use.", "// It is safe for concurrent use."),
            (
                "`NewClient` sets a timeout of 30 seconds.",
                "// NewClient returns a Client with a timeout of 30 seconds.",
            ),
            ("`NewClient` takes `base string`.", "func NewClient(base string) (*Client, error) {"),
            ("The field `maxRetries` is an int of at most 5.", "maxRetries int // at most 5"),
            ("Client talks to the API server over HTTP/2.", "// Client talks to the API server over HTTP/2."),
        ],
    ),
    (
        "k8s:shop/Pod/payments-7d9f8b6c5-x2x4z/payments/logs#L1-L4",
        LOG,
        [
            (
                "The connection to postgres-primary was not established at 08:14:05.",
                "connection to postgres-primary not established",
            ),
            (
                "The container ran out of memory on 20 November 2026.",
                "ERROR out of memory: 512Mi limit, 530Mi used",
            ),
            ("It used 530 MiB of its limit of 512 MiB.", "out of memory: 512Mi limit, 530Mi used"),
            ("Worker 7 exited with code 137.", "ERROR worker 7 exited with code 137"),
            ("The payments service runs version 2.14.3.", "starting payments version 2.14.3"),
            ("It retries after 250 ms.", "retrying in 250ms"),
        ],
    ),
    (
        "k8s:shop/Pod/checkout-5c6d7-abcde",
        POD,
        [
            (
                "Pod checkout-5c6d7-abcde was OOMKilled with exit code 137.",
                "Reason: OOMKilled\n  Exit Code: 137",
            ),
            ("It restarted 14 times.", "Restart Count: 14"),
            ("The container started on 2026-11-17 at 09:12.", "Started: Tue, 17 Nov 2026 09:12:44 +0000"),
            (
                "The image 1.8.3 could not be pulled.",
                'Failed to pull image "registry.example.org/shop/checkout:1.8.3"',
            ),
            (
                "It runs registry.example.org/shop/checkout:1.8.2.",
                "Image: registry.example.org/shop/checkout:1.8.2",
            ),
            ("The pod was started on a Tuesday.", "Started: Tue, 17 Nov 2026 09:12:44 +0000"),
        ],
    ),
    (
        "https://news.example.org/aurora",
        NEWS,
        [
            (
                "Aurora was launched on March 14, 2025.",
                "The Aurora satellite was launched on 14 March 2025 from Kourou.",
            ),
            (
                "The satellite weighs 1240 kg and carries six instruments.",
                "It carries 6 instruments and weighs 1,240 kg.",
            ),
            (
                "The European Space Agency did not extend the mission beyond 2031.",
                "The European Space Agency did not extend the mission beyond 2031.",
            ),
            ("The science team is led by Elena Rossi.", "Dr. Elena Rossi leads the science team"),
            ("The team has published 87 papers.", "which has published 87 papers"),
            ("The mission cost 412 million euros.", "The mission cost €412 million"),
            ("It was launched from Kourou in March 2025.", "launched on 14 March 2025 from Kourou"),
            ("Data is downlinked to Kiruna two times a day.", "Data is downlinked to Kiruna twice a day."),
        ],
    ),
    (
        "repo:reports/crash.log#L1-L4",
        TRACE,
        [
            (
                "A `TypeError` was raised in orders/service.py, line 88, in `place_order`.",
                TRACE.splitlines()[1].strip(),
            ),
            (
                "The message is “unsupported operand type(s) for *: 'NoneType' and 'int'”.",
                "TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'",
            ),
            ("The failing line is `total = price * quantity`.", "total = price * quantity"),
        ],
    ),
    (
        "repo:web/src/session.ts#L5-L12",
        TS,
        [
            ("`SessionStore` is exported from web/src/session.ts:5.", "export class SessionStore {"),
            (
                "Sessions expire after 20 minutes of inactivity.",
                "Sessions expire after 20 minutes of inactivity.",
            ),
            (
                "`load` takes `id: string` and returns `Promise<Session | null>`.",
                "async load(id: string): Promise<Session | null> {",
            ),
            ("`load` returns null in line 11.", "return null;"),
        ],
    ),
    (
        "https://docs.example.org/limits",
        DOCS,
        [
            (
                "Requests over 10 MB are rejected with status 413.",
                "Requests larger than 10 MB are rejected with status 413.",
            ),
            ("Uploads cannot be resumed: they are not resumable.", "Uploads are not resumable."),
            ("An account has at most 25 API keys.", "An account may hold up to 25 API keys"),
            (
                "Keys created before 1 June 2024 no longer work.",
                "keys created before 2024-06-01 no longer work",
            ),
            ("Webhooks are enabled by default.", "are enabled by default"),
            ("Webhooks are signed with HMAC-SHA256.", "Webhooks are signed with HMAC-SHA256"),
        ],
    ),
    (
        "prom:container_memory_working_set_bytes@2026-11-17T09:00:00Z/2026-11-17T09:15:00Z",
        PROM,
        [
            ("Memory of checkout-5c6d7-abcde stood at 536870912 bytes.", PROM.splitlines()[0]),
            ("The pod restarted 14 times.", PROM.splitlines()[1]),
        ],
    ),
]
