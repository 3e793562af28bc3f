"""One stack as a user brings it up: a clean clone, credentials, compose. Its name and ports are its own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from engine import DOCKER, ROOT, Container, docker, run, wait_until

FILE = "docker-compose.minimal-working.yml"
APPS = {"airtable-gateway": "AIRTABLE_GATEWAY_PORT", "mcp-server": "MCP_SERVER_PORT", "llm-orchestrator": "LLM_ORCHESTRATOR_PORT"}
EMULATORS = ["airtable-emulator", "gemini-emulator"]
STORES = ["redis", "postgres"]
BASE = "appPyAirtableDemo"
ALL_SCOPES = "records:read,records:write,schema:read,schema:write,llm:chat"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_clone(folder: Path) -> None:
    """What a user clones, with what is not committed yet laid over it."""
    run("git", "clone", "--quiet", ROOT, folder, check=True)
    listed = run("git", "ls-files", "-z", "--modified", "--others", "--deleted", "--exclude-standard", cwd=ROOT, check=True).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, folder / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
        else:
            copy.unlink(missing_ok=True)


@dataclass
class Images:
    prefix: str
    tag: str

    def name(self, program: str) -> str:
        return f"{self.prefix}{program}:{self.tag}"


@dataclass
class Stack:
    folder: Path
    images: Images
    compose_command: str
    settings: dict[str, str] = field(default_factory=dict)
    project: str = field(default_factory=lambda: f"pyairtable-test-{secrets.token_hex(4)}")
    ports: dict[str, int] = field(default_factory=lambda: {service: free_port() for service in APPS})

    # --- what a user types -----------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STACK_", "COMPOSE"))}
        return {
            **kept,
            "COMPOSE_PROJECT_NAME": self.project,
            "STACK_IMAGE_PREFIX": self.images.prefix,
            "STACK_IMAGE_TAG": self.images.tag,
            **{APPS[service]: str(port) for service, port in self.ports.items()},
            **self.settings,
        }

    def script(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(f"./scripts/{command[0]}", *command[1:], cwd=self.folder, env={**self.environment(), **environment})

    def generate(self, *options: str, **environment: str) -> str:
        done = self.script("generate-secure-credentials.sh", *options, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def compose(self, *arguments: str, within: float = 240) -> subprocess.CompletedProcess[str]:
        return run(*self.compose_command.split(), "-f", FILE, *arguments, cwd=self.folder, env=self.environment(), within=within)

    def must(self, *arguments: str, within: float = 240) -> str:
        done = self.compose(*arguments, within=within)
        assert done.returncode == 0, f"compose {' '.join(arguments)} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout + done.stderr

    def up(self) -> float:
        """Seconds until every container is healthy, from the command on."""
        started = time.monotonic()
        self.must("up", "-d", "--no-build")
        self.wait_healthy(within=60)
        return time.monotonic() - started

    def down(self) -> None:
        self.must("down")

    def create_key(self, name: str, scopes: str = ALL_SCOPES, *more: str) -> str:
        printed = self.must("run", "--rm", "pyairtable", "keys", "create", "--name", name, "--scopes", scopes, *more)
        keys = set(re.findall(r"pya_live_[\w-]+", printed))
        assert len(keys) == 1, f"`keys create` must print one key, printed {len(keys)}"
        return keys.pop()

    # --- what is there ---------------------------------------------------------------------------

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def container(self, service: str) -> Container:
        found = self._list("ps", f"label=com.docker.compose.service={service}")
        assert len(found) == 1, f"{len(found)} containers of {service}"
        return Container(found[0])

    def containers(self) -> dict[str, Container]:
        lines = docker("ps", "-a", "--no-trunc", "--filter", self._label(), "--format", '{{.Label "com.docker.compose.service"}} {{.ID}}').splitlines()
        return {service: Container(identifier) for service, identifier in (line.split() for line in lines)}

    def volumes(self) -> set[str]:
        """Of all its containers, whatever they are called."""
        mounts = [mount for container in self.containers().values() for mount in container.details()["Mounts"]]
        return {mount["Name"] for mount in mounts if mount["Type"] == "volume"}

    def wait_healthy(self, *services: str, within: float) -> float:
        chosen = [self.container(service) for service in services] if services else list(self.containers().values())
        assert chosen, "no container is there"
        try:
            return wait_until(lambda: all(c.healthy() for c in chosen), within, "all containers healthy", every=0.25)
        except AssertionError as error:
            states = {c.details()["Name"]: c.state().get("Health", c.state()["Status"]) for c in chosen}
            raise AssertionError(f"{error}: {states}") from None

    def logs(self) -> str:
        return "".join(f"=== {service}\n{container.logs()}" for service, container in sorted(self.containers().items()))

    def remove(self, logs: Path) -> None:
        """Everything of it: containers, networks, volumes. Keeps the logs."""
        logs.mkdir(parents=True, exist_ok=True)
        (logs / f"{self.project}.log").write_text(self.logs())
        volumes = self.volumes()
        for kind, removal in (("ps", ["rm", "-f"]), ("network", ["network", "rm"]), ("volume", ["volume", "rm", "-f"])):
            for name in self._list(kind) + (sorted(volumes) if kind == "volume" else []):
                run(DOCKER, *removal, name)

    def _label(self) -> str:
        return f"label=com.docker.compose.project={self.project}"

    def _list(self, kind: str, *filters: str) -> list[str]:
        command = ["ps", "-a", "--no-trunc", "-q"] if kind == "ps" else [kind, "ls", "-q"]
        more = [word for rule in (self._label(), *filters) for word in ("--filter", rule)]
        return docker(*command, *more).split()

    # --- what it serves --------------------------------------------------------------------------

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def health(self, service: str) -> httpx.Response:
        return httpx.get(f"{self.url(service)}/health", timeout=5)

    def headers(self, key: str | None = None) -> dict[str, str]:
        return {"authorization": f"Bearer {key or self.secret('operator-api-key')}"}

    def airtable(self, method: str, path: str, key: str | None = None, **options) -> httpx.Response:
        """A call as any client of Airtable makes it."""
        return httpx.request(method, f"{self.url('airtable-gateway')}/v0/{path}", headers=self.headers(key), timeout=30, **options)

    def add(self, name: str) -> str:
        """A new task; its record's id."""
        answer = self.airtable("POST", f"{BASE}/Tasks", json={"records": [{"fields": {"Task": name}}]})
        assert answer.status_code == 200, answer.text
        return answer.json()["records"][0]["id"]

    def task(self, record: str) -> str:
        answer = self.airtable("GET", f"{BASE}/Tasks/{record}")
        assert answer.status_code == 200, answer.text
        return answer.json()["fields"]["Task"]

    def tasks(self) -> dict[str, str]:
        """All tasks' names by their records' ids."""
        found, offset = {}, None
        while True:
            answer = self.airtable("GET", f"{BASE}/Tasks", params={"fields[]": "Task", **({"offset": offset} if offset else {})})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found |= {record["id"]: record["fields"].get("Task", "") for record in page["records"]}
            offset = page.get("offset")
            if not offset:
                return found

    def tool(self, name: str, arguments: dict, key: str | None = None) -> httpx.Response:
        """One call of a tool, as a client of the Model Context Protocol makes it."""
        headers = {**self.headers(key), "accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
        with httpx.Client(base_url=self.url("mcp-server"), headers=headers, timeout=60) as client:
            hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "stack-test", "version": "1"}}
            opened = client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
            if opened.status_code != 200:
                return opened
            if session := opened.headers.get("mcp-session-id"):
                client.headers["mcp-session-id"] = session
            client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
            call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
            return client.post("/mcp", json=call)

    def chat(self, question: str, key: str | None = None, **more) -> httpx.Response:
        """One question, as a client of OpenAI's API asks it."""
        body = {"model": "airtable-assistant", "messages": [{"role": "user", "content": question}], **more}
        return httpx.post(f"{self.url('llm-orchestrator')}/v1/chat/completions", headers=self.headers(key), json=body, timeout=120)

    def ask(self, question: str, key: str | None = None, **more) -> str:
        answer = self.chat(question, key, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]["message"]["content"]

    def messages(self, session: str, key: str | None = None) -> list[dict]:
        answer = httpx.get(f"{self.url('llm-orchestrator')}/api/v1/sessions/{session}/messages", headers=self.headers(key), timeout=30)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["messages"] if isinstance(body, dict) else body
