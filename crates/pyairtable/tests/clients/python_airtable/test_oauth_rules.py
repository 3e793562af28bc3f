"""OAuth's rules, one by one and over plain HTTP (section 13 of Airtable's reference)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from conftest import start_emulator
from harbour import ADA, ADA_CELL, ALL_SCOPES, BO, NO_LIMITS, USERS, field, ident
from services import Service
from test_seeds import check
from wire import HIDDEN, UNAUTHENTICATED, Wire

PORT, DOCK = ident("app", "Port"), ident("app", "Dock")
BACK = "https://client.test/callback?kept=1"
LOCAL = "http://localhost:3000/back"
PUBLIC, SECRET, ASKS, DENIED, ONE_BASE = "client-public", "client-secret", "client-asks", "client-denied", "client-onebase"
PASSWORD = "of/no+vendor:="
READ_WRITE = "data.records:read data.records:write"
STATE = "state-0123456789_abcdef.x"


def a_base(base: str, name: str) -> dict:
    return {"id": base, "name": name, "permissionLevel": "create", "tables": [{
        "id": ident("tbl", name), "name": "Things", "primaryFieldId": ident("fld", name), "fields": [{**field(name, "singleLineText"), "name": "Thing"}],
        "views": [{"id": ident("viw", name), "name": "Grid", "type": "grid"}], "records": [{"id": ident("rec", name), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {"Thing": name}}],
    }]}


def client(client_id: str, **more: object) -> dict:
    return {"clientId": client_id, "name": client_id, "redirectUris": [BACK, LOCAL], "scopes": ALL_SCOPES, "consent": "granted", **more}


SEED = {
    "bases": [a_base(PORT, "Port"), a_base(DOCK, "Dock")],
    "users": USERS,
    "tokens": [{"token": "patPort.all", "scopes": ALL_SCOPES, "bases": "*", "user": ADA}],
    "oauthClients": [
        client(PUBLIC), client(SECRET, clientSecret=PASSWORD, user=BO), client(ASKS, consent="ask"), client(DENIED, consent="denied"),
        client(ONE_BASE, bases=[DOCK], scopes=["data.records:read", "webhook:manage"]),
    ],
    "limits": NO_LIMITS,
}
THINGS = f"/v0/{PORT}/Things"
ANSWER = {"access_token", "refresh_token", "token_type", "scope", "expires_in", "refresh_expires_in"}


class Pair:
    def __init__(self, length: int = 64) -> None:
        self.verifier = secrets.token_hex(length)[:length]
        self.challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")


class Port(Wire):
    def authorize(self, client_id: str = PUBLIC, pair: Pair | None = None, **change: str | None) -> requests.Response:
        asked = {
            "client_id": client_id, "redirect_uri": BACK, "response_type": "code", "scope": READ_WRITE, "state": STATE,
            "code_challenge": (pair or Pair()).challenge, "code_challenge_method": "S256", **change,
        }
        query = urlencode({key: value for key, value in asked.items() if value is not None})
        return requests.get(f"{self.url}/oauth2/v1/authorize?{query}", allow_redirects=False, timeout=10)

    def code(self, client_id: str = PUBLIC, pair: Pair | None = None, **change: str | None) -> str:
        answer = self.authorize(client_id, pair, **change)
        assert answer.is_redirect, f"{answer.status_code} {answer.text[:300]}"
        return told(answer)["code"]

    def token(self, secret: str | None = None, client_id: str | None = PUBLIC, **sent: str | None) -> requests.Response:
        form = {key: value for key, value in {**({} if secret is not None else {"client_id": client_id}), **sent}.items() if value is not None}
        return requests.post(f"{self.url}/oauth2/v1/token", data=form, auth=(client_id, secret) if secret is not None else None, timeout=10)

    def exchange(self, code: str, pair: Pair, secret: str | None = None, client_id: str = PUBLIC, **change: str | None) -> requests.Response:
        return self.token(secret, client_id, **{"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": pair.verifier, **change})

    def grant(self, client_id: str = PUBLIC, secret: str | None = None, **change: str | None) -> dict:
        pair = Pair()
        answer = self.exchange(self.code(client_id, pair, **change), pair, secret, client_id)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, token: str, **more: str | None) -> requests.Response:
        return self.token(**{"grant_type": "refresh_token", "refresh_token": token, **more})

    def reads(self, token: str) -> bool:
        return self.ask("GET", THINGS, key=token).status_code == 200


def told(answer: requests.Response) -> dict[str, str]:
    """What the redirect carries, and that it goes where it should."""
    where = urlsplit(answer.headers["location"])
    query = parse_qs(where.query, strict_parsing=True)
    assert (where.scheme, where.netloc, where.path, where.fragment) == ("https", "client.test", "/callback", "") and query.pop("kept") == ["1"]
    assert all(len(values) == 1 for values in query.values())
    return {key: values[0] for key, values in query.items()}


def failed(answer: requests.Response, status: int, error: str) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), f"{answer.status_code} {answer.text[:300]}"
    assert set(answer.json()) <= {"error", "error_description"} and isinstance(answer.json().get("error_description", ""), str)


@pytest.fixture(scope="module")
def service_of_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("port"), seed=SEED)
    yield service
    service.stop()


@pytest.fixture
def port(service_of_port: Service) -> Port:
    requests.post(f"{service_of_port.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    return Port(service_of_port.url)


def test_consent_redirects_with_a_code(port: Port) -> None:
    """Section 13.1: `code`, `state`, the method; the challenge is not sent back."""
    answer = port.authorize()
    sent = told(answer)
    assert set(sent) == {"code", "state", "code_challenge_method"} and sent["state"] == STATE and sent["code_challenge_method"] == "S256" and sent["code"]
    assert "access-control-allow-origin" not in answer.headers


def test_a_code_becomes_tokens(port: Port) -> None:
    """Section 13.2: for an hour, and for sixty days."""
    made = port.grant()
    assert set(made) == ANSWER and (made["token_type"].strip(), made["expires_in"], made["refresh_expires_in"]) == ("Bearer", 3600, 5_184_000)
    assert set(made["scope"].split()) == set(READ_WRITE.split())
    assert port.reads(made["access_token"])
    assert port.ask("POST", THINGS, {"fields": {"Thing": "x"}}, key=made["access_token"]).status_code == 200
    port.refused(403, HIDDEN, "GET", f"/v0/meta/bases/{PORT}/tables", key=made["access_token"])
    port.refused(401, UNAUTHENTICATED, "GET", THINGS, key=made["refresh_token"])


def test_answers_with_tokens_are_not_to_be_kept(port: Port) -> None:
    pair = Pair()
    answer = port.exchange(port.code(pair=pair), pair)
    assert answer.headers["cache-control"] == "no-store" and answer.headers["content-type"].startswith("application/json")
    assert "access-control-allow-origin" not in answer.headers, "section 13.2: no CORS"
    asked = requests.options(f"{port.url}/oauth2/v1/token", headers={"Origin": "https://client.test", "Access-Control-Request-Method": "POST"}, timeout=5)
    assert "access-control-allow-origin" not in asked.headers


def test_whoami_tells_the_scopes_of_such_a_token(port: Port) -> None:
    """Section 10: and of no other; the mail with its scope only."""
    shown = port.good("GET", "/v0/meta/whoami", key=port.grant()["access_token"])
    assert shown["id"] == ADA and sorted(shown["scopes"]) == sorted(READ_WRITE.split()) and "email" not in shown
    with_mail = port.good("GET", "/v0/meta/whoami", key=port.grant(scope="user.email:read")["access_token"])
    assert with_mail == {"id": ADA, "email": ADA_CELL["email"], "scopes": ["user.email:read"]}
    assert "scopes" not in port.good("GET", "/v0/meta/whoami", key="patPort.all")


def test_the_user_who_consents_is_who_acts(port: Port) -> None:
    """Section 13."""
    made = port.grant(SECRET, PASSWORD)
    assert port.good("GET", "/v0/meta/whoami", key=made["access_token"])["id"] == BO


def test_a_token_reaches_the_bases_that_were_granted(port: Port) -> None:
    """Section 13."""
    made = port.grant(ONE_BASE, scope="data.records:read")
    assert port.good("GET", f"/v0/{DOCK}/Things", key=made["access_token"])["records"]
    port.refused(403, HIDDEN, "GET", THINGS, key=made["access_token"])


@pytest.mark.parametrize(("change", "error"), [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"scope": None}, None),
    ({"scope": ""}, None),
    ({"scope": "data.records:read data.records:read"}, None),
    ({"scope": "data.records:read data.records:everything"}, "invalid_scope"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "x" * 42 + "!"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
])
def test_what_is_wrong_is_told_to_the_client(port: Port, change: dict, error: str | None) -> None:
    """Section 13.1: by a redirect with `error`, its description and the state."""
    sent = told(port.authorize(**change))
    assert {"error", "state"} <= set(sent) <= {"error", "error_description", "state"} and sent["state"] == STATE
    assert sent["error"] in ((error,) if error else ("invalid_scope", "invalid_request"))


def test_a_scope_that_the_client_does_not_have(port: Port) -> None:
    """Section 13.1."""
    assert told(port.authorize(ONE_BASE, scope="data.records:write"))["error"] == "invalid_scope"


def test_a_refusal_of_consent(port: Port) -> None:
    """Section 13.1."""
    sent = told(port.authorize(DENIED))
    assert (sent["error"], sent["state"]) == ("access_denied", STATE) and "code" not in sent


@pytest.mark.parametrize("state", [None, "", "x" * 15, "x" * 1025, "with a space 0123456", "tilde~~~~~~~~~~~~~~~", "ünder0123456789012"])
def test_a_state_that_is_none(port: Port, state: str | None) -> None:
    """Section 13.1: 16 to 1024 of certain characters."""
    answer = port.authorize(state=state)
    if answer.is_redirect:
        sent = told(answer)
        assert sent["error"] == "invalid_request" and "code" not in sent
    else:
        assert 400 <= answer.status_code < 500
    for good in ("x" * 16, "A-z_0.9" * 146):
        assert told(port.authorize(state=good))["state"] == good


@pytest.mark.parametrize("change", [
    {"redirect_uri": None}, {"redirect_uri": "https://client.test/callback"}, {"redirect_uri": f"{BACK}&more=1"}, {"redirect_uri": "https://evil.test/"},
    {"redirect_uri": "https://CLIENT.test/callback?kept=1"}, {"client_id": None}, {"client_id": "nobody"}, {"redirect_uri": "javascript:alert(1)"},
])
def test_nobody_is_sent_where_nobody_is_registered(port: Port, change: dict) -> None:
    """Section 13.1: exact match, else no redirect at all."""
    client_id = change.pop("client_id", PUBLIC)
    query = {"client_id": client_id, "redirect_uri": BACK, "response_type": "code", "scope": READ_WRITE, "state": STATE, "code_challenge": Pair().challenge, "code_challenge_method": "S256", **change}
    answer = requests.get(f"{port.url}/oauth2/v1/authorize", params={key: value for key, value in query.items() if value is not None}, allow_redirects=False, timeout=10)
    assert 400 <= answer.status_code < 500 and "location" not in answer.headers
    assert "evil.test" not in answer.headers.get("content-security-policy", "") and "<script>" not in answer.text


def test_a_page_asks_where_nobody_has_decided(port: Port) -> None:
    """A person sees who asks for what; what came in the address is no markup."""
    answer = port.authorize(ASKS, scope="data.records:read schema.bases:read")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert "data.records:read" in answer.text and "client-asks" in answer.text and "Port" in answer.text
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", answer.text), "self-contained"
    odd = port.authorize(ASKS, state='"><script>alert(1)</script>')
    assert "<script>alert(1)" not in odd.text


@pytest.mark.parametrize("change", [
    {"code_verifier": "x" * 64}, {"code_verifier": None}, {"code_verifier": "x" * 42}, {"code_verifier": "x" * 129}, {"redirect_uri": LOCAL}, {"redirect_uri": None},
])
def test_a_code_is_lost_on_the_first_failure(port: Port, change: dict) -> None:
    """Section 13.2: single use, even on failure."""
    pair = Pair()
    code = port.code(pair=pair)
    answer = port.exchange(code, pair, **change)
    assert answer.status_code == 400 and answer.json()["error"] in ("invalid_grant", "invalid_request"), answer.text
    failed(port.exchange(code, pair), 400, "invalid_grant")


def test_a_code_that_is_none(port: Port) -> None:
    """Section 13.2."""
    failed(port.exchange("nonsense", Pair()), 400, "invalid_grant")
    answer = port.token(grant_type="authorization_code", redirect_uri=BACK, code_verifier=Pair().verifier)
    failed(answer, 400, "invalid_request")


def test_a_code_works_once(port: Port) -> None:
    """Section 13.2."""
    pair = Pair()
    code = port.code(pair=pair)
    assert port.exchange(code, pair).status_code == 200
    failed(port.exchange(code, pair), 400, "invalid_grant")


def test_a_code_belongs_to_its_client(port: Port) -> None:
    """Section 13.2."""
    pair = Pair()
    failed(port.exchange(port.code(pair=pair), pair, client_id=ONE_BASE), 400, "invalid_grant")


def test_who_has_a_secret_must_show_it_and_who_has_none_must_not(port: Port) -> None:
    """Section 13.2: Basic for one, the id alone for the other; only this is 401."""
    for secret, client_id in (("wrong", SECRET), (None, SECRET), ("", SECRET), (PASSWORD, PUBLIC), (None, "nobody"), (PASSWORD, "nobody")):
        pair = Pair()
        code = port.code(SECRET if client_id == "nobody" else client_id, pair)
        failed(port.exchange(code, pair, secret, client_id), 401, "invalid_client")
    pair = Pair()
    assert port.exchange(port.code(SECRET, pair), pair, PASSWORD, SECRET).status_code == 200
    pair = Pair()
    assert port.exchange(port.code(pair=pair), pair, client_id=None).status_code in (400, 401)


@pytest.mark.parametrize("grant", ["password", "client_credentials", "", None])
def test_other_grants(port: Port, grant: str | None) -> None:
    """Section 13.2."""
    answer = port.token(grant_type=grant, code="x", redirect_uri=BACK)
    assert answer.status_code == 400 and answer.json()["error"] == ("unsupported_grant_type" if grant else answer.json()["error"])
    assert answer.json()["error"] in ("unsupported_grant_type", "invalid_request")


def test_the_form_must_be_one(port: Port) -> None:
    """Section 13.2: form-encoded."""
    for sent in ({"json": {"grant_type": "refresh_token", "client_id": PUBLIC, "refresh_token": "x"}}, {"data": b"\xff\xfe"}, {"data": b""}):
        answer = requests.post(f"{port.url}/oauth2/v1/token", timeout=5, **sent)
        assert answer.status_code in (400, 401) and answer.json()["error"] in ("invalid_request", "invalid_client", "unsupported_grant_type")
    assert requests.get(f"{port.url}/oauth2/v1/token", timeout=5).status_code in (404, 405)


def test_a_refresh_turns_both_tokens_over(port: Port) -> None:
    """Section 13.2: the old ones die, both of them."""
    first = port.grant()
    answer = port.refresh(first["refresh_token"])
    assert answer.status_code == 200 and set(answer.json()) == ANSWER
    second = answer.json()
    assert {first["access_token"], first["refresh_token"]}.isdisjoint({second["access_token"], second["refresh_token"]})
    assert port.reads(second["access_token"])
    port.refused(401, UNAUTHENTICATED, "GET", THINGS, key=first["access_token"])
    assert port.refresh(first["refresh_token"]).status_code == 409, "a duplicate within the window"
    assert port.refresh(second["refresh_token"]).status_code == 200, "and the duplicate has done no harm"


def test_a_refresh_may_ask_for_less_and_not_for_more(port: Port) -> None:
    """Section 13.2: `scope`, a subset."""
    first = port.grant()
    failed_more = port.refresh(first["refresh_token"], scope=f"{READ_WRITE} schema.bases:read")
    assert failed_more.status_code == 400 and failed_more.json()["error"] in ("invalid_scope", "invalid_grant", "invalid_request")
    fresh = port.grant()
    less = port.refresh(fresh["refresh_token"], scope="data.records:read").json()
    assert less["scope"].split() == ["data.records:read"] and port.reads(less["access_token"])
    port.refused(403, HIDDEN, "POST", THINGS, {"fields": {}}, key=less["access_token"])


def test_a_refresh_token_belongs_to_its_client(port: Port) -> None:
    """Section 13.2: which says who it is, by id or by secret."""
    first, hidden = port.grant(), port.grant(SECRET, PASSWORD)
    failed(port.refresh(first["refresh_token"], client_id=ONE_BASE), 400, "invalid_grant")
    failed(port.refresh(hidden["refresh_token"], client_id=SECRET), 401, "invalid_client")
    answer = port.token(PASSWORD, SECRET, grant_type="refresh_token", refresh_token=hidden["refresh_token"])
    assert answer.status_code == 200
    for wrong in ("nonsense", "", None):
        answer = port.token(grant_type="refresh_token", refresh_token=wrong)
        assert answer.status_code == 400 and answer.json()["error"] in ("invalid_grant", "invalid_request")


def test_codes_and_tokens_have_their_time(port: Port) -> None:
    """Section 13.2: ten minutes, an hour, sixty days without use."""
    for seconds, status in ((599, 200), (601, 400)):
        pair = Pair()
        code = port.code(pair=pair)
        port.wait(seconds)
        assert port.exchange(code, pair).status_code == status, seconds
    made = port.grant()
    port.wait(3599)
    assert port.reads(made["access_token"])
    port.wait(2)
    port.refused(401, UNAUTHENTICATED, "GET", THINGS, key=made["access_token"])
    for _ in range(3):
        port.wait(59 * 86_400)
        made = port.refresh(made["refresh_token"]).json()
        assert port.reads(made["access_token"])
    port.wait(60 * 86_400 + 1)
    failed(port.refresh(made["refresh_token"]), 400, "invalid_grant")


def test_a_duplicate_is_forgiven_for_a_short_while_only(port: Port) -> None:
    """Section 13.2: 409 within the window, and then the token is simply dead."""
    first = port.grant()
    second = port.refresh(first["refresh_token"]).json()
    assert port.refresh(first["refresh_token"]).status_code == 409
    port.wait(600)
    failed(port.refresh(first["refresh_token"]), 400, "invalid_grant")
    assert second["access_token"] != first["access_token"]


def test_a_token_that_is_refreshed_too_often_ends_the_grant(port: Port) -> None:
    """Section 13.2: under ten requests a second."""
    port.stop_clock()
    first = port.grant()
    second = port.refresh(first["refresh_token"]).json()
    assert port.reads(second["access_token"])
    for _ in range(12):
        port.refresh(first["refresh_token"])
    port.refused(401, UNAUTHENTICATED, "GET", THINGS, key=second["access_token"])
    failed(port.refresh(second["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize("uri", ["http://client.test/x", "https://a:b@client.test/x", "https://client.test/x#y", "https://10.0.0.1/x", "http://192.168.0.1/x", "https://client.test/../x", "https://*.client.test/x", "ftp://localhost/x", "client.test/x", "javascript:alert(1)", ""])
def test_addresses_that_no_client_may_register(tmp_path: Path, uri: str) -> None:
    """Section 13.1: https, or http on this machine; no user, fragment, foreign number, two dots, star."""
    done = check(tmp_path, json.dumps({**SEED, "oauthClients": [client(PUBLIC, redirectUris=[LOCAL, uri])]}))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "oauthClients[0].redirectUris[1]" in said and "panicked" not in said, said


@pytest.mark.parametrize("uri", ["https://client.test", "https://client.test:8443/x?y=z", "http://localhost/x", "http://localhost:3000/x", "http://127.0.0.1:9/x"])
def test_addresses_that_a_client_may_register(tmp_path: Path, uri: str) -> None:
    """Section 13.1."""
    done = check(tmp_path, json.dumps({**SEED, "oauthClients": [client(PUBLIC, redirectUris=[uri])]}))
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_integration_has_webhooks_of_its_own(port: Port) -> None:
    """Sections 4 and 11.1: it sees only them, and two per base."""
    hooks, asked = f"/v0/bases/{DOCK}/webhooks", {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}
    token = port.grant(ONE_BASE, scope="data.records:read webhook:manage")["access_token"]
    foreign = port.good("POST", hooks, asked, key="patPort.all")["id"]
    mine = [port.good("POST", hooks, asked, key=token)["id"] for _ in range(2)]
    assert port.ask("POST", hooks, asked, key=token).status_code in (403, 422)
    assert [hook["id"] for hook in port.good("GET", hooks, key=token)["webhooks"]] == mine
    assert port.ask("GET", f"{hooks}/{foreign}/payloads", key=token).status_code in (403, 404, 422)
    assert port.ask("DELETE", f"{hooks}/{foreign}", key=token).status_code in (403, 404, 422)
    assert port.good("GET", f"{hooks}/{mine[0]}/payloads", key=token)["payloads"] == []
