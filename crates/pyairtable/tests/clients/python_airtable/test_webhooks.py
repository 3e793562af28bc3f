"""The life of a webhook, what it may watch, and who may have one (section 11 of Airtable's reference)."""

import base64
import datetime
import re

import pytest
from pyairtable import Api

from harbour import BERTHS, FULL, HARBOUR, HOOKS_AND_RECORDS, HOOKS_ONLY, LIGHTHOUSE, QUAY, QUAY_ONLY, READ, ROLES, SHIPS, ident
from hooks import HOOKS, Hook, specification
from wire import BERTHS_PATH, CREATED_TIME, HIDDEN, UNAUTHENTICATED, Wire

HOOK_ID = re.compile(r"^ach[A-Za-z0-9]{14}$")
SOURCES = ["client", "publicApi", "formSubmission", "formPageSubmission", "automation", "system", "sync", "anonymousUser", "unknown"]
UNKNOWN_HOOK = ident("ach", "Nowhere")


def days_from_now(time: str) -> float:
    then = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    return (then - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400


def test_a_new_webhook_has_an_id_a_secret_and_a_week(wire: Wire) -> None:
    """Section 11.1."""
    made = wire.good("POST", HOOKS, {"notificationUrl": None, "specification": specification()})
    assert set(made) == {"id", "macSecretBase64", "expirationTime"}
    assert HOOK_ID.match(made["id"]) and CREATED_TIME.match(made["expirationTime"])
    assert len(base64.b64decode(made["macSecretBase64"], validate=True)) >= 16
    assert 6.99 < days_from_now(made["expirationTime"]) <= 7.01


def test_webhooks_are_listed_without_their_secrets(wire: Wire) -> None:
    """Section 11.1."""
    assert wire.good("GET", HOOKS) == {"webhooks": []}
    asked = specification("tableData", "tableFields", recordChangeScope=BERTHS, includes={"includePreviousCellValues": True})
    url = "https://harbour.test/ping?a=1"
    made = wire.good("POST", HOOKS, {"notificationUrl": url, "specification": asked})
    assert wire.good("GET", HOOKS) == {"webhooks": [{
        "id": made["id"], "areNotificationsEnabled": True, "isHookEnabled": True, "cursorForNextPayload": 1, "lastSuccessfulNotificationTime": None,
        "lastNotificationResult": None, "notificationUrl": url, "expirationTime": made["expirationTime"], "specification": asked,
    }]}


def test_a_webhook_needs_no_url(wire: Wire) -> None:
    """Section 11.1: absent or null."""
    for body in ({}, {"notificationUrl": None}):
        made = wire.good("POST", HOOKS, {**body, "specification": specification()})
        assert Hook(wire, made["id"], "").told()["notificationUrl"] is None


def test_pings_are_turned_off_and_on(wire: Wire) -> None:
    """Section 11.1: the answer is empty, or an empty object."""
    hook = Hook.create(wire, url="https://harbour.test/ping")
    for enable in (False, True):
        wire.good_or_empty("POST", f"{hook.path}/enableNotifications", {"enable": enable})
        assert hook.told()["areNotificationsEnabled"] is enable
    for body in ({}, {"enable": "yes"}, {"enable": None}, {"enable": True, "disable": True}, []):
        wire.refused(422, "INVALID_REQUEST_UNKNOWN", "POST", f"{hook.path}/enableNotifications", body)


@pytest.mark.parametrize("body", [None, {}])
def test_a_refresh_gives_another_week(wire: Wire, body: object) -> None:
    """Section 11.1: with an empty object or no body at all."""
    hook = Hook.create(wire)
    answer = wire.good("POST", f"{hook.path}/refresh", body)
    assert set(answer) == {"expirationTime"} and 6.99 < days_from_now(answer["expirationTime"]) <= 7.01
    assert hook.told()["expirationTime"] == answer["expirationTime"]


def test_a_deleted_webhook_is_gone(wire: Wire) -> None:
    """Section 11.1: the answer is empty, or an empty object."""
    hook, other = Hook.create(wire), Hook.create(wire)
    wire.good_or_empty("DELETE", hook.path)
    assert [left["id"] for left in wire.good("GET", HOOKS)["webhooks"]] == [other.id]
    for method, path, said in (("GET", "/payloads", None), ("POST", "/refresh", None), ("POST", "/enableNotifications", {"enable": True}), ("DELETE", "", None)):
        assert wire.ask(method, hook.path + path, said).status_code in (403, 404, 422)


def test_the_eleventh_webhook_of_a_base_is_refused(wire: Wire) -> None:
    """Section 4: ten per base; other bases are not concerned; a deleted one makes room."""
    hooks = [Hook.create(wire) for _ in range(10)]
    assert wire.ask("POST", HOOKS, {"specification": specification()}).status_code in (403, 422)
    assert len(wire.good("GET", HOOKS)["webhooks"]) == 10
    wire.good("POST", f"/v0/bases/{QUAY}/webhooks", {"specification": specification()})
    wire.good_or_empty("DELETE", hooks[3].path)
    Hook.create(wire)


@pytest.mark.parametrize("filters", [
    {"dataTypes": ["tableData", "tableFields", "tableMetadata"]},
    {"dataTypes": ["tableData"], "recordChangeScope": BERTHS},
    {"dataTypes": ["tableData"], "recordChangeScope": ident("viw", "BerthAll")},
    {"dataTypes": ["tableData"], "changeTypes": ["add", "remove", "update"]},
    {"dataTypes": ["tableData"], "fromSources": SOURCES},
    {"dataTypes": ["tableData"], "fromSources": ["formPageSubmission"], "sourceOptions": {"formPageSubmission": {"pageId": ident("pag", "Page")}}},
    {"dataTypes": ["tableData"], "watchDataInFieldIds": [ident("fld", "Depth")]},
    {"dataTypes": ["tableFields"], "watchSchemasOfFieldIds": [ident("fld", "Depth")]},
])
def test_what_a_webhook_may_watch(wire: Wire, filters: dict) -> None:
    """Section 11.2: it is told as it was asked for."""
    asked = {"options": {"filters": filters}}
    made = wire.good("POST", HOOKS, {"specification": asked})
    assert Hook(wire, made["id"], "").told()["specification"] == asked


@pytest.mark.parametrize("includes", [
    {"includeCellValuesInFieldIds": "all"},
    {"includeCellValuesInFieldIds": [ident("fld", "Depth")]},
    {"includePreviousCellValues": True, "includePreviousFieldDefinitions": False},
])
def test_what_a_webhook_may_include(wire: Wire, includes: dict) -> None:
    """Section 11.2."""
    assert Hook.create(wire, includes=includes).told()["specification"]["options"]["includes"] == includes


@pytest.mark.parametrize("asked", [
    None,
    {},
    {"options": {}},
    {"options": {"filters": {}}},
    {"options": {"filters": {"dataTypes": "tableData"}}},
    {"options": {"filters": {"dataTypes": ["tableRows"]}}},
    {"options": {"filters": {"dataTypes": ["tableData"], "recordChangeScope": "Berths"}}},
    {"options": {"filters": {"dataTypes": ["tableData"], "recordChangeScope": 5}}},
    {"options": {"filters": {"dataTypes": ["tableData"], "changeTypes": ["rename"]}}},
    {"options": {"filters": {"dataTypes": ["tableData"], "fromSources": ["robots"]}}},
    {"options": {"filters": {"dataTypes": ["tableData"], "watchDataInFieldIds": "all"}}},
    {"options": {"filters": {"dataTypes": ["tableData"], "watchSchemasOfFieldIds": ["Depth"]}}},
    {"options": {"filters": {"dataTypes": ["tableData"]}, "includes": {"includeCellValuesInFieldIds": "some"}}},
    {"options": {"filters": {"dataTypes": ["tableData"]}, "includes": {"includePreviousCellValues": "yes"}}},
    {"options": {"filters": {"dataTypes": ["tableData"], "colour": "red"}}},
    {"options": {"filters": {"dataTypes": ["tableData"]}, "excludes": {}}},
])
def test_other_specifications_are_refused(wire: Wire, asked: object) -> None:
    """Sections 3.3 and 11.2; no webhook is made."""
    answer = wire.ask("POST", HOOKS, {} if asked is None else {"specification": asked})
    assert answer.status_code == 422 and answer.json()["error"]["type"], answer.text
    assert wire.good("GET", HOOKS) == {"webhooks": []}


def test_a_url_must_be_one(wire: Wire) -> None:
    """Section 11.1."""
    for url in (5, "", "harbour.test", "ftp://harbour.test/x", {"url": "https://harbour.test"}):
        assert wire.ask("POST", HOOKS, {"notificationUrl": url, "specification": specification()}).status_code == 422, url


def test_webhooks_need_a_scope_of_their_own_and_those_of_what_they_tell(wire: Wire) -> None:
    """Sections 1 and 11.2: data of records, and schema for fields and metadata, on create and with payloads."""
    for key in (READ, QUAY_ONLY):
        wire.refused(403, HIDDEN, "GET", HOOKS, key=key)
        wire.refused(403, HIDDEN, "POST", HOOKS, {"specification": specification()}, key=key)
    wire.refused(401, UNAUTHENTICATED, "GET", HOOKS, key=None)
    wire.good("GET", HOOKS, key=HOOKS_ONLY)
    wire.ask("POST", HOOKS, {"specification": specification("tableData")}, key=HOOKS_AND_RECORDS).raise_for_status()
    for key, kinds in ((HOOKS_ONLY, ["tableData"]), (HOOKS_AND_RECORDS, ["tableFields"]), (HOOKS_AND_RECORDS, ["tableMetadata"]), (HOOKS_AND_RECORDS, ["tableData", "tableFields"])):
        assert wire.ask("POST", HOOKS, {"specification": specification(*kinds)}, key=key).status_code == 403, kinds
    rows, fields = Hook.create(wire), Hook.create(wire, "tableFields")
    wire.good("GET", f"{rows.path}/payloads", key=HOOKS_AND_RECORDS)
    assert wire.ask("GET", f"{rows.path}/payloads", key=HOOKS_ONLY).status_code == 403
    assert wire.ask("GET", f"{fields.path}/payloads", key=HOOKS_AND_RECORDS).status_code == 403
    for method, path, body in (("POST", "/refresh", {}), ("POST", "/enableNotifications", {"enable": False}), ("DELETE", "", None)):
        wire.refused(403, HIDDEN, method, rows.path + path, body, key=READ)


def test_webhooks_need_the_role_create(wire: Wire) -> None:
    """Section 1: readers see them, creators make them."""
    for base in (LIGHTHOUSE, ROLES["comment"], ROLES["edit"]):
        hooks = f"/v0/bases/{base}/webhooks"
        assert wire.good("GET", hooks) == {"webhooks": []}
        wire.refused(403, "INVALID_PERMISSIONS", "POST", hooks, {"specification": specification()})
    wire.refused(403, HIDDEN, "GET", f"/v0/bases/{ROLES['none']}/webhooks")


def test_webhooks_that_are_not_there(wire: Wire) -> None:
    """Section 3.3: a malformed id is no route; the answer to an unknown one is unconfirmed (section 16)."""
    hook = Hook.create(wire, url="https://harbour.test/ping")
    for method, path, body in (("GET", "/payloads", None), ("POST", "/refresh", {}), ("POST", "/enableNotifications", {"enable": True}), ("DELETE", "", None)):
        wire.refused(404, "NOT_FOUND", method, f"{HOOKS}/ach1{path}", body)
        assert wire.ask(method, f"{HOOKS}/{UNKNOWN_HOOK}{path}", body).status_code in (403, 404, 422)
        elsewhere = f"/v0/bases/{QUAY}/webhooks/{hook.id}{path}"
        assert wire.ask(method, elsewhere, body).status_code in (403, 404, 422), "the webhook of another base"
    assert wire.ask("GET", hook.path).status_code == 404, "one webhook cannot be read"
    assert hook.told()["areNotificationsEnabled"] is True


def test_a_scope_must_be_there(wire: Wire) -> None:
    """Section 11.2: ids of this base; forms are unsupported."""
    for scope in (ident("tbl", "Lamps"), ident("tbl", "Nowhere"), ident("viw", "Nowhere"), ident("viw", "LampsAll"), ident("rec", "BerthEast")):
        assert 400 <= wire.ask("POST", HOOKS, {"specification": specification(recordChangeScope=scope)}).status_code < 500, scope
    assert wire.good("GET", HOOKS) == {"webhooks": []}


def test_webhooks_of_the_client(wire: Wire) -> None:
    """Section 14.1: pyairtable makes, finds, reads, refreshes, toggles and deletes them."""
    base = Api(FULL, endpoint_url=wire.url).base(HARBOUR)
    made = base.add_webhook("https://harbour.test/ping", specification("tableData", recordChangeScope=BERTHS))
    assert made.mac_secret_base64 and made.expiration_time.tzinfo
    hook = base.webhook(made.id)
    assert hook.are_notifications_enabled and hook.is_hook_enabled and hook.cursor_for_next_payload == 1
    assert hook.notification_url == "https://harbour.test/ping" and hook.specification.options.filters.record_change_scope == BERTHS
    assert list(hook.payloads()) == []
    created = base.table(BERTHS).create({"Berth": "West"})
    (payload,) = hook.payloads()
    assert payload.cursor == 1 and payload.error is None and payload.action_metadata.source == "publicApi"
    made_record = payload.changed_tables_by_id[BERTHS].created_records_by_id[created["id"]]
    assert made_record.cell_values_by_field_id == {ident("fld", "Berth"): "West"}
    for number in range(20):
        base.table(BERTHS).update(created["id"], {"Depth": number + 1})
    payloads = list(hook.payloads(cursor=2))
    assert [payload.cursor for payload in payloads] == list(range(2, 22)), "none merged"
    depths = [payload.changed_tables_by_id[BERTHS].changed_records_by_id[created["id"]].current.cell_values_by_field_id[ident("fld", "Depth")] for payload in payloads]
    assert depths == list(range(1, 21))
    assert [payload.cursor for payload in hook.payloads(cursor=5, limit=3)] == [5, 6, 7]
    assert base.webhook(made.id).cursor_for_next_payload == 22
    hook.disable_notifications()
    assert base.webhook(made.id).are_notifications_enabled is False
    hook.enable_notifications()
    hook.extend_expiration()
    assert base.webhook(made.id).are_notifications_enabled is True
    hook.delete()
    assert base.webhooks() == []


def test_a_webhook_knows_nothing_from_before_it(wire: Wire) -> None:
    """Section 11.1: numbers start at 1 with each webhook, and one cannot see what another has missed."""
    first = Hook.create(wire)
    wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "before"}})
    second = Hook.create(wire, "tableData", "tableFields")
    assert second.page() == {"payloads": [], "cursor": 1, "mightHaveMore": False}
    wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "after"}})
    assert len(first.payloads()) == 2 and len(second.payloads()) == 1
    assert first.payloads()[1]["baseTransactionNumber"] == second.only()["baseTransactionNumber"], "one transaction"
    assert first.told()["cursorForNextPayload"] == 3 and second.told()["cursorForNextPayload"] == 2
    assert SHIPS not in first.payloads()[1]["changedTablesById"]
