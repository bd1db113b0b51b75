"""Wave 1: the vector store and the database keep what they are given, inside the cluster and within their limits."""

import secrets

from groundswell.client import Client
from groundswell.core.check import Place, check, failed, judged, measure, seen
from groundswell.core.records import Proof
from groundswell.waves.acting import NAMESPACES, PROBE, asked, called, is_back, ours, scratch_collection, value

QUESTION, BEARER = "What does a night in summer cost?", "harbour-fees.md"
FULL = 0.8  # of a limit
QDRANT = "qdrant - vector search engine"  # what the server calls itself; what is not it stands in for it


@check(proves=("w1.vector-round-trip", "w1.embedding-cycle"))
async def vectors_come_back(platform: Client, place: Place) -> Proof:
    """Index six pages, then look for the one that bears an answer, by meaning and words."""
    embeddings = str((await platform.ready()).get("details", {}).get("embeddings", ""))
    async with scratch_collection(platform, place) as name:
        shelf = await value(platform, "collection_show", {"name": name}, agent="web")
        asked_for = {"query": QUESTION, "collections": [name], "limit": 3}
        found = await value(platform, "documents_search", asked_for, agent="web")
    _, after = await called(platform, "collections_list", agent="web")  # where it was the only one there is no data
    left = [each["name"] for each in after.value or []]
    pages = [str(each["excerpt"]["source"]) for each in found]
    place_of = next((number for number, source in enumerate(pages, 1) if BEARER in source), 0)
    return judged(
        f"of {len(shelf['documents'])} pages the right one came back at place {place_of or 'none'}",
        measure("pages written", len(shelf["documents"]), 1, relation=">="),
        measure("place of the right page", place_of or None, 1),
        measure("left behind", int(name in left), 0, unit="collections"),
        measure("made vectors", not embeddings.startswith("none"), threshold=True),
        seen=[seen(str(each["excerpt"]["source"]), str(each["excerpt"]["text"])) for each in found[:2]],
    )


@check(proves=("w1.qdrant", "w1.collections"))
async def collections_are_listed(platform: Client, place: Place) -> Proof:
    """A collection that was made is in the list, and one that was removed is not."""
    async with scratch_collection(platform, place) as name:
        there = [each["name"] for each in await value(platform, "collections_list", agent="web")]
    _, after = await called(platform, "collections_list", agent="web")  # where it was the only one there is no data
    gone = [each["name"] for each in after.value or []]
    store = str((await platform.ready()).get("details", {}).get("vectors", ""))
    return judged(
        f"{len(there)} collections were listed, by {store or 'a store without a name'}",
        measure("listed while it was there", name in there, threshold=True),
        measure("listed when it was gone", name in gone, threshold=False),
        simulated=not store.startswith(QDRANT),
    )


@check(proves=("w1.postgresql", "w1.postgresql-reachable"))
async def database_answers(platform: Client) -> Proof:
    """The database has a schema, and a run that was stored is read back with all its events."""
    details = (await platform.ready()).get("details", {})
    mark = f"verify {secrets.token_hex(6)}"
    seen_run = await asked(platform, mark, agent=PROBE)
    numbers = [event.number for event in seen_run.events]
    return judged(
        f"{details.get('database', 'a')} database, schema {details.get('schema', '?')}",
        measure("schema", int(details.get("schema", 0)), 1, relation=">="),
        measure("read back", seen_run.run.question == mark, threshold=True),
        measure("events without a gap", numbers == list(range(1, len(numbers) + 1)), threshold=True),
    )


@check(proves="w1.persistence", drill=True, undo=is_back, hours=7 * 24, seconds=180)
async def what_was_written_survives_a_restart(platform: Client, place: Place) -> Proof:
    """Write a run and a collection, kill what stores them, and read both again."""
    drill = place.drills.get("stores")
    if drill is None:
        return failed("this place does not say how its stores are restarted")
    mark = f"verify {secrets.token_hex(6)}"
    run = await asked(platform, mark, agent=PROBE)
    async with scratch_collection(platform, place) as name:
        before = await value(platform, "collection_show", {"name": name}, agent="web")
        said = await drill()
        after = await value(platform, "collection_show", {"name": name}, agent="web")
        query = {"query": QUESTION, "collections": [name], "limit": 1}
        found = await value(platform, "documents_search", query, agent="web")
    again = await platform.show(run.run.id)
    lost = len(before["documents"]) - len(after["documents"])
    return judged(
        f"{said}; the run and {len(after['documents'])} pages were still there",
        measure("run read back", again == run.run, threshold=True),
        measure("pages lost", lost, 0),
        measure("found after it", BEARER in str(found[0]["excerpt"]["source"]) if found else None, threshold=True),
        seen=[seen(f"run:{run.run.id}", run.text)],
    )


@check(proves="w1.volumes", needs=("kubernetes",))
async def volumes_are_bound(platform: Client, place: Place) -> Proof:
    """Every claim of ours has its volume."""
    claims = await ours(platform, place, "pvc")
    bound = [each for each in claims if each.get("status", {}).get("phase") == "Bound"]
    return judged(
        f"{len(bound)} of {len(claims)} claims are bound",
        measure("claims", len(claims), 1, relation=">="),
        measure("claims without a volume", len(claims) - len(bound), 0),
        seen=[seen(f"k8s:{e['namespace']}/PersistentVolumeClaim/{e['name']}", str(e.get("status"))) for e in claims],
    )


@check(proves="w1.internal-exposure", needs=("kubernetes",))
async def services_stay_inside(platform: Client, place: Place) -> Proof:
    """No Service of ours is a NodePort or a LoadBalancer, and no Ingress leads to one."""
    services = await ours(platform, place, "services")
    outside = [each for each in services if each.get("spec", {}).get("type") in ("NodePort", "LoadBalancer")]
    ingresses = await ours(platform, place, "ingresses")
    return judged(
        f"{len(services)} Services, {len(outside) + len(ingresses)} ways in from outside",
        measure("services", len(services), 1, relation=">="),
        measure("ways in from outside", len(outside) + len(ingresses), 0),
        seen=[seen(f"k8s:{e['namespace']}/{e['kind']}/{e['name']}", "reaches outside") for e in [*outside, *ingresses]],
    )


@check(proves="w1.resources", needs=("kubernetes", "prometheus"), hours=6)
async def working_sets_stay_within_limits(platform: Client, place: Place) -> Proof:
    """Every container has a limit of memory, none was killed for memory, and none uses more than 80 % of its limit."""
    pods = await ours(platform, place, "pods")
    containers = [(pod, each) for pod in pods for each in pod.get("containers", [])]
    bare = [f"{pod['namespace']}/{pod['name']}" for pod, each in containers if "memory" not in each.get("limits", {})]
    killed = [pod for pod, each in containers if each.get("last", {}).get("reason") == "OOMKilled"]
    among = "|".join(NAMESPACES)
    share = (
        f'max(container_memory_working_set_bytes{{namespace=~"{among}",container!=""}}'
        f' / on(namespace,pod,container) kube_pod_container_resource_limits{{resource="memory"}})'
    )
    source = {"prometheus": place.profile.where("prometheus")}
    answer = await value(platform, "metrics_query", {"promql": share}, sources=source)
    series = answer.get("series") or []
    most = series[0].get("last") if series else None
    return judged(
        f"{len(containers)} containers; the fullest uses {'?' if most is None else f'{most:.0%}'} of its limit",
        measure("containers", len(containers), 1, relation=">="),
        measure("without a limit", len(bare), 0, unit="containers"),
        measure("killed for memory", len(killed), 0, unit="containers"),
        measure("fullest working set", most, FULL, relation="<=", unit="of its limit"),
        seen=[seen(f"k8s:{name}", "no memory limit") for name in bare],
    )
