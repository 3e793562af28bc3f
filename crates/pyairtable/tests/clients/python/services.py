"""Starts the binaries under test as a user would: processes with settings in their environment."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

READY_WITHIN_SECONDS = 20.0
STOPPED_WITHIN_SECONDS = 25.0


def binary(name: str) -> str:
    folder = os.environ.get("PYAIRTABLE_BIN_DIR")
    if not folder:
        raise RuntimeError("PYAIRTABLE_BIN_DIR must name the folder of the built binaries")
    path = Path(folder).resolve() / name
    if not path.is_file():
        raise RuntimeError(f"{path} is missing: build it first")
    return str(path)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(**settings: str) -> dict[str, str]:
    """Only what a process needs and what the test sets: a developer's own settings stay outside."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "LOG_LEVEL": "warn", **settings}


@dataclass
class Service:
    """One running process, with its output in a file beside its data."""

    url: str
    process: subprocess.Popen
    log: Path
    stopped: bool = field(default=False)

    @classmethod
    def start(cls, name: str, folder: Path, arguments: list[str], **settings: str) -> "Service":
        """Starts `name`; `settings` must hold `…_LISTEN`, the address it will answer at."""
        listen = next(value for key, value in settings.items() if key.endswith("_LISTEN"))
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [binary(name), *arguments],
                cwd=folder,  # so that no `.env` of the working tree is read
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        service = cls(f"http://{listen}", process, log)
        service._wait_until_ready(name)
        return service

    def _wait_until_ready(self, name: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if requests.get(f"{self.url}/health", timeout=2).status_code == 200:
                    return
            except requests.ConnectionError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"{name} is not ready at {self.url}:\n{self.output()}")

    def output(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> int | None:
        """Asks the process to end, as Ctrl-C does; gives its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOPPED_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.stopped = True
        return self.process.returncode


def create_key(data_dir: Path, name: str, scopes: list[str], bases: list[str] | None = None, expires: str | None = None) -> str:
    """A gateway key as a user makes it: `pyairtable keys create`, which prints it once."""
    command = [binary("pyairtable"), "keys", "create", "--name", name, "--scopes", ",".join(scopes)]
    if bases:
        command += ["--bases", ",".join(bases)]
    if expires:
        command += ["--expires", expires]
    data_dir.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command, cwd=data_dir, env=environment(DATA_DIR=str(data_dir)), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, f"{command[1:]} failed: {done.stderr}"
    printed = re.findall(r"pya_live_[\w-]+", done.stdout)
    assert len(set(printed)) == 1, f"`keys create` must print exactly one key, printed {len(printed)}"
    return printed[0]
