"""Tables that are filled from CSV (sections 4 and 12 of Airtable's reference)."""

from collections.abc import Iterator

import pytest
import requests

from conftest import start_emulator
from harbour import ADA, ALL_SCOPES, NO_LIMITS, USERS, choices, field, ident
from services import Service
from wire import HIDDEN, UNAUTHENTICATED, Wire

MARKET, FISH, STALLS = ident("app", "Market"), ident("tbl", "Fish"), ident("tbl", "Stalls")
VISITED = ident("app", "Visited")
ADDS, MIRRORS = "SyncAdds01", "SyncMirr02"
TOKEN, HALF, READER, INTEGRATION = "patMarket.all", "patMarket.half", "patMarket.reader", "oaaMarket.v1.shop"


def stalls(base: str, table: str, level: str, prefix: str = "") -> dict:
    return {"id": base, "name": base, "permissionLevel": level, "tables": [{
        "id": table, "name": "Stalls", "primaryFieldId": ident("fld", f"{prefix}No"), "fields": [field(f"{prefix}No", "singleLineText")],
        "views": [{"id": ident("viw", f"{prefix}Stalls"), "name": "Grid", "type": "grid"}], "records": [], "syncs": [{"id": ADDS}],
    }]}


SEED = {
    "bases": [
        {"id": MARKET, "name": "Market", "permissionLevel": "create", "tables": [{
            "id": FISH, "name": "Fish", "primaryFieldId": ident("fld", "Code"),
            "fields": [
                field("Code", "singleLineText"), field("Name", "singleLineText"), field("Price", "currency", {"precision": 2, "symbol": "€"}),
                field("Fresh", "checkbox", {"icon": "check", "color": "greenBright"}), field("Kind", "singleSelect", choices("Sea", "River")),
                field("Caught", "date", {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}),
            ],
            "views": [{"id": ident("viw", "Fish"), "name": "Grid", "type": "grid"}],
            "records": [
                {"id": ident("rec", "Cod"), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {"Code": "c1", "Name": "Cod", "Price": 5}},
                {"id": ident("rec", "Eel"), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {"Code": "e1", "Name": "Eel", "Price": 9}},
            ],
            "syncs": [{"id": ADDS, "keyFieldId": ident("fld", "Code"), "deletesMissing": False}, {"id": MIRRORS}],
        }]},
        stalls(VISITED, STALLS, "edit"),
    ],
    "users": USERS,
    "tokens": [
        {"token": TOKEN, "scopes": ALL_SCOPES, "bases": "*", "user": ADA},
        {"token": HALF, "scopes": ["data.records:write"], "bases": "*", "user": ADA},
        {"token": READER, "scopes": ["data.records:read", "schema.bases:write"], "bases": "*", "user": ADA},
    ],
    "oauthClients": [{"clientId": "shop", "redirectUris": ["https://shop.test/"], "scopes": ALL_SCOPES}],
    "oauthGrants": [{"client": "shop", "accessToken": {"token": INTEGRATION}}],
    "limits": {**NO_LIMITS, "syncsPerFiveMinutes": None},
}
TABLE = f"/v0/{MARKET}/{FISH}"


class Market(Wire):
    def ask(self, method: str, path: str, body: object = None, key: str | None = TOKEN, **more: object) -> requests.Response:
        return super().ask(method, path, body, key, **more)

    def send(self, text: str | bytes, sync: str = MIRRORS, table: str = TABLE, key: str | None = TOKEN, kind: str = "text/csv") -> requests.Response:
        data = text.encode() if isinstance(text, str) else text
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {key}"} if key else {})}
        return requests.post(f"{self.url}{table}/sync/{sync}", data=data, headers=headers, timeout=60)

    def sync(self, text: str, sync: str = MIRRORS) -> None:
        answer = self.send(text, sync)
        assert (answer.status_code, answer.json()) == (200, {"success": True}), answer.text

    def fish(self) -> dict[str, dict]:
        return {record["fields"]["Code"]: record for record in self.good("GET", TABLE)["records"]}


@pytest.fixture(scope="module")
def service_of_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("market"), seed=SEED)
    yield service
    service.stop()


@pytest.fixture
def market(service_of_market: Service) -> Market:
    requests.post(f"{service_of_market.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    market = Market(service_of_market.url)
    market.limit(syncsPerFiveMinutes=None)
    return market


def test_rows_become_records(market: Market) -> None:
    """Section 12: columns are the fields of their names; a row that is known keeps its record; the others go."""
    before = market.fish()
    market.sync("Code,Name,Price,Fresh,Kind,Caught\nc1,Kabeljau,6.5,true,Sea,2024-05-06\np1,Pike,3,,River,\n")
    after = market.fish()
    assert set(after) == {"c1", "p1"} and after["c1"]["id"] == before["c1"]["id"]
    assert after["c1"]["fields"] == {"Code": "c1", "Name": "Kabeljau", "Price": 6.5, "Fresh": True, "Kind": "Sea", "Caught": "2024-05-06"}
    assert after["p1"]["fields"] == {"Code": "p1", "Name": "Pike", "Price": 3, "Kind": "River"}
    market.sync("Code,Name\nc1,Kabeljau\n")
    assert set(market.fish()) == {"c1"}


def test_a_sync_may_keep_what_is_missing(market: Market) -> None:
    """Section 12, as the sync is set up."""
    market.sync("Code,Name\np1,Pike\n", ADDS)
    assert set(market.fish()) == {"c1", "e1", "p1"}
    assert market.fish()["c1"]["fields"] == {"Code": "c1", "Name": "Cod", "Price": 5}, "untouched"


def test_the_same_again_changes_nothing(market: Market) -> None:
    text = "Code,Name,Price\nc1,Cod,5\ne1,Eel,9\n"
    before = market.fish()
    market.sync(text)
    market.sync(text)
    assert market.fish() == before


def test_csv_is_read_as_it_is_written_elsewhere(market: Market) -> None:
    """Quotes, commas, line ends and quotes within quotes; a mark of byte order; CRLF; no line end at the end."""
    market.sync('\ufeffCode,Name\r\nq1,"a ""b"", c\r\nsecond line"\r\nq2,ünder 🐟\r\nq3,  padded  ')
    assert {code: record["fields"]["Name"].replace("\r\n", "\n").strip() for code, record in market.fish().items()} == {"q1": 'a "b", c\nsecond line', "q2": "ünder 🐟", "q3": "padded"}


def test_a_table_is_named_by_its_name_too(market: Market) -> None:
    """Section 1."""
    assert market.send("Code\nc1\n", table=f"/v0/{MARKET}/Fish").status_code == 200
    assert set(market.fish()) == {"c1"}


@pytest.mark.parametrize("text", [b"", b"\n", b'Code,Name\n"c1,Cod\n', b"Code,Name\n\xff\xfe,x\n", b"Code,Name\nc1,Cod,too,many\n"])
def test_what_is_no_csv(market: Market, text: bytes) -> None:
    """Refused, and nothing is changed."""
    before = market.fish()
    assert market.send(text).status_code in (400, 422), text
    assert market.fish() == before


def test_the_bounds_of_a_sync(market: Market) -> None:
    """Sections 4 and 12: 10,000 rows, 500 columns, 2 MB."""
    before = market.fish()
    rows = "Code\n" + "".join(f"r{number}\n" for number in range(10_001))
    columns = ",".join(["Code", *(f"x{number}" for number in range(500))]) + "\n" + ",".join(["r1"] * 501) + "\n"
    large = "Code,Name\n" + "".join(f"r{number},{'x' * 1000}\n" for number in range(2_200))
    for text in (rows, columns, large):
        assert market.send(text).status_code in (400, 413, 422)
    assert market.fish() == before
    market.sync("Code\n" + "".join(f"r{number}\n" for number in range(10_000)))
    assert len(market.good("GET", f"{TABLE}?pageSize=100&fields[]=Code")["records"]) == 100


def test_who_may_sync(market: Market) -> None:
    """Sections 1 and 12: two scopes, and the role create."""
    for key in (HALF, READER):
        answer = market.send("Code\nc1\n", key=key)
        assert (answer.status_code, answer.json()["error"]) == (403, HIDDEN)
    answer = market.send("Code\nc1\n", key=None)
    assert (answer.status_code, answer.json()["error"]) == (401, UNAUTHENTICATED)
    answer = market.send("No\n1\n", sync=ADDS, table=f"/v0/{VISITED}/{STALLS}")
    assert answer.status_code == 403 and answer.json()["error"]["type"] == "INVALID_PERMISSIONS"
    assert set(market.fish()) == {"c1", "e1"}


def test_an_integration_may_not_sync(market: Market) -> None:
    """Section 12: personal access tokens only."""
    assert market.ask("GET", TABLE, key=INTEGRATION).status_code == 200
    assert market.send("Code\nc1\n", key=INTEGRATION).status_code == 403
    assert set(market.fish()) == {"c1", "e1"}


def test_syncs_that_are_not_there(market: Market) -> None:
    """The id comes from where the sync was set up."""
    assert market.send("Code\nc1\n", sync="Nowhere").status_code in (403, 404, 422)
    assert market.send("No\n1\n", sync=MIRRORS, table=f"/v0/{VISITED}/{STALLS}").status_code in (403, 404, 422)
    assert market.ask("GET", f"{TABLE}/sync/{MIRRORS}").status_code == 404
    assert set(market.fish()) == {"c1", "e1"}


def test_twenty_syncs_in_five_minutes(market: Market) -> None:
    """Section 4: per base; other calls are not concerned; five minutes later there are twenty again."""
    market.limit(syncsPerFiveMinutes=20)
    market.stop_clock()
    assert [market.send("Code\nc1\n").status_code for _ in range(21)] == [200] * 20 + [429]
    assert market.ask("GET", TABLE).status_code == 200
    market.wait(299)
    assert market.send("Code\nc1\n").status_code == 429
    market.wait(600)
    assert [market.send("Code\nc1\n").status_code for _ in range(21)] == [200] * 20 + [429]


def test_webhooks_know_a_sync(market: Market) -> None:
    """Section 11: its source is `sync`."""
    hooks = f"/v0/bases/{MARKET}/webhooks"
    ids = [market.good("POST", hooks, {"specification": {"options": {"filters": {"dataTypes": ["tableData"], "fromSources": sources}}}})["id"] for sources in (["sync"], ["publicApi"])]
    market.sync("Code,Name\nc1,Cod\np1,Pike\n")
    of_sync, of_api = (market.good("GET", f"{hooks}/{hook}/payloads")["payloads"] for hook in ids)
    assert of_api == [] and {payload["actionMetadata"]["source"] for payload in of_sync} == {"sync"}
    told: dict = {}
    for payload in of_sync:
        told.update(payload["changedTablesById"][FISH])
    assert len(told["createdRecordsById"]) == 1 and told["destroyedRecordIds"] == [ident("rec", "Eel")]
