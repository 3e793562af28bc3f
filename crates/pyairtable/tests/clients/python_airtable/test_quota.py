"""Requests that a workspace has for a month, and limits as exact as a stopped clock makes them (section 4 of Airtable's reference)."""

from collections.abc import Iterator

import pytest
import requests

from conftest import start_emulator
from harbour import ADA, ALL_SCOPES, BO, NO_LIMITS, USERS, field, ident
from services import Service
from test_limits import TOO_MANY
from wire import Wire

BILLING = {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "message": "API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month."}]}
FIRST, SECOND, OTHER = (ident("app", name) for name in ("First", "Second", "Other"))
CHEAP, RICH = ident("wsp", "Cheap"), ident("wsp", "Rich")
TOKEN, OF_BO, SAME_USER = "patQuota.all", "patQuota.bo", "patQuota.same"


def a_base(base: str, workspace: str) -> dict:
    name = base[3:].rstrip("0")
    only = {
        "id": ident("tbl", name), "name": "Rows", "primaryFieldId": ident("fld", name), "fields": [{**field(name, "singleLineText"), "name": "Row"}],
        "views": [{"id": ident("viw", name), "name": "Grid", "type": "grid"}],
        "records": [{"id": ident("rec", f"{name}{number}"), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {"Row": str(number)}} for number in range(5)],
    }
    return {"id": base, "name": name, "permissionLevel": "create", "workspaceId": workspace, "tables": [only]}


SEED = {
    "bases": [a_base(FIRST, CHEAP), a_base(SECOND, CHEAP), a_base(OTHER, RICH)],
    "users": USERS,
    "tokens": [{"token": token, "scopes": ALL_SCOPES, "bases": "*", "user": user} for token, user in ((TOKEN, ADA), (OF_BO, BO), (SAME_USER, ADA))],
    "limits": NO_LIMITS,
}


class Office(Wire):
    def ask(self, method: str, path: str, body: object = None, key: str | None = TOKEN, **more: object) -> requests.Response:
        return super().ask(method, path, body, key, **more)

    def rows(self, base: str = FIRST, query: str = "", **more: object) -> requests.Response:
        return self.ask("GET", f"/v0/{base}/Rows{query}", **more)

    def states(self, count: int, base: str = FIRST, **more: object) -> list[int]:
        return [self.rows(base, **more).status_code for _ in range(count)]


@pytest.fixture(scope="module")
def service_of_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("office"), seed=SEED)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def limits_of_office(service_of_office: Service) -> dict:
    return Wire(service_of_office.url).own("GET", "limits")


@pytest.fixture
def office(service_of_office: Service, limits_of_office: dict) -> Office:
    """At noon in the middle of a month, and time stands still."""
    requests.post(f"{service_of_office.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    office = Office(service_of_office.url)
    office.limit(**limits_of_office)
    office.stop_clock("2030-03-15T12:00:00.000Z")
    return office


def test_five_in_a_second_and_not_six(office: Office) -> None:
    """To a base, all users together; other bases go on; a second later there are five again."""
    office.limit(requestsPerSecondPerBase=5)
    assert office.states(3) + office.states(2, key=OF_BO) == [200] * 5
    assert office.states(5, SECOND) == [200] * 5
    office.wait(1.001)
    assert office.states(5) == [200] * 5
    assert (refused := office.rows()).status_code == 429 and refused.json() == TOO_MANY


def test_the_second_slides(office: Office) -> None:
    """Five in any second, not five since the clock has struck."""
    office.limit(requestsPerSecondPerBase=5)
    office.wait(0.9)
    assert office.states(5) == [200] * 5
    office.wait(0.2)
    assert office.states(1) == [429]


def test_the_penalty_lasts_thirty_seconds(office: Office) -> None:
    """From the refusal on; asking meanwhile does not prolong it, unless that is asked for."""
    office.limit(requestsPerSecondPerBase=5, penaltySeconds=30)
    assert office.states(6) == [200] * 5 + [429]
    for _ in range(29):
        office.wait(1)
        assert office.states(1) == [429]
    office.wait(1.001)
    assert office.states(1) == [200]
    office.limit(penaltyProlongs=True)
    office.wait(5)
    assert office.states(6)[-1] == 429
    office.wait(29)
    assert office.states(1) == [429]
    office.wait(29)
    assert office.states(1) == [429]
    office.wait(31)
    assert office.states(1) == [200]


def test_a_soft_limit_has_no_penalty(office: Office) -> None:
    """What live enforcement is reported to be."""
    office.limit(requestsPerSecondPerBase=5, penaltySeconds=0)
    assert office.states(6) == [200] * 5 + [429]
    office.wait(1.001)
    assert office.states(5) == [200] * 5


def test_the_header_says_how_long(office: Office) -> None:
    """`Retry-After` is not documented for 429: only if it is asked for."""
    office.limit(requestsPerSecondPerBase=1, penaltySeconds=30)
    office.rows()
    assert "retry-after" not in office.rows().headers
    office.limit(retryAfterHeader=True)
    assert 29 <= int(office.rows().headers["retry-after"]) <= 30
    office.wait(20)
    assert 9 <= int(office.rows().headers["retry-after"]) <= 10
    office.wait(int(office.rows().headers["retry-after"]))
    assert office.rows().status_code == 200, "as it said"


def test_fifty_in_a_second_for_a_user(office: Office) -> None:
    """Over all bases and all of the user's tokens; other users go on."""
    office.limit(requestsPerSecondPerUser=50)
    assert office.states(20) + office.states(20, OTHER) + office.states(10, key=SAME_USER) == [200] * 50
    assert office.states(1, key=SAME_USER) == [429] and office.states(1, SECOND) == [429]
    assert office.ask("GET", "/v0/meta/whoami").status_code == 429
    assert office.states(3, key=OF_BO) == [200] * 3
    office.wait(31)
    assert office.states(1) == [200]


def test_a_month_has_so_many_requests(office: Office) -> None:
    """For all bases of a workspace and all users together, and then none until the month is over."""
    office.limit(monthlyRequestsPerWorkspace=10, monthlyBehaviour="block")
    assert office.states(4) + office.states(4, SECOND) + office.states(2, key=OF_BO) == [200] * 10
    for base in (FIRST, SECOND):
        refused = office.rows(base)
        assert (refused.status_code, refused.json()) == (429, BILLING) and "retry-after" not in refused.headers
    assert office.ask("POST", f"/v0/{FIRST}/Rows", {"fields": {"Row": "x"}}).json() == BILLING
    assert office.states(3, OTHER) == [200] * 3, "another workspace"
    office.wait(31)
    assert office.states(1) == [429], "no penalty that passes"
    office.wait(16 * 86_400 + 11 * 3600)
    assert office.own("GET", "clock")["time"].startswith("2030-03-31T23") and office.states(1) == [429]
    office.wait(3600)
    assert office.own("GET", "clock")["time"].startswith("2030-04-01") and office.states(1) == [200]
    assert len(office.rows().json()["records"]) == 5, "nothing was written meanwhile"


def test_metadata_goes_on_when_the_month_is_used_up(office: Office) -> None:
    """Observed: only calls for records are blocked."""
    office.limit(monthlyRequestsPerWorkspace=1)
    assert office.states(2) == [200, 429]
    for path in ("/v0/meta/whoami", "/v0/meta/bases", f"/v0/meta/bases/{FIRST}/tables"):
        assert office.ask("GET", path).status_code == 200, path


def test_each_page_counts(office: Office) -> None:
    """Five rows in pages of two are three calls."""
    office.limit(monthlyRequestsPerWorkspace=3)
    offset = office.rows(query="?pageSize=2").json()["offset"]
    offset = office.rows(query=f"?pageSize=2&offset={offset.replace('/', '%2F')}").json()["offset"]
    assert "offset" not in office.rows(query=f"?pageSize=2&offset={offset.replace('/', '%2F')}").json()
    assert office.rows().json() == BILLING


def test_a_month_that_is_used_up_may_only_slow_down(office: Office) -> None:
    """The other plan: not blocked, two requests a second."""
    office.limit(monthlyRequestsPerWorkspace=4, monthlyBehaviour="throttle", penaltySeconds=0)
    assert office.states(4) == [200] * 4
    office.wait(2)
    assert office.states(3) == [200, 200, 429] and office.rows().json() == TOO_MANY
    office.wait(1.001)
    assert office.states(2) == [200] * 2
    assert office.states(5, OTHER)[:4] == [200] * 4, "another workspace has its own"
    office.stop_clock("2030-04-01T00:00:00.000Z")
    assert office.states(4) == [200] * 4


def test_counters_tell_of_workspaces(office: Office) -> None:
    office.limit(monthlyRequestsPerWorkspace=2)
    office.states(3)
    counted = office.own("GET", "counters")["workspaces"]
    assert counted[CHEAP] == {"requestsThisMonth": 3, "refusedThisMonth": 1}


@pytest.mark.parametrize("change", [
    {"requestsPerSecondPerBase": 0}, {"requestsPerSecondPerBase": -1}, {"requestsPerSecondPerUser": "many"}, {"penaltySeconds": -1}, {"retryAfterHeader": "yes"}, {"monthlyRequestsPerWorkspace": -5},
    {"monthlyBehaviour": "forgive"}, {"maxPageSize": 0}, {"maxRecordsPerRequest": 0}, {"maxUrlLength": "x"}, {"offsetLifeSeconds": -1}, {"maxWebhooksPerBase": -1}, {"syncsPerFiveMinutes": "x"}, {"colour": 1}, [], 5,
])
def test_limits_that_are_none(office: Office, change: object) -> None:
    before = office.own("GET", "limits")
    answer = requests.put(f"{office.url}/__emulator/limits", json=change, timeout=5)
    assert answer.status_code == 422, answer.text
    assert office.own("GET", "limits") == before


def test_a_limit_that_is_left_out_stays(office: Office) -> None:
    office.limit(maxPageSize=50)
    office.limit(penaltySeconds=7)
    told = office.own("GET", "limits")
    assert (told["maxPageSize"], told["penaltySeconds"], told["requestsPerSecondPerBase"]) == (50, 7, None)


def test_sizes_are_settings(office: Office) -> None:
    """Section 4: pages, batches, addresses, bodies, webhooks."""
    office.limit(maxPageSize=3, maxRecordsPerRequest=2, maxUrlLength=500, maxBodyBytes=2000, maxWebhooksPerBase=1)
    assert len(office.rows().json()["records"]) == 3 and office.rows(query="?pageSize=4").status_code == 422
    rows = f"/v0/{FIRST}/Rows"
    two, three = ({"records": [{"fields": {"Row": "x"}}] * count} for count in (2, 3))
    assert office.ask("POST", rows, two).status_code == 200
    refused = office.ask("POST", rows, three)
    assert refused.status_code == 422 and refused.json()["error"]["message"] == "A maximum of 2 records can be created per request but you have provided 3."
    assert 400 <= office.rows(query=f"?filterByFormula={'1' * 500}").status_code < 500 and office.rows(query=f"?filterByFormula={'1' * 200}").status_code == 200
    assert office.ask("POST", rows, {"fields": {"Row": "x" * 1900}}).status_code == 200
    assert office.ask("POST", rows, {"fields": {"Row": "x" * 2000}}).status_code == 413
    asked = {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}
    assert [office.ask("POST", f"/v0/bases/{FIRST}/webhooks", asked).status_code == 200 for _ in range(2)] == [True, False]


UNSURE = [
    ("urlTooLongStatus", [414, 413, 422]), ("tooLargeStatus", [413, 422]), ("unparsableBodyStatus", [422, 400]), ("unknownRecordStatus", [403, 404]), ("unknownBaseStatus", [403, 404]),
]


@pytest.mark.parametrize(("name", "choices"), UNSURE)
def test_what_nobody_has_confirmed_is_a_setting(office: Office, name: str, choices: list[int]) -> None:
    """Section 16."""
    def status() -> int:
        if name == "urlTooLongStatus":
            return office.rows(query=f"?filterByFormula={'1' * 16_000}").status_code
        if name == "tooLargeStatus":
            return office.ask("POST", f"/v0/{FIRST}/Rows", {"fields": {"Row": "x" * 3000}}).status_code
        if name == "unparsableBodyStatus":
            return office.ask("POST", f"/v0/{FIRST}/Rows", headers={"content-type": "application/json"}, data=b"{").status_code
        if name == "unknownRecordStatus":
            return office.ask("GET", f"/v0/{FIRST}/Rows/{ident('rec', 'Nowhere')}").status_code
        return office.rows(ident("app", "Nowhere")).status_code

    office.limit(maxBodyBytes=2000)
    try:
        assert status() == choices[0], "the likelier answer"
        for choice in choices:
            office.own("PUT", "unconfirmed", {name: choice})
            assert status() == choice
        assert requests.put(f"{office.url}/__emulator/unconfirmed", json={name: 418}, timeout=5).status_code == 422
    finally:
        office.own("PUT", "unconfirmed", {})


def test_the_order_of_comments_and_a_count_of_none_are_settings(office: Office) -> None:
    """Section 16, 5."""
    record = f"/v0/{FIRST}/Rows/{ident('rec', 'First0')}"
    for text in "abc":
        office.good("POST", f"{record}/comments", {"text": text})
        office.wait(1)
    counts = "?recordMetadata[]=commentCount"
    assert [comment["text"] for comment in office.good("GET", f"{record}/comments")["comments"]] == ["c", "b", "a"]
    assert [row.get("commentCount") for row in office.rows(query=counts).json()["records"]] == [3, None, None, None, None]
    office.own("PUT", "unconfirmed", {"commentsOldestFirst": True, "commentCountZero": True})
    try:
        assert [comment["text"] for comment in office.good("GET", f"{record}/comments")["comments"]] == ["a", "b", "c"]
        assert [row.get("commentCount") for row in office.rows(query=counts).json()["records"]] == [3, 0, 0, 0, 0]
    finally:
        office.own("PUT", "unconfirmed", {})


def test_formulas_may_be_refused_as_they_were_before(office: Office) -> None:
    """Section 16, 7."""
    made = {"name": "Twice", "type": "formula", "options": {"formula": "{Row}&{Row}"}}
    path = f"/v0/meta/bases/{FIRST}/tables/{ident('tbl', 'First')}/fields"
    office.own("PUT", "unconfirmed", {"formulasCreatable": False})
    try:
        office.refused(422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE", "POST", path, made)
    finally:
        office.own("PUT", "unconfirmed", {})
    assert office.ask("POST", path, made).status_code == 200
