"""Views of other types than grids, and views that are deleted (sections 1, 10 and 11 of Airtable's reference)."""

from collections.abc import Iterator

import pytest
import requests
from pyairtable import Api

from conftest import start_emulator
from harbour import ADA, ALL_SCOPES, BO, NO_LIMITS, USERS, choices, field, ident
from services import Service
from wire import HIDDEN, Wire

REGATTA, BOATS = ident("app", "Regatta"), ident("tbl", "Boats")
KINDS = ("grid", "form", "calendar", "gallery", "kanban", "timeline", "block")
VIEW = {kind: ident("viw", kind) for kind in KINDS}
NARROW = {"id": ident("viw", "Narrow"), "name": "Narrow", "type": "grid", "personalForUserId": BO, "visibleFieldIds": [ident("fld", "Boat")]}
TOKEN, WORKSPACES, ENTERPRISE = "patRegatta.all", "patRegatta.workspaces", "patRegatta.enterprise"
SEED = {
    "bases": [{"id": REGATTA, "name": "Regatta", "permissionLevel": "create", "tables": [{
        "id": BOATS, "name": "Boats", "primaryFieldId": ident("fld", "Boat"),
        "fields": [field("Boat", "singleLineText"), field("Class", "singleSelect", choices("Finn", "Laser")), field("Length", "number", {"precision": 1})],
        "views": [*({"id": VIEW[kind], "name": f"As {kind}", "type": kind} for kind in KINDS), NARROW],
        "records": [{"id": ident("rec", "Wind"), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {"Boat": "Wind", "Length": 12}}],
    }]}],
    "users": USERS,
    "tokens": [
        {"token": TOKEN, "scopes": ALL_SCOPES, "bases": "*", "user": ADA},
        {"token": WORKSPACES, "scopes": ["workspacesAndBases:read"], "bases": "*", "user": ADA},
        {"token": ENTERPRISE, "scopes": ["workspacesAndBases:write"], "bases": "*", "user": ADA},
    ],
    "limits": NO_LIMITS,
}
RECORDS, VIEWS, TABLES, HOOKS = f"/v0/{REGATTA}/{BOATS}", f"/v0/meta/bases/{REGATTA}/views", f"/v0/meta/bases/{REGATTA}/tables", f"/v0/bases/{REGATTA}/webhooks"


class Regatta(Wire):
    def ask(self, method: str, path: str, body: object = None, key: str | None = TOKEN, **more: object) -> requests.Response:
        return super().ask(method, path, body, key, **more)

    def views(self) -> list[dict]:
        return self.good("GET", TABLES)["tables"][0]["views"]

    def hook(self, scope: str) -> requests.Response:
        return self.ask("POST", HOOKS, {"specification": {"options": {"filters": {"dataTypes": ["tableData"], "recordChangeScope": scope}}}})


@pytest.fixture(scope="module")
def service_of_regatta(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("regatta"), seed=SEED)
    yield service
    service.stop()


@pytest.fixture
def regatta(service_of_regatta: Service) -> Regatta:
    requests.post(f"{service_of_regatta.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    return Regatta(service_of_regatta.url)


def test_views_of_every_type_are_told(regatta: Regatta) -> None:
    """Section 10: visible fields of grids only."""
    assert regatta.views() == [{key: view[key] for key in view if key != "visibleFieldIds"} for view in SEED["bases"][0]["tables"][0]["views"]]
    shown = regatta.good("GET", f"{TABLES}?include=visibleFieldIds")["tables"][0]["views"]
    assert [view["name"] for view in shown if "visibleFieldIds" in view] == ["As grid", "Narrow"]
    for kind in KINDS:
        assert regatta.good("GET", f"{VIEWS}/{VIEW[kind]}", key=WORKSPACES) == {"id": VIEW[kind], "name": f"As {kind}", "type": kind}
    schema = Api(TOKEN, endpoint_url=regatta.url).base(REGATTA).schema()
    assert [view.type for view in schema.table(BOATS).views] == [*KINDS, "grid"]
    assert schema.table(BOATS).view("Narrow").personal_for_user_id == BO and schema.table(BOATS).view("Narrow").visible_field_ids == NARROW["visibleFieldIds"]


def test_what_a_view_hides_is_answered_all_the_same(regatta: Regatta) -> None:
    """Section 5.2: a view restricts records and not cells."""
    assert regatta.good("GET", f"{RECORDS}?view={NARROW['id']}")["records"][0]["fields"] == {"Boat": "Wind", "Length": 12}
    made = regatta.good("POST", f"{TABLES}/{BOATS}/fields", {"name": "New", "type": "singleLineText"})
    shown = {view["id"]: view.get("visibleFieldIds") for view in regatta.good("GET", f"{TABLES}?include=visibleFieldIds")["tables"][0]["views"]}
    assert made["id"] in shown[VIEW["grid"]]


def test_a_webhook_watches_no_form(regatta: Regatta) -> None:
    """Section 11.2: other views it does."""
    assert regatta.hook(VIEW["form"]).status_code == 422
    for kind in ("grid", "kanban", "calendar"):
        assert regatta.hook(VIEW[kind]).status_code == 200, kind


def test_a_view_is_deleted(regatta: Regatta) -> None:
    """Sections 1 and 10: with a scope of enterprise accounts only; its records stay."""
    for key in (TOKEN, WORKSPACES):
        regatta.refused(403, HIDDEN, "DELETE", f"{VIEWS}/{VIEW['kanban']}", key=key)
    assert regatta.ask("DELETE", f"{VIEWS}/{VIEW['kanban']}", key=ENTERPRISE).status_code == 200
    assert VIEW["kanban"] not in {view["id"] for view in regatta.views()} and len(regatta.views()) == len(KINDS)
    regatta.refused(422, "VIEW_ID_NOT_FOUND", "GET", f"{RECORDS}?view={VIEW['kanban']}")
    assert regatta.ask("DELETE", f"{VIEWS}/{VIEW['kanban']}", key=ENTERPRISE).status_code in (403, 404)
    assert len(regatta.good("GET", RECORDS)["records"]) == 1


def test_a_webhook_whose_view_is_gone_says_so_and_ends(regatta: Regatta) -> None:
    """Section 11.4: a payload that is an error; numbers go on; the webhook is off."""
    made, other = regatta.hook(VIEW["gallery"]).json(), regatta.hook(VIEW["grid"]).json()
    regatta.good("POST", RECORDS, {"fields": {"Boat": "before"}})
    regatta.ask("DELETE", f"{VIEWS}/{VIEW['gallery']}", key=ENTERPRISE)
    regatta.good("POST", RECORDS, {"fields": {"Boat": "after"}})
    page = regatta.good("GET", f"{HOOKS}/{made['id']}/payloads")
    before, error = page["payloads"]
    assert "error" not in before and error["error"] is True and error["code"] in ("INVALID_FILTERS", "INVALID_HOOK")
    assert {"timestamp", "baseTransactionNumber", "payloadFormat"} <= set(error) and page["cursor"] == 3
    told = {hook["id"]: hook for hook in regatta.good("GET", HOOKS)["webhooks"]}
    assert told[made["id"]]["isHookEnabled"] is False and told[other["id"]]["isHookEnabled"] is True
    (payload,) = list(Api(TOKEN, endpoint_url=regatta.url).base(REGATTA).webhook(made["id"]).payloads(cursor=2))
    assert payload.error is True and payload.error_code == error["code"]
    assert len(regatta.good("GET", f"{HOOKS}/{other['id']}/payloads")["payloads"]) == 2
