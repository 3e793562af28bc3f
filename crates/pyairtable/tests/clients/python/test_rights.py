"""Keys of the gateway: what the command line makes, the gateway honours."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import requests

import twins as t
from services import Service, create_key


@pytest.fixture(scope="module")
def data_dir(folder: Path) -> Path:
    return folder / "gateway" / "data"


def get(gateway: t.Twin, path: str, **headers: str) -> requests.Response:
    return requests.get(gateway.url + path, headers=headers, timeout=30)


def test_a_key_made_while_the_gateway_runs_works_at_once(gateway: t.Twin, data_dir: Path) -> None:
    key = create_key(data_dir, "made later", ["records:read"])
    assert get(gateway, f"/v0/{t.WAREHOUSE}/{t.ITEMS}?maxRecords=1", Authorization=f"Bearer {key}").status_code == 200


def test_an_expired_key_is_refused(gateway: t.Twin, data_dir: Path) -> None:
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    try:
        key = create_key(data_dir, "expired", ["records:read"], expires=moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    except AssertionError:
        return  # refusing to make such a key is as good
    answer = get(gateway, "/v0/meta/whoami", Authorization=f"Bearer {key}")
    assert answer.status_code == 401


def test_the_other_header_for_keys_works_too(gateway: t.Twin) -> None:
    answer = get(gateway, f"/v0/{t.WAREHOUSE}/{t.ITEMS}?maxRecords=1", **{"X-API-Key": gateway.keys["full"]})
    assert answer.status_code == 200


def test_a_key_in_the_address_is_refused_and_goes_no_further(gateway: t.Twin, emulator_behind_gateway: Service) -> None:
    key = gateway.keys["full"]
    for credential in ({}, {"Authorization": f"Bearer {key}"}):
        answer = get(gateway, f"/v0/{t.WAREHOUSE}/{t.ITEMS}?maxRecords=1&api_key={key}", **credential)
        assert answer.status_code in (400, 401), answer.text
        assert key not in answer.text
    log = requests.get(f"{emulator_behind_gateway.url}/__emulator/requests", timeout=10)
    assert "pya_live_" not in log.text


def test_answers_say_that_airtable_is_emulated_also_from_the_cache(twins: list[t.Twin]) -> None:
    for twin in twins:
        for _ in range(2):
            answer = get(twin, f"/v0/{t.WAREHOUSE}/{t.ORDERS}?view=Grid+view", Authorization=f"Bearer {twin.keys['full']}")
            assert answer.headers["x-pyairtable-emulated"] == "true", twin.name


def test_conditional_reads_are_answered_without_a_body(gateway: t.Twin) -> None:
    path, key = f"/v0/{t.WAREHOUSE}/{t.ORDERS}?view=Grid+view&pageSize=2", {"Authorization": f"Bearer {gateway.keys['full']}"}
    first = get(gateway, path, **key)
    again = get(gateway, path, **key, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    changed = requests.patch(f"{gateway.url}/v0/{t.WAREHOUSE}/{t.ORDERS}/{t.record_id('Order', 1)}", json={"fields": {"Ref": "etag"}}, headers=key, timeout=30)
    assert changed.status_code == 200
    fresh = get(gateway, path, **key, **{"If-None-Match": first.headers["ETag"]})
    assert fresh.status_code == 200 and fresh.headers["ETag"] != first.headers["ETag"]
    assert fresh.json()["records"][1]["fields"]["Ref"] == "etag"
    requests.patch(f"{gateway.url}/v0/{t.WAREHOUSE}/{t.ORDERS}/{t.record_id('Order', 1)}", json={"fields": {"Ref": "Order #1"}}, headers=key, timeout=30)
