"""Long random series of writes against a model of a few lines: what is listed is what was written, always."""

from __future__ import annotations

import random
from pathlib import Path
from urllib.parse import quote

import pytest

from conftest import start_emulator
from harbour import HARBOUR
from wire import BERTHS_PATH, CRATES_PATH, SHIPS_PATH, Wire, cells

GRADES = ["Coarse", "Fine", "Best"]
WORDS = ["", "a", "B", "ä", "Zoë", "zoe", "10", "9", "a b", "'", '"', "\\", "\n", "🚢", "ﬀ", "İ"]


def random_cells(dice: random.Random) -> dict:
    every = {
        "Mark": dice.choice(WORDS),
        "Weight": dice.choice([None, 0, -1, 1, dice.randrange(50), dice.random() * 10]),
        "Grade": dice.choice([None, *GRADES]),
        "Sealed": dice.choice([True, False, None]),
        "Remark": dice.choice([None, *WORDS]),
    }
    return {name: every[name] for name in dice.sample(sorted(every), dice.randrange(len(every) + 1))}


def kept(fields: dict) -> dict:
    return {name: value for name, value in fields.items() if value not in (None, "") and value is not False}


class Model:
    """What the table must hold: id → cells that are not empty."""

    def __init__(self, wire: Wire, dice: random.Random):
        self.wire, self.dice = wire, dice
        self.rows: dict[str, dict] = {record["id"]: record["fields"] for record in self.listed()}

    def listed(self, query: str = "") -> list[dict]:
        found, offset = [], ""
        while True:
            page = self.wire.good("GET", f"{CRATES_PATH}?{query}&pageSize=100&offset={quote(offset, safe='')}")
            found += page["records"]
            offset = page.get("offset", "")
            if not offset:
                return found

    def step(self) -> None:
        some = self.dice.sample(sorted(self.rows), min(len(self.rows), self.dice.randrange(1, 11)))
        {"create": self.create, "PATCH": self.change, "PUT": self.change, "delete": self.delete, "upsert": self.upsert}[
            kind := self.dice.choice(["create", "PATCH", "PUT", "delete", "upsert"])
        ](kind, some)

    def create(self, _: str, some: list[str]) -> None:
        new = [random_cells(self.dice) for _ in some]
        if len(new) == 1:
            answers = [self.wire.good("POST", CRATES_PATH, {"fields": new[0]})]
        else:
            answers = self.wire.good("POST", CRATES_PATH, {"records": [{"fields": fields} for fields in new]})["records"]
        assert [answer["fields"] for answer in answers] == [kept(fields) for fields in new]
        self.rows.update({answer["id"]: answer["fields"] for answer in answers})

    def change(self, method: str, some: list[str]) -> None:
        new = {record: random_cells(self.dice) for record in some}
        if len(some) == 1:
            answers = [self.wire.good(method, f"{CRATES_PATH}/{some[0]}", {"fields": new[some[0]]})]
        else:
            answers = self.wire.good(method, CRATES_PATH, {"records": [{"id": record, "fields": fields} for record, fields in new.items()]})["records"]
        for record, fields in new.items():
            self.rows[record] = kept({**(self.rows[record] if method == "PATCH" else {}), **fields})
        assert [answer["fields"] for answer in answers] == [self.rows[record] for record in some]

    def delete(self, _: str, some: list[str]) -> None:
        some = some[:2]
        answer = self.wire.good("DELETE", f"{CRATES_PATH}?" + "&".join(f"records[]={record}" for record in some))
        assert answer == {"records": [{"id": record, "deleted": True} for record in some]}
        for record in some:
            del self.rows[record]

    def upsert(self, _: str, some: list[str]) -> None:
        """By a name nobody else has, so that it is known what matches."""
        name = f"unique {self.dice.randrange(6)}"
        before = [record for record, fields in self.rows.items() if fields.get("Mark") == name]
        fields = {**random_cells(self.dice), "Mark": name}
        body = {"records": [{"fields": fields}], "performUpsert": {"fieldsToMergeOn": ["Mark"]}}
        if len(before) > 1:
            assert self.wire.ask("PATCH", CRATES_PATH, body).status_code == 422
            return
        answer = self.wire.good("PATCH", CRATES_PATH, body)
        record = answer["records"][0]["id"]
        assert answer["updatedRecords"] == before and (record in before or answer["createdRecords"] == [record])
        self.rows[record] = kept({**self.rows.get(record, {}), **fields})
        assert answer["records"][0]["fields"] == self.rows[record]

    def compare(self) -> None:
        listed = self.listed()
        assert {record["id"]: record["fields"] for record in listed} == self.rows and len(listed) == len(self.rows)
        assert [record["id"] for record in listed] == sorted(self.rows)
        weights = cells(self.listed("sort[0][field]=Weight"), "Weight")
        assert weights == sorted((row.get("Weight") for row in self.rows.values()), key=lambda weight: (weight is not None, weight or 0))
        grades = cells(self.listed("sort[0][field]=Grade&sort[0][direction]=desc"), "Grade")
        assert grades == sorted((row.get("Grade") for row in self.rows.values()), key=lambda grade: GRADES.index(grade) if grade else -1, reverse=True)
        heavy = self.listed(f"filterByFormula={quote('AND({Weight}>3, NOT({Sealed}))')}")
        assert {record["id"] for record in heavy} == {record for record, row in self.rows.items() if row.get("Weight", 0) > 3 and not row.get("Sealed")}
        word = self.dice.choice([word for word in WORDS if word not in ("", "'", '"', "\\", "\n")])
        same = self.listed(f"filterByFormula={quote(f'{{Mark}}=') + quote(repr(word))}")
        assert {record["id"] for record in same} == {record for record, row in self.rows.items() if row.get("Mark") == word}, word


@pytest.mark.parametrize("seed", range(4))
def test_random_writes_are_listed_as_they_were_written(wire: Wire, seed: int) -> None:
    model = Model(wire, random.Random(seed))
    for number in range(60):
        model.step()
        if number % 12 == 11:
            model.compare()


def test_random_writes_outlive_a_kill(tmp_path: Path) -> None:
    """With `--data FILE`: each time it comes back, everything is there."""
    file, model = str(tmp_path / "bases.sqlite"), None
    for _ in range(4):
        service = start_emulator(tmp_path, "--data", file)
        try:
            wire = Wire(service.url)
            if model is None:
                model = Model(wire, random.Random(11))
            model.wire = wire
            model.compare()
            for _ in range(25):
                model.step()
        finally:
            service.process.kill()
            service.process.wait()


@pytest.mark.parametrize("seed", range(3))
def test_random_links_agree_on_both_sides(wire: Wire, seed: int) -> None:
    """Writes on either side, batches, deletions and typecast; lookups, counts and sums follow."""
    dice = random.Random(seed)
    ships = [wire.ship(Ship=f"ship {number}")["id"] for number in range(6)]
    for _ in range(50):
        berths = [record["id"] for record in wire.good("GET", BERTHS_PATH)["records"]]
        match dice.randrange(5):
            case 0 if len(berths) > 1:
                wire.good("DELETE", f"{BERTHS_PATH}/{dice.choice(berths)}")
            case 1:
                wire.good("POST", BERTHS_PATH, {"fields": {"Berth": f"new {dice.randrange(99)}", "Depth": dice.randrange(9), "Moored": dice.sample(ships, dice.randrange(4))}})
            case 2:
                pair = dice.sample(ships, 2)
                wire.good("PATCH", SHIPS_PATH, {"records": [{"id": ship, "fields": {"Berths": dice.sample(berths, dice.randrange(min(4, len(berths) + 1)))}} for ship in pair]})
            case 3:
                wire.good("PUT", f"{BERTHS_PATH}/{dice.choice(berths)}", {"fields": {"Moored": dice.sample(ships, dice.randrange(4))}})
            case 4:
                body = {"fields": {"Berths": dice.choice(["typed", "typed too"])}, "typecast": True}
                wire.good("PATCH", f"{SHIPS_PATH}/{dice.choice(ships)}", body)
        berth_rows = {record["id"]: record["fields"] for record in wire.good("GET", BERTHS_PATH)["records"]}
        ship_rows = {record["id"]: record["fields"] for record in wire.good("GET", SHIPS_PATH)["records"]}
        forth = {(ship, berth) for ship, row in ship_rows.items() for berth in row.get("Berths", [])}
        assert forth == {(ship, berth) for berth, row in berth_rows.items() for ship in row.get("Moored", [])}
        for row in ship_rows.values():
            linked = [berth_rows[berth] for berth in row.get("Berths", [])]
            assert row["How many"] == len(linked)
            assert row.get("Depth sum", 0) == sum(berth.get("Depth", 0) for berth in linked)
            assert row.get("Names", []) == [berth["Berth"] for berth in linked if "Berth" in berth]


def test_what_was_never_written_is_not_changed(wire: Wire) -> None:
    """Other tables and bases stay as they were seeded while one is written to."""
    others = (BERTHS_PATH, SHIPS_PATH, "/v0/meta/bases", f"/v0/meta/bases/{HARBOUR}/tables")
    before = [wire.good("GET", path) for path in others]
    model = Model(wire, random.Random(99))
    for _ in range(40):
        model.step()
    assert before == [wire.good("GET", path) for path in others]
