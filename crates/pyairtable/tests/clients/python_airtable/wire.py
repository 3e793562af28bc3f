"""Plain HTTP to the emulator: what is asked and what is answered, byte for byte, without a client in between."""

from __future__ import annotations

import re
from dataclasses import dataclass

import requests

from harbour import BERTHS, CRATES, FULL, HARBOUR, SHIPS

HIDDEN = {
    "type": "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
    "message": "Invalid permissions, or the requested model was not found. Check that both your user and your token "
    "have the required permissions, and that the model names and/or ids are correct.",
}
INVALID_PARAMETERS = {"type": "INVALID_REQUEST_UNKNOWN", "message": "Invalid request: parameter validation failed. Check your request data."}
UNAUTHENTICATED = {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}
CREATED_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
SHIPS_PATH, BERTHS_PATH, CRATES_PATH = (f"/v0/{HARBOUR}/{table}" for table in (SHIPS, BERTHS, CRATES))


@dataclass
class Wire:
    """`admin`: where the emulator's own API is, if `url` is the gateway."""

    url: str
    admin: str = ""

    @property
    def unpaced(self) -> Wire:
        """Past the gateway, to fill a base quickly before anybody has read it."""
        return Wire(self.admin or self.url)

    def ask(self, method: str, path: str, body: object = None, key: str | None = FULL, **more: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
        headers.update(more.pop("headers", {}))  # type: ignore[call-overload]
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=20, **more)  # type: ignore[arg-type]

    def own(self, method: str, name: str, body: object = None) -> dict:
        """The emulator's own API, beside Airtable's."""
        answer = requests.request(method, f"{self.admin or self.url}/__emulator/{name}", json=body, timeout=20)
        assert answer.ok, f"{method} {name} {body}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else {}

    def limit(self, **change: object) -> None:
        """Changes limits until the next test."""
        self.own("PUT", "limits", change)

    def wait(self, seconds: float) -> None:
        """So much time passes for the emulator, and none for us."""
        self.own("PUT", "clock", {"advanceSeconds": seconds})

    def stop_clock(self, time: str | None = None) -> None:
        """Time stands still for the emulator until the next test; `wait` moves it."""
        self.own("PUT", "clock", {"stopped": True, **({"time": time} if time else {})})

    def good(self, method: str, path: str, body: object = None, **more: object) -> dict:
        answer = self.ask(method, path, body, **more)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        # What became of a ping shows in the list of webhooks whenever it does.
        if method == "GET" and self.admin and not path.endswith("/webhooks"):
            again = self.ask(method, path, **more)
            assert again.json() == answer.json(), f"{path}: another answer from the cache"
        return answer.json()

    def good_or_empty(self, method: str, path: str, body: object = None, **more: object) -> None:
        """Two calls for webhooks answer nothing, or an empty object."""
        answer = self.ask(method, path, body, **more)
        assert answer.status_code == 200 and answer.text in ("", "{}"), f"{method} {path}: {answer.status_code} {answer.text[:500]}"

    def refused(self, status: int, error: object, method: str, path: str, body: object = None, **more: object) -> None:
        """`error` is the whole member `error`, or only its type."""
        answer = self.ask(method, path, body, **more)
        said = f"{method} {path} {body}: {answer.status_code} {answer.text[:500]}"
        assert answer.status_code == status, said
        actual = answer.json()["error"]
        if isinstance(error, str) and isinstance(actual, dict):
            actual = actual["type"]
        assert actual == error, said

    def ship(self, **cells: object) -> dict:
        """A new ship with these cells, as a create answers it."""
        return self.good("POST", SHIPS_PATH, {"fields": cells})

    def crates(self, query: str = "") -> list[dict]:
        return self.good("GET", f"{CRATES_PATH}?{query}")["records"]


def cells(records: list[dict], name: str) -> list:
    return [record["fields"].get(name) for record in records]
