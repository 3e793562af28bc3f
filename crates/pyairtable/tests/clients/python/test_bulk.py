"""Two thousand rows through the gateway: the client never meets a 429."""

import pyairtable

import twins as t

ROWS = 2_000
UPDATED = 300
DELETED = 400


def test_two_thousand_creates_then_updates_and_deletes_meet_no_429(gateway: t.Twin) -> None:
    run = t.Run(gateway)
    table: pyairtable.Table = run.table(t.WAREHOUSE, t.BULK)
    made = table.batch_create([{"Name": f"row {number:04d}", "N": number} for number in range(ROWS)])
    assert [record["fields"]["N"] for record in made] == list(range(ROWS))
    assert len({record["id"] for record in made}) == ROWS

    changed = table.batch_update([{"id": record["id"], "fields": {"Flag": True}} for record in made[:UPDATED]])
    assert all(record["fields"]["Flag"] and record["fields"]["Name"] for record in changed)

    gone = table.batch_delete([record["id"] for record in made[-DELETED:]])
    assert all(record["deleted"] for record in gone) and len(gone) == DELETED

    left = table.all(sort=["N"])
    assert [record["fields"]["N"] for record in left] == list(range(ROWS - DELETED))
    assert sum(record["fields"].get("Flag", False) for record in left) == UPDATED
    statuses = {answer.status for answer in run.answers}
    assert statuses == {200}, statuses
