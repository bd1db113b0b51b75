"""Every selector of a tenant's query, however deep, is narrowed to what the tenant may read."""

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundswell.backends.prometheus.bounds import bounded
from groundswell.core.errors import Denied, GroundswellError, ToolFailed

LABELS = {"namespace": ("shop", "shop-*"), "cluster": ("eu.1",)}

values = st.sampled_from(["shop", "billing", ".*", 'a"b', "x offset 5m", "\\\\d+", "{namespace='billing'}", "é"])
matchers = st.builds(
    lambda name, operator, value: f'{name}{operator}"{value.replace(chr(34), chr(92) + chr(34))}"',
    st.sampled_from(["namespace", "job", "pod", "cluster"]),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    values,
)
selectors = st.builds(
    lambda name, those, tail: f"{name}{{{', '.join(those)}}}{tail}",
    st.sampled_from(["up", "kube_pod_info", "http:requests:rate5m"]),
    st.lists(matchers, max_size=3),
    st.sampled_from(["", " offset 5m", " @ end()", " @ 12.5 offset -1h"]),
)
expressions = st.recursive(
    selectors | st.sampled_from(["1", "time()", "vector(3)"]),
    lambda inner: st.one_of(
        st.builds("sum by (pod) ({})".format, inner),
        st.builds("topk(3, {})".format, inner),
        st.builds("max_over_time(({})[1h:5m])".format, inner),
        st.builds("absent({})".format, inner),
        st.builds('label_replace({}, "namespace", "shop", "pod", ".*")'.format, inner),
        st.builds("({}) or on (pod) ({})".format, inner, inner),
        st.builds("({}) / ignoring (job) group_left () ({})".format, inner, inner),
        st.builds("-({})".format, inner),
        st.builds("({}) # {{}}\n".format, inner),
    ),
    max_leaves=6,
)


def selected(query: str) -> list[set[tuple[str, str, str]]]:
    """The matchers of each selector."""
    found: list[set[tuple[str, str, str]]] = []

    def visit(part: object) -> bool:
        if isinstance(part, promql_parser.VectorSelector):
            assert not part.matchers.or_matchers
            found.append({(str(each.op), each.name, each.value) for each in part.matchers.matchers})
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


@given(expressions)
def test_each_selector_keeps_its_own_matchers_and_gets_ours(query: str) -> None:
    try:
        before = selected(query)
    except ValueError:
        return  # such as a scalar where a vector belongs
    after = selected(bounded(query, LABELS))
    ours = {
        ("MatchOp.Re", "namespace", r"shop|shop\-.*"),
        ("MatchOp.Re", "cluster", r"eu\.1"),
    }
    assert [each | ours for each in before] == after


def test_a_tenants_words_stay_as_they_are_otherwise() -> None:
    query = "sum by (pod) (rate(x[5m] offset 1m)) / on (pod) group_left () y @ end() > bool 1"
    told = bounded(query, {"namespace": ("shop",)})
    assert told == (
        'sum by (pod) (rate(x{namespace=~"shop"}[5m] offset 1m)) / on (pod) group_left () '
        'y{namespace=~"shop"} @ end() > bool 1'
    )


@pytest.mark.parametrize(
    ("query", "kind", "code"),
    [
        ("info(up)", Denied, "function_not_allowed"),
        ('sum(rate(x[5m])) + on () info(up, {cluster="b"})', Denied, "function_not_allowed"),
        ('up{namespace="a" or namespace="b"}', ToolFailed, "bad_promql"),
        ("up{", ToolFailed, "bad_promql"),
    ],
)
def test_what_cannot_be_narrowed_is_refused(query: str, kind: type[GroundswellError], code: str) -> None:
    with pytest.raises(kind) as refused:
        bounded(query, LABELS)
    assert refused.value.code == code


def test_without_labels_nothing_is_read() -> None:
    with pytest.raises(Denied):
        bounded("up", {})
