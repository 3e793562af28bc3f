"""Integrations, as Authlib does OAuth: an unmodified library, a person's browser, then pyairtable with the token (section 13)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from pyairtable import Api

from conftest import start_emulator
from harbour import ADA, BO, HARBOUR, QUAY, SEED, SHIPS
from services import Service

SCOPE = "data.records:read data.records:write schema.bases:read user.email:read"
SCOPES = SCOPE.split()
SECRET = "kept/by+us=:"


class Integration:
    """The web service that a person is sent back to."""

    def __init__(self) -> None:
        arrived = self.arrived = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                arrived.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.callback = f"http://127.0.0.1:{self.server.server_port}/back?of=airtable"

    def answer(self) -> str:
        """The address with which the last person came back."""
        return f"http://127.0.0.1:{self.server.server_port}{self.arrived[-1]}"


class Form(HTMLParser):
    """What a browser would show of the page's form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.fields, self.boxes = "", {}, {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and given["type"] == "hidden":
            self.fields[given["name"]] = given["value"]
        elif tag == "input" and given["type"] == "checkbox":
            self.boxes[given["value"]] = given["name"]
        assert tag != "script" and "src" not in given


@pytest.fixture(scope="module")
def integration() -> Iterator[Integration]:
    running = Integration()
    yield running
    running.server.shutdown()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, integration: Integration) -> Iterator[Service]:
    common = {"redirectUris": [integration.callback], "scopes": SCOPES}
    clients = [
        {"clientId": "public", "consent": "granted", "user": ADA, **common},
        {"clientId": "asking", "clientSecret": SECRET, "consent": "ask", "user": BO, **common},
        {"clientId": "unwanted", "consent": "denied", **common},
    ]
    running = start_emulator(tmp_path_factory.mktemp("oauth"), seed={**SEED, "oauthClients": clients})
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def clock(service: Service) -> Iterator[None]:
    yield
    requests.post(f"{service.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()


def wait(service: Service, seconds: int) -> None:
    requests.put(f"{service.url}/__emulator/clock", json={"advanceSeconds": seconds}, timeout=10).raise_for_status()


def session(service: Service, integration: Integration, client: str, secret: str | None = None, **more: object) -> OAuth2Session:
    more.setdefault("token_endpoint_auth_method", "client_secret_basic" if secret else "none")
    return OAuth2Session(
        client, secret, scope=SCOPE, redirect_uri=integration.callback, code_challenge_method="S256",
        token_endpoint=f"{service.url}/oauth2/v1/token", revocation_endpoint_auth_method=more["token_endpoint_auth_method"], **more,
    )


def send(service: Service, own: OAuth2Session) -> tuple[requests.Response, str]:
    """A person's browser, sent to Airtable and whereto that sends it."""
    verifier = generate_token(64)
    url, _ = own.create_authorization_url(f"{service.url}/oauth2/v1/authorize", code_verifier=verifier)
    return requests.get(url, timeout=10), verifier


def fetch(service: Service, integration: Integration, own: OAuth2Session) -> dict:
    _, verifier = send(service, own)
    return own.fetch_token(f"{service.url}/oauth2/v1/token", authorization_response=integration.answer(), code_verifier=verifier)


def test_a_public_client_gets_tokens_that_pyairtable_can_use(service: Service, integration: Integration) -> None:
    token = fetch(service, integration, session(service, integration, "public"))
    assert token["token_type"].strip() == "Bearer" and set(token["scope"].split()) == set(SCOPES)
    assert (token["expires_in"], token["refresh_expires_in"]) == (3600, 5_184_000)
    came_back = parse_qs(urlsplit(integration.answer()).query)
    assert set(came_back) == {"of", "code", "state", "code_challenge_method"}
    api = Api(token["access_token"], endpoint_url=service.url)
    me = api.whoami()
    assert me["id"] == ADA and me["email"] == "ada@harbour.test" and set(me["scopes"]) == set(SCOPES)
    made = api.table(HARBOUR, SHIPS).create({"Ship": "Oauth"})
    assert api.table(HARBOUR, SHIPS).get(made["id"])["fields"]["Ship"] == "Oauth"


def test_a_person_chooses_bases_on_the_page(service: Service, integration: Integration) -> None:
    own = session(service, integration, "asking", SECRET)
    page, verifier = send(service, own)
    form = Form(page.text)
    assert page.status_code == 200 and {"*", HARBOUR, QUAY} <= set(form.boxes)
    browser = requests.Session()
    answered = {**form.fields, form.boxes[QUAY]: QUAY, "decision": "grant"}
    assert browser.post(service.url + form.action, data=answered, timeout=10).status_code == 204
    token = own.fetch_token(f"{service.url}/oauth2/v1/token", authorization_response=integration.answer(), code_verifier=verifier)
    api = Api(token["access_token"], endpoint_url=service.url)
    assert [base.id for base in api.bases()] == [QUAY]
    with pytest.raises(requests.HTTPError, match="403"):
        api.table(HARBOUR, SHIPS).all()


@pytest.mark.parametrize("client", ["asking", "unwanted"])
def test_a_person_who_denies_is_sent_back_with_that(service: Service, integration: Integration, client: str) -> None:
    own = session(service, integration, client)
    page, _ = send(service, own)
    if client == "asking":
        form = Form(page.text)
        requests.post(service.url + form.action, data={**form.fields, "decision": "deny"}, timeout=10)
    came_back = parse_qs(urlsplit(integration.answer()).query)
    assert set(came_back) == {"of", "error", "error_description", "state"} and came_back["error"] == ["access_denied"]


def test_the_library_refreshes_by_itself_when_the_hour_is_over(service: Service, integration: Integration) -> None:
    told = []
    own = session(service, integration, "public", update_token=lambda token, **_: told.append(token))
    first = fetch(service, integration, own)
    wait(service, 3601)
    url = f"{service.url}/v0/meta/whoami"
    assert requests.get(url, headers={"Authorization": f"Bearer {first['access_token']}"}, timeout=10).status_code == 401
    own.token = {**own.token, "expires_at": 1}  # the library goes by its own clock
    assert own.get(url, timeout=10).json()["id"] == ADA
    assert len(told) == 1 and told[0]["refresh_token"] != first["refresh_token"]
    again = requests.post(
        f"{service.url}/oauth2/v1/token",
        data={"grant_type": "refresh_token", "client_id": "public", "refresh_token": first["refresh_token"]},
        timeout=10,
    )
    assert again.status_code == 409
    assert own.get(url, timeout=10).status_code == 200


def test_a_revoked_grant_is_over(service: Service, integration: Integration) -> None:
    own = session(service, integration, "public")
    token = fetch(service, integration, own)
    answer = own.revoke_token(f"{service.url}/oauth2/v1/revoke", token=token["refresh_token"])
    assert answer.status_code == 200
    with pytest.raises(requests.HTTPError, match="401"):
        Api(token["access_token"], endpoint_url=service.url).whoami()
    with pytest.raises(OAuthError) as over:
        own.refresh_token(f"{service.url}/oauth2/v1/token", refresh_token=token["refresh_token"])
    assert over.value.error == "invalid_grant"


@pytest.mark.parametrize(
    ("client", "secret", "method"),
    [("asking", "guessed", "client_secret_basic"), ("asking", SECRET, "client_secret_post"), ("public", "any", "client_secret_basic")],
)
def test_a_client_that_does_not_prove_itself_is_refused(service: Service, integration: Integration, client: str, secret: str, method: str) -> None:
    own = session(service, integration, client, secret, token_endpoint_auth_method=method)
    with pytest.raises(OAuthError) as refused:
        own.refresh_token(f"{service.url}/oauth2/v1/token", refresh_token="any")
    assert refused.value.error == "invalid_client"


def test_a_wrong_verifier_spends_the_code(service: Service, integration: Integration) -> None:
    own = session(service, integration, "public")
    _, verifier = send(service, own)
    for attempt in (generate_token(64), verifier):
        with pytest.raises(OAuthError) as refused:
            own.fetch_token(f"{service.url}/oauth2/v1/token", authorization_response=integration.answer(), code_verifier=attempt)
        assert refused.value.error == "invalid_grant"
