"""What redaction removes, what it leaves, and that neither depends on how the text came."""

from hypothesis import given, settings
from hypothesis import strategies as st

from groundswell.core.redaction import Redactor, redact

PIECES = st.sampled_from(
    ["password", "token", "secret", " ", "\n", "\r\n", " = ", "=", ": ", '"', "'", "hunter2", "x1y2z3w4q5", "\\", "(", ")", "[", "]",
     "{", "}", ",", ";", "&", "?", "://", "@", "user:pa55", "ghp_abcdefghijklmnopqrstuvwxyz0123", "sk-", "AKIAIOSFODNN7EXAMPLE",
     "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.abcdef",
     "kind: Secret\n", "apiVersion: v1\n", "data:\n", "  key: aGVsbG8gd29ybGQ=\n", "machine h login u password ", "machine h\n", "login u\n", "name: DB_PASSWORD\n", "value: x9\n",
     "[section]\n", "Authorization: Bearer ", "Cookie: ", "sid=abcdef123456", "; ", "--password ", "curl -u a:b", "mysql -ppw1 ", "aws ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "[secret:password]", "[secret:", "a", "Z", "0", "_", "-", ".", "/", "$", "${X}", "é", "İ", "\x85", "\0", "<password>", "</", "word " * 50, "A" * 700, "db:5432:a:b:", "\n---\n", "\t", "#"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join)


@settings(max_examples=8000, deadline=None)
@given(TEXTS, st.data())
def test_however_a_stream_is_cut_it_gives_what_the_whole_gives(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    redactor = Redactor()
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    out = "".join([redactor.push(chunk) for chunk in chunks]) + redactor.flush()
    assert out == redact(text)


@settings(max_examples=8000, deadline=None)
@given(TEXTS)
def test_redacting_again_changes_nothing_and_no_line_moves(text):
    once = redact(text)
    assert redact(once) == once
    assert once.count("\n") == text.count("\n")
    assert len(once.splitlines()) == len(text.splitlines())
