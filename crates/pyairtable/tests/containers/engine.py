"""The Docker engine, and the processes of its containers as the host sees them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
DOCKER = os.environ.get("DOCKER", "docker")


def run(*command: str | Path, within: float = 120, **options) -> subprocess.CompletedProcess[str]:
    """Runs to its end, with both outputs caught; a caller that needs success says `check=True`."""
    check = options.pop("check", False)
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=within, **options
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def docker(*arguments: str, within: float = 120) -> str:
    return run(DOCKER, *arguments, within=within, check=True).stdout


def inspect(name: str) -> dict:
    return json.loads(docker("inspect", name))[0]


def wait_until(holds: Callable[[], object], within: float, what: str, every: float = 0.1) -> float:
    """Seconds until `holds` is true; exceptions count as not yet."""
    started, trouble = time.monotonic(), None
    while time.monotonic() - started < within:
        try:
            if holds():
                return time.monotonic() - started
            trouble = None
        except Exception as error:  # noqa: BLE001 - whatever is not there yet
            trouble = error
        time.sleep(every)
    raise AssertionError(f"not within {within:.0f} s: {what}" + (f" ({trouble!r})" if trouble else ""))


def as_root(*command: str) -> list[str]:
    return list(command) if os.getuid() == 0 else ["sudo", "-n", *command]


def read_as_root(path: str) -> bytes:
    """A file under /proc that belongs to another user; empty if the process has ended meanwhile."""
    done = subprocess.run(as_root("cat", path), stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    return done.stdout


class Process:
    def __init__(self, pid: int) -> None:
        self.pid = pid

    def status(self) -> dict[str, str]:
        lines = read_as_root(f"/proc/{self.pid}/status").decode().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def command(self) -> list[str]:
        return [word.decode(errors="replace") for word in read_as_root(f"/proc/{self.pid}/cmdline").split(b"\0")][:-1]

    def environment(self) -> bytes:
        return read_as_root(f"/proc/{self.pid}/environ")

    def root_options(self) -> set[str]:
        """The mount options of its `/`."""
        for line in read_as_root(f"/proc/{self.pid}/mountinfo").decode().splitlines():
            fields = line.split()
            if fields[4] == "/":
                return set(fields[5].split(","))
        raise AssertionError(f"process {self.pid} has no root")

    def children(self) -> list[Process]:
        pids = read_as_root(f"/proc/{self.pid}/task/{self.pid}/children").split()
        return [Process(int(pid)) for pid in pids]

    def kill(self) -> None:
        subprocess.run(as_root("kill", f"-{signal.SIGKILL.value}", str(self.pid)), check=True, timeout=30)


class Container:
    """One container of a stack."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier

    def details(self) -> dict:
        return inspect(self.id)

    def state(self) -> dict:
        return self.details()["State"]

    def healthy(self) -> bool:
        state = self.state()
        return state["Running"] and state.get("Health", {}).get("Status") == "healthy"

    def processes(self) -> list[Process]:
        """All of them, the container's first one (the engine's init) first."""
        found, left = [], [Process(self.state()["Pid"])]
        while left:
            process = left.pop(0)
            found.append(process)
            left += process.children()
        return found

    def server(self) -> Process:
        """What the container runs, below the engine's init if there is one."""
        first = Process(self.state()["Pid"])
        if "init" not in first.command()[0]:
            return first
        children = first.children()
        assert children, f"{self.details()['Name']}: nothing runs below {first.command()}"
        return children[0]

    def logs(self) -> str:
        done = run(DOCKER, "logs", self.id)
        return done.stdout + done.stderr


def memory_bytes(containers: list[Container]) -> list[int]:
    """What each uses now; asked for together, since the engine measures for two seconds."""
    lines = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", *(container.id for container in containers)).splitlines()
    units = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
    used = [re.match(r"([\d.]+)\s*([KMGk]?i?B)", line).groups() for line in lines]
    return [int(float(number) * units[unit]) for number, unit in used]
