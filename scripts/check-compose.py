#!/usr/bin/env python3
"""Checks the hardening of docker-compose.minimal-working.yml as far as the file itself tells; the tests of the running
stack look at the containers.

Run by `scripts/test.sh delivery`. Prints every problem, exit code 1 if there is one.
"""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "docker-compose.minimal-working.yml"
APPS = {"airtable-gateway": 8002, "mcp-server": 8001, "llm-orchestrator": 8003}
EMULATORS = {"airtable-emulator", "gemini-emulator"}
STORES = {"redis", "postgres"}
TOOLS = {"pyairtable"}
SECRET_NAMES = re.compile(r"(PASSWORD|TOKEN|SECRET|KEY|CREDENTIAL)$")
# What a root process needs to read another user's file of mode 600, hand on a copy, and become its own user.
STORE_CAPABILITIES = {"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "SETGID", "SETUID"}

problems: list[str] = []


def expect(holds: object, where: str, what: str) -> None:
    if not holds:
        problems.append(f"{where}: {what}")


def depends(service: dict) -> dict[str, str]:
    listed = service.get("depends_on", {})
    return {name: listed[name]["condition"] if isinstance(listed, dict) else "service_started" for name in listed}


def check_service(name: str, service: dict) -> None:
    expect("ALL" in service.get("cap_drop", []), name, "cap_drop: [ALL]")
    allowed = STORE_CAPABILITIES if name in STORES else set()
    expect(set(service.get("cap_add", [])) <= allowed, name, f"cap_add may hold {sorted(allowed)} at most")
    expect("no-new-privileges:true" in service.get("security_opt", []), name, "security_opt: no-new-privileges")
    expect(service.get("read_only") is True, name, "read_only: true")
    for limit in ("mem_limit", "pids_limit", "stop_grace_period"):
        expect(limit in service, name, f"{limit} is missing")
    options = service.get("logging", {}).get("options", {})
    expect({"max-size", "max-file"} <= set(options), name, "logs must be rotated (max-size, max-file)")
    for forbidden in ("privileged", "pid", "ipc", "devices", "network_mode", "userns_mode"):
        expect(forbidden not in service, name, f"{forbidden} must not be there")
    expect(service.get("restart") == ("no" if name in TOOLS else "unless-stopped"), name, "restart policy")
    user = str(service.get("user", ""))
    expect(user == "0:0" if name in STORES else user.startswith("${STACK_USER"), name, f"runs as {user or 'whoever the image says'}")
    check_values(name, service)
    check_ports(name, service.get("ports", []))


def check_values(name: str, service: dict) -> None:
    environment = service.get("environment", {})
    expect(isinstance(environment, dict), name, "environment as a mapping")
    for key, value in environment.items():
        expect(not SECRET_NAMES.search(key), name, f"{key} would show in `docker inspect`: give it as {key}_FILE")
        expect(not re.search(r"://[^/\s]*:[^/\s@]+@", str(value)), name, f"{key} holds a password in its URL")
        if key.endswith("_FILE") and "/run/secrets" in str(value):
            mounted = any("/run/secrets" in str(volume) for volume in service.get("volumes", []))
            expect(mounted, name, f"{key} points into /run/secrets, which is not mounted")
    for volume in service.get("volumes", []):
        if "/run/secrets" in str(volume):
            read_only = volume.get("read_only") if isinstance(volume, dict) else volume.endswith(":ro")
            expect(read_only, name, "/run/secrets must be read-only")
        expect("docker.sock" not in str(volume), name, "no container gets the engine's socket")


def check_ports(name: str, ports: list) -> None:
    if name not in APPS:
        expect(not ports, name, "must not be published")
        return
    variable = name.upper().replace("-", "_") + "_PORT"
    expect(ports == [f"127.0.0.1:${{{variable}:-{APPS[name]}}}:{APPS[name]}"], name, f"must be published on 127.0.0.1 only, by {variable}: {ports}")


def check_order(services: dict) -> None:
    for name, condition in (("redis", None), ("postgres", None)):
        expect("healthcheck" in services[name], name, "must have a health check")
        expect(depends(services["airtable-gateway"]).get(name) == "service_healthy", "airtable-gateway", f"must wait for {name} to be healthy")
    expect(depends(services["mcp-server"]).get("airtable-gateway") == "service_healthy", "mcp-server", "must wait for airtable-gateway")
    expect(depends(services["llm-orchestrator"]).get("mcp-server") == "service_healthy", "llm-orchestrator", "must wait for mcp-server")
    optional = {name for name, service in services.items() if service.get("profiles")}
    expect(optional == EMULATORS | TOOLS, "profiles", f"{sorted(optional)}")
    for name, service in services.items():
        waits = set(depends(service)) & optional
        expect(not waits or name in optional, name, f"depends on {sorted(waits)}, which may be switched off")


def check_networks(document: dict) -> None:
    services, networks = document["services"], document.get("networks", {})
    for name in STORES:
        for network in services[name].get("networks", ["default"]):
            expect((networks.get(network) or {}).get("internal") is True, name, f"is in the network {network}, which has a way out")
    for name in EMULATORS:
        shared = set(services[name].get("networks", ["default"])) & set(services["redis"].get("networks", []))
        expect(not shared, name, "must not reach the stores")


def main() -> None:
    document = yaml.safe_load(FILE.read_text())
    services = document["services"]
    expect("version" not in document, "top", "`version` is out of date")
    expected = set(APPS) | EMULATORS | STORES | TOOLS
    expect(set(services) == expected, "services", f"only what exists: {sorted(set(services) ^ expected)}")
    for name, service in services.items():
        check_service(name, service)
    check_order(services)
    check_networks(document)
    expect("STACK_CREDENTIALS:?" in FILE.read_text(), "top", "a start without credentials must say what to run")
    for problem in problems:
        print(f"{FILE.name}: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
