"""Seeds that are wrong are refused with the path of what is wrong, before anything listens."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harbour import ADA, SEED, ident
from services import binary, environment


def check(folder: Path, text: str) -> subprocess.CompletedProcess:
    file = folder / "seed.json"
    file.write_text(text, encoding="utf-8")
    command = [binary("airtable-emulator"), "--seed", str(file), "check-config"]
    return subprocess.run(command, cwd=folder, env=environment(DATA_DIR=str(folder)), capture_output=True, text=True, timeout=20)


def berths(seed: dict) -> dict:
    return seed["bases"][0]["tables"][1]


CLIENT = {"clientId": "client", "redirectUris": ["https://client.test/"], "scopes": ["data.records:read"]}
SHIPS, BERTHS = "bases[0].tables[0]", "bases[0].tables[1]"
WRONG: list[tuple[str, Callable[[dict], object]]] = [
    (f"{BERTHS}.fields[1].type", lambda seed: berths(seed)["fields"][1].update(type="colour")),
    (f"{BERTHS}.id", lambda seed: berths(seed).update(id="tbl1")),
    (f"{BERTHS}.primaryFieldId", lambda seed: berths(seed).update(primaryFieldId=ident("fld", "Nope"))),
    (f"{BERTHS}.fields[2]", lambda seed: berths(seed)["fields"][2].update(name="berth")),
    (f"{BERTHS}.records[0]", lambda seed: berths(seed)["records"][0]["fields"].update(Depth="deep")),
    (f"{BERTHS}.records[1]", lambda seed: berths(seed)["records"][1]["fields"].update(Nope=1)),
    (f"{BERTHS}.records[2]", lambda seed: berths(seed)["records"][2].update(id=berths(seed)["records"][0]["id"])),
    (f"{BERTHS}.records[0]", lambda seed: berths(seed)["records"][0]["fields"].update(Moored=[ident("rec", "Nope")])),
    (f"{BERTHS}.records[0].createdTime", lambda seed: berths(seed)["records"][0].update(createdTime="yesterday")),
    (SHIPS, lambda seed: seed["bases"][0]["tables"][0]["fields"][23]["options"].update(formula="{Nope}+")),
    ("bases[0].permissionLevel", lambda seed: seed["bases"][0].update(permissionLevel="owner")),
    ("bases[1]", lambda seed: seed["bases"][1].update(id=seed["bases"][0]["id"])),
    ("tokens[0]", lambda seed: seed["tokens"][0]["scopes"].append("data.records:everything")),
    ("tokens[1]", lambda seed: seed["tokens"][1].update(user=ident("usr", "Nope"))),
    ("tokens[0].bases", lambda seed: seed["tokens"][0].update(bases=[ident("app", "Nope")])),
    ("limits", lambda seed: seed["limits"].update(requestsPerSecondPerBase=-1)),
    ("limits", lambda seed: seed["limits"].update(monthlyBehaviour="forgive")),
    ("unconfirmed", lambda seed: seed.update(unconfirmed={"urlTooLongStatus": 200})),
    ("bases[0].collaborators[0]", lambda seed: seed["bases"][0].update(collaborators=[{"user": ident("usr", "Nope"), "permissionLevel": "edit"}])),
    ("bases[0].collaborators[0]", lambda seed: seed["bases"][0].update(collaborators=[{"user": ADA, "permissionLevel": "owner"}])),
    ("tokens[0].permissionLevel", lambda seed: seed["tokens"][0].update(permissionLevel="owner")),
    (f"{BERTHS}.syncs[0]", lambda seed: berths(seed).update(syncs=[{"id": "sync1", "keyFieldId": ident("fld", "Nope")}])),
    (f"{BERTHS}.syncs[0]", lambda seed: berths(seed).update(syncs=[{"keyFieldId": ident("fld", "Berth")}])),
    (f"{BERTHS}.lastNumber", lambda seed: berths(seed).update(lastNumber="many")),
    (f"{BERTHS}.records[0].comments[0]", lambda seed: berths(seed)["records"][0].update(comments=[{"author": ident("usr", "Nope"), "text": "x"}])),
    (f"{BERTHS}.records[0].history", lambda seed: berths(seed)["records"][0].update(history={"createdBy": 5})),
    ("oauthClients[0].scopes", lambda seed: seed.update(oauthClients=[{**CLIENT, "scopes": ["data.records:everything"]}])),
    ("oauthClients[0].consent", lambda seed: seed.update(oauthClients=[{**CLIENT, "consent": "maybe"}])),
    ("oauthClients[0].user", lambda seed: seed.update(oauthClients=[{**CLIENT, "user": ident("usr", "Nope")}])),
    ("oauthClients[0].bases", lambda seed: seed.update(oauthClients=[{**CLIENT, "bases": [ident("app", "Nope")]}])),
    ("oauthClients[1]", lambda seed: seed.update(oauthClients=[CLIENT, CLIENT])),
    ("oauthGrants[0]", lambda seed: seed.update(oauthClients=[CLIENT], oauthGrants=[{"client": "nobody"}])),
    ("files[0]", lambda seed: seed.update(files=[{"attachment": ident("att", "Nope"), "content": "no base64!"}])),
    ("files[0]", lambda seed: seed.update(files=[{"attachment": "att1", "content": ""}])),
]


@pytest.mark.parametrize(("path", "spoil"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_seed_is_told_by_its_path(tmp_path: Path, path: str, spoil: Callable[[dict], object]) -> None:
    seed = copy.deepcopy(SEED)
    spoil(seed)
    done = check(tmp_path, json.dumps(seed))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and path in said and "panicked" not in said, said


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"bases": 5}', '{"bases": [5]}', '{"basis": []}', "[" * 100_000])
def test_what_is_no_seed(tmp_path: Path, text: str) -> None:
    done = check(tmp_path, text)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "seed.json" in said and "panicked" not in said, said


def test_the_seed_of_these_tests_is_right(tmp_path: Path) -> None:
    assert check(tmp_path, json.dumps(SEED)).returncode == 0
