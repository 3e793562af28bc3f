"""Looks for secrets in everything that somebody else than their owner could read."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import subprocess
import tarfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from engine import DOCKER, docker, read_as_root
from stack import Images, Stack

ALL_PROGRAMS = ["airtable-gateway", "mcp-server", "llm-orchestrator", "airtable-emulator", "gemini-emulator", "pyairtable"]


@dataclass
class Canaries:
    """Each secret in every form in which it might get out."""

    forms: dict[bytes, str]

    @classmethod
    def of(cls, values: dict[str, str]) -> Canaries:
        forms: dict[bytes, str] = {}
        for name, value in values.items():
            assert len(value) >= 16, f"{name} is too short to be looked for"
            raw = value.encode()
            forms[raw] = name
            # Most of it is as bad as all of it, and shows a value that was cut or had an end masked.
            forms[raw[: len(raw) * 2 // 3]] = f"most of {name}"
            forms[raw[len(raw) // 3 :]] = f"most of {name}"
            forms[urllib.parse.quote(value, safe="").encode()] = f"{name}, encoded for a URL"
            forms[raw[::-1]] = f"{name}, backwards"
            forms[binascii.hexlify(raw)] = f"{name} in hex"
            for offset in range(3):  # wherever it stands in what was encoded
                encoded = base64.b64encode(b"." * offset + raw)
                forms[encoded[4 if offset else 0 : len(encoded) // 4 * 4 - 4]] = f"{name} in base64"
        return cls(forms)

    def within(self, content: bytes | str) -> set[str]:
        content = content.encode() if isinstance(content, str) else content
        return {name for form, name in self.forms.items() if form in content}


def secrets_of(stack: Stack) -> dict[str, str]:
    """Everything under secrets/, the values before a rotation and backups included."""
    folder = stack.folder / "secrets"
    return {str(path.relative_to(folder)): path.read_text().strip() for path in folder.rglob("*") if path.is_file() and path.read_text().strip()}


def search_stack(stack: Stack, canaries: Canaries) -> dict[str, set[str]]:
    """Where anything was found, and what."""
    found: dict[str, set[str]] = {}

    def look(where: str, content: bytes | str) -> None:
        if hits := canaries.within(content):
            found[where] = hits

    for service, container in stack.containers().items():
        look(f"docker inspect {service}", json.dumps(container.details()))
        look(f"the image of {service}", docker("image", "inspect", container.details()["Image"]))
        look(f"logs of {service}", container.logs())
        look(f"docker top {service}", docker("top", container.id, "-eo", "pid,args"))
        for process in container.processes():
            named = " ".join(process.command())[:60]
            look(f"command line of {named} ({service})", " ".join(process.command()))
            look(f"environment of {named} ({service})", process.environment())
    look(".env", (stack.folder / ".env").read_bytes())
    look("compose config", stack.must("config"))
    look("git status", subprocess.run(["git", "status", "--porcelain", "--untracked-files=all"], cwd=stack.folder, capture_output=True, check=True).stdout)
    return found


def search_processes(canaries: Canaries) -> dict[str, set[str]]:
    """The command lines of this machine, as `ps` shows them to every user."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if hits := canaries.within(read_as_root(str(folder / "cmdline")).replace(b"\0", b" ")):
            found[f"command line of process {folder.name}"] = hits
    return found


def search_images(images: Images, canaries: Canaries) -> dict[str, set[str]]:
    """All layers and configurations of all images."""
    found: dict[str, set[str]] = {}
    names = [images.name(program) for program in ALL_PROGRAMS]
    saved = subprocess.Popen([DOCKER, "save", *names], stdout=subprocess.PIPE)
    files = 0
    with tarfile.open(fileobj=saved.stdout, mode="r|") as archive:
        for member in archive:
            if not member.isfile():
                continue
            content = archive.extractfile(member).read()
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            files += content.count(b"ustar") if b"ustar" in content[:512] else 0
            if hits := canaries.within(content):
                found[f"{member.name} of the saved images"] = hits
    assert saved.wait(timeout=60) == 0
    assert files > len(names), "layers were looked into"
    return found


def paths_in_images(images: Images) -> set[str]:
    """The names of all files of all layers."""
    paths: set[str] = set()
    for program in ALL_PROGRAMS:
        saved = docker_bytes("save", images.name(program))
        with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
            for member in archive:
                if not member.isfile():
                    continue
                content = archive.extractfile(member).read()
                if content[:2] == b"\x1f\x8b":
                    content = gzip.decompress(content)
                if b"ustar" in content[:512]:
                    with tarfile.open(fileobj=io.BytesIO(content)) as layer:
                        paths |= set(layer.getnames())
    return paths


def docker_bytes(*arguments: str) -> bytes:
    return subprocess.run([DOCKER, *arguments], capture_output=True, check=True, timeout=120).stdout
