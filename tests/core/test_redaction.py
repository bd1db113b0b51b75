"""What redaction removes, what it leaves, and that neither depends on how the text came."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundswell.core.redaction import Redactor, found, redact, redact_value

# each line has one secret, between the guillemets, which are taken out before it is redacted
SECRETS = """
«AKIAIOSFODNN7EXAMPLE»
aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»
export AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»
fatal: token «ghp_abcdefghijklmnopqrstuvwxyz0123456789» refused
«github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz» and more
remote «glpat-abcdefghij0123456789».
«xoxb-123456789012-abcdefghijkl»
«sk_live_abcdefghijklmnop0123»
«sk-proj-abcdefghijklmnop0123456789»
«sk-ant-api03-abcdefghijk-lmnop»
«AIzaSyA0123456789abcdefghijklmnopqrstuv»
«npm_abcdefghijklmnopqrstuvwxyz0123456789»
«pypi-AgEIcHlwaS5vcmcCJGFiY2RlZmdo»
«hf_abcdefghijklmnopqrstuvwxyzABCDEFGH»
«SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789»
«SK0123456789abcdef0123456789abcdef»
«hvs.CAESIabcdefghijklmnopqrst»
«dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef»
«dckr_pat_abcdefghijklmnop-012»
«lin_api_abcdefghijklmnopqrst0123»
key «gsk_abcdEFGH1234567890abcd»
«eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U»
git clone https://bob:«hunter2»@example.com/x
redis://:«s3cr3t»@redis:6379/0
postgresql://app:«p@ss:w0rd»@db/x
Authorization: Bearer «abc.def.ghi123456»
Authorization: Basic «dXNlcjpwYXNz»
curl -H "Authorization: token «0123456789abcdef»" u
curl -H 'X-Auth-Token: «abc123def456»' u
X-Api-Key: «abcdef123456»
{"password": "«x»"}
{\\"password\\": \\"«hunter2»\\"}
'password' => '«hunter2»',
password = «hunter2»
password = "«x»"
this.password = '«hunter2»';
password := "«hunter2»"
const token: string = "«abc123def»"
config["password"] = "«hunter2»"
PASSWORD=«x»
export GITHUB_TOKEN=«abcdef»
password: «x»
  db_password: «swordfish»
api_key: "«abcdef123456»"
client_secret = "«s3cr3t»"
password: "«correct horse battery staple»"
mysqldump --password «x» db
mysqldump --password=«hunter2» db
mysql -u root -p«hunter2» db
sshpass -p «hunter2» ssh host
curl -u bob:«hunter2» https://example.com
docker run -e POSTGRES_PASSWORD=«swordfish» postgres
Server=db;User Id=sa;Password=«Pa55w0rd»;Encrypt=yes
host=db user=app password=«swordfish» dbname=x
jdbc:postgresql://db/x?user=a&password=«b4c»
AccountName=x;AccountKey=«abcdefghijklmnopqrstuvwxyz0123456789+/==»;EndpointSuffix=core.windows.net
login failed user=bob password=«swordfish» ip=10.1.2.3
DD_API_KEY=«0123456789abcdef0123456789abcdef»
machine example.com login bob password «hunter2»
default login bob password «"hun ter2"»
password = "«hunter2»" * count
password = "«Optional7»"
db.example.com:5432:app:bob:«swordfish»
bob:«$apr1$abcdefgh$abcdefghijklmnopqrstuv»
Cookie: sessionid=«abcdef123456»; theme=dark
Set-Cookie: sid=«abcdef123456»; Path=/; HttpOnly
<password>«hunter2»</password>
{"name": "DB_PASSWORD", "value": "«hunter2»"}
{"apiVersion":"v1","data":{"user":"«Ym9iYnk=»"},"kind":"Secret"}
key = "«-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\nabc=\\n-----END PRIVATE KEY-----\\n»"
""".strip().split("\n")

ORDINARY = """
password = os.environ["PW"]
password = getpass.getpass()
self.password = password
connect(user=user, password=pw)
    password=self._password,
if password == "x":
password=None
password: Optional[str] = None
PASSWORD=$PASSWORD
export PW=${PASSWORD:-none}
login --password $PASSWORD
  --password PASSWORD  the password
  --token TOKEN
password: <your-password>
password: xxxx
password: your-password-here
password = "***"
password = changeme
password = b"a" * 102400
machine example.com login bob password "pass" account x
token: 'Optional[str]' = None
"password": "string?",
"token": "{{ .Values.x }}"
token: str
token: Token
token = "identifier"
token = next(tokens)
tokens = tokenize(x)
def get_token(self, token: Token) -> Token:
secret_name: foo
existingSecret: my-secret-1
max_tokens=100
next_token = "abc123def"
sort_key="abc123def"
{% csrf_token %}
TOKEN = re.compile(r"x")
:param password: the password of the user
the token limit is 4096, and a secret is not a password
`Bearer token`
headers = {"Authorization": f"Bearer {token}"}
headers = {"Authorization": f"Bearer {fresh_token(self.api)}"}
def __init__(self, password: bytes):
"AWS::ApiGateway::ApiKey": "48205d4ffd7feba3",
token = r"[-!#$%&0-9a-zA-Z]+"
parser.add_argument("--password", help="the password")
PWD=/home/someone
commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b
image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
550e8400-e29b-41d4-a716-446655440000
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 me@host
if "-----BEGIN PRIVATE KEY-----" in text:
https://example.com:8080/a@b
redis://[:password]@host:port/db
git@github.com:x/y.git
{"volumes":[{"name":"v","secret":{"secretName":"tls-1"}}]}
""".strip().split("\n")


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_goes_and_what_stands_around_it_stays(line):
    before, rest = line.split("«")
    secret, after = rest.split("»")
    text = before + secret + after
    redacted = redact(text)
    kinds = found(text)
    assert len(kinds) == 1
    assert redacted == f"{before}[secret:{kinds[0]}]{after}"
    assert redact(redacted) == redacted
    assert found(redacted) == []


@pytest.mark.parametrize("line", ORDINARY)
def test_code_names_and_stand_ins_stay(line):
    assert redact(line) == line


def test_every_secret_of_a_line_goes():
    assert redact("?token=abc123xy&password=x&q=1 ghp_abcdefghijklmnopqrstuvwxyz0123") == (
        "?token=[secret:token]&password=[secret:password]&q=1 [secret:github-token]"
    )


def test_each_line_of_a_private_key_is_replaced_and_a_certificate_stays():
    certificate = "-----BEGIN CERTIFICATE-----\r\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\r\n-----END CERTIFICATE-----\r\n"
    key = (
        "-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n\r\n"
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\r\nabc=\r\n-----END RSA PRIVATE KEY-----\r\n"
    )
    gone = "[secret:private-key]\r\n"
    assert redact(certificate + key + certificate) == certificate + gone * 2 + "\r\n" + gone * 3 + certificate


@pytest.mark.parametrize("before", ["  ", "2026-01-01T00:00:00Z ", "+", '    "'])
def test_a_private_key_is_found_indented_and_in_logs_and_diffs(before):
    after = "\\n" if before.endswith('"') else ""
    lines = ["-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "-----END PRIVATE KEY-----"]
    redacted = redact("".join(f"{before}{line}{after}\n" for line in lines))
    assert redacted.count("\n") == 3
    assert "MIIE" not in redacted


def test_a_private_key_that_was_cut_off_ends_where_other_text_begins():
    text = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nnothing more was read\nMIIE\n"
    assert redact(text) == "[secret:private-key]\n[secret:private-key]\nnothing more was read\nMIIE\n"


SECRET_FIRST = """\
kind: Secret
apiVersion: v1
metadata:
  name: x
stringData:
  color: «blue»
  file: |
    «one»
    «two»
---
kind: ConfigMap
data:
  color: blue
"""
DATA_FIRST = """\
{
  "apiVersion": "v1",
  "data": {
    "user": "«Ym9iYnk=»",
    "mode": "debug"
  },
  "kind": "Secret"
}
"""
ENVIRONMENT = """\
env:
  - name: DB_PASSWORD
    value: «swordfish»
  - name: COLOR
    value: blue
"""
NETRC = "machine example.com\n  login bob\n  password «hunter2»\n"
INI = "[db]\nhost = x\npassword = «swordfish»\n"


@pytest.mark.parametrize("text", [SECRET_FIRST, DATA_FIRST, ENVIRONMENT, NETRC, INI])
def test_lines_before_tell_what_is_a_secret(text):
    pieces = text.replace("»", "«").split("«")
    redacted = redact("".join(pieces))
    kept, secrets = pieces[::2], pieces[1::2]
    assert "".join(kept) == _without_placeholders(redacted)
    assert redacted.count("[secret:") == len(secrets)


def _without_placeholders(text):
    head, *rest = text.split("[secret:")
    return head + "".join(part.split("]", 1)[1] for part in rest)


def test_long_data_of_a_secret_goes_too():
    text = f"kind: Secret\ndata:\n  a: {'QUJD' * 3000}\n  b: QUJD\ntype: Opaque\n"
    assert redact(text) == (
        "kind: Secret\ndata:\n  a: [secret:kubernetes-secret]\n  b: [secret:kubernetes-secret]\ntype: Opaque\n"
    )


def test_a_secret_in_the_middle_of_a_very_long_line_goes():
    padding = "0123456789 " * 1000
    text = f'{padding}"password": "hunter2", {padding} AKIAIOSFODNN7EXAMPLE {padding}'
    assert redact(text) == text.replace("hunter2", "[secret:password]").replace(
        "AKIAIOSFODNN7EXAMPLE", "[secret:aws-access-key]"
    )


def test_a_secret_longer_than_any_window_goes_whole():
    assert redact(f'token = "{"a1" * 9000}"; x = 1') == 'token = "[secret:token]"; x = 1'


def test_values_under_names_of_secrets_go_whole():
    value = {
        "password": "x",
        "clientSecret": "y",
        "headers": {"Authorization": "z", "Cookie": "a=b"},
        "pins": [{"api_key": 5, "token": None, "on": True}],
        "max_tokens": 100,
        "next_token": "abc",
        "log": ["password=hunter2"],
        "ghp_abcdefghijklmnopqrstuvwxyz0123": 1,
        "env": [{"name": "DB_PASSWORD", "value": "x"}],
        "volume": {"secret": {"secretName": "tls"}},
    }
    copy = json.loads(json.dumps(value))
    redacted = redact_value(value)
    assert redacted == {
        "password": "[secret:password]",
        "clientSecret": "[secret:secret]",
        "headers": {"Authorization": "[secret:authorization]", "Cookie": "[secret:cookie]"},
        "pins": [{"api_key": "[secret:api-key]", "token": None, "on": True}],
        "max_tokens": 100,
        "next_token": "abc",
        "log": ["password=[secret:password]"],
        "[secret:github-token]": 1,
        "env": [{"name": "DB_PASSWORD", "value": "[secret:secret]"}],
        "volume": {"secret": {"secretName": "tls"}},
    }
    assert value == copy
    assert redact_value(redacted) == redacted


def test_a_kubernetes_secret_as_a_value_loses_its_data_and_keeps_its_name():
    secret = {"kind": "Secret", "metadata": {"name": "db"}, "data": {"a": "YQ=="}, "type": "Opaque"}
    assert redact_value(secret) == secret | {"data": {"a": "[secret:kubernetes-secret]"}}


def test_two_secret_keys_do_not_become_one():
    value = {"ghp_abcdefghijklmnopqrstuvwxyz0123": 1, "ghp_abcdefghijklmnopqrstuvwxyz4567": 2}
    assert list(redact_value(value).values()) == [1, 2]


def test_a_value_nested_without_end_is_cut_off_rather_than_passed():
    value = "hunter2"
    for _ in range(5000):
        value = [value]
    assert "hunter2" not in str(redact_value(value))


def test_a_stream_passes_on_what_is_decided_and_holds_back_what_is_not():
    redactor = Redactor()
    chunks = ["The ans", "wer is ", "42. The token ", "limit is 5. ", "password: hun", "ter2\n", "ok "]
    assert [redactor.push(chunk) for chunk in chunks] == [
        "The ",
        "answer is ",
        "42. The ",
        "token limit is 5. ",
        "",
        "password: [secret:password]\n",
        "ok ",
    ]
    assert redactor.flush() == ""
    assert redactor.kinds == ["password"]


@pytest.mark.parametrize(
    "text", ["a" * 20_000, "password = " * 2000, "eyJ" * 7000, "-----BEGIN PRIVATE KEY-----\n" + "A" * 20_000]
)
def test_a_stream_never_holds_back_more_than_four_kilobytes(text):
    redactor = Redactor()
    taken = given_back = 0
    for start in range(0, len(text), 500):
        chunk = text[start : start + 500]
        taken += len(chunk)
        before = len(redactor.kinds)
        given_back += len(redactor.push(chunk))
        if len(redactor.kinds) == before == 0:
            assert taken - given_back <= 4096


PIECES = st.sampled_from(
    ["password", "token", "secret", " ", "\n", "\r\n", " = ", "=", ": ", '"', "'", "hunter2", "x1y2z3w4q5", "\\",
     "(", ")",
     "[", "]", "{", "}", ",", ";", "&", "?", "://", "@", "user:pa55", "ghp_abcdefghijklmnopqrstuvwxyz0123", "sk-",
     "AKIAIOSFODNN7EXAMPLE", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----",
     "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.abcdef", "kind: Secret\n",
     "apiVersion: v1\n", "data:\n", "  key: aGVsbG8gd29ybGQ=\n", "machine h login u password ", "machine h\n",
     "login u\n",
     "name: DB_PASSWORD\n", "value: x9\n", "[section]\n", "Authorization: Bearer ", "Cookie: ",
     "sid=abcdef123456", "; ",
     "--password ", "curl -u a:b", "mysql -ppw1 ", "aws ",
     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "[secret:password]", "[secret:", "a", "Z", "0", "_", "-", ".", "/", "$", "${X}", "é", "İ", "\x85", "\0",
     "<password>", "</", "word " * 50, "A" * 700, "db:5432:a:b:", "\n---\n", "\t", "#"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join)
CUTS = st.lists(st.integers(0, 3000), max_size=12).map(sorted)


@settings(max_examples=250, deadline=None)
@given(TEXTS, CUTS)
def test_however_a_stream_is_cut_it_gives_what_the_whole_gives(text, cuts):
    redactor = Redactor()
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join([redactor.push(chunk) for chunk in chunks]) + redactor.flush() == redact(text)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_a_stream_of_single_characters_gives_what_the_whole_gives(text):
    redactor = Redactor()
    assert "".join([redactor.push(character) for character in text]) + redactor.flush() == redact(text)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_redacting_again_changes_nothing_and_no_line_moves(text):
    once = redact(text)
    if all(len(line) <= 4096 for line in text.split("\n")):
        assert redact(once) == once
    assert once.count("\n") == text.count("\n")
    assert once.count("\r\n") == text.count("\r\n")
    assert len(once.splitlines()) == len(text.splitlines())


HOSTILE = [
    "password", 'password = "', "token:", "password=(", "eyJ", "://a:", "-----BEGIN RSA PRIVATE KEY-----\n",
    "\\", "--a-",
    "cookie: a=b; ", "aws ", "machine a login ", "<password>", "[secret:", "kind: Secret\ndata:\n  a: b\n", "a ", " ",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_length_of_hostile_text_and_not_faster(piece):
    def seconds(length):
        text = (piece * (length // len(piece) + 1))[:length]
        started = time.process_time()
        redact(text)
        return time.process_time() - started

    # an eightfold text takes about eight times as long; were it quadratic, 64 times
    assert any(seconds(120_000) <= 24 * seconds(15_000) + 0.05 for _ in range(3))
