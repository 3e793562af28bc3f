"""What build-all-services.sh, offline-base-images.sh and lib/docker.sh decide by themselves, shown with a client that only
pretends. The real engine is used by crates/pyairtable/tests/containers."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ["airtable-emulator", "airtable-gateway", "gemini-emulator", "llm-orchestrator", "mcp-server", "pyairtable"]

CLIENT = """#!/bin/bash
echo "$0 $*" >>"$CALLS"
case "$1 $2" in
  "buildx version") exit {buildx} ;;
  "version --format")
    case "$3" in *Client*) echo {version}; exit 0 ;; esac
    [ -z "$ENGINE_SAYS" ] || {{ echo "$ENGINE_SAYS" >&2; exit 1; }}
    case "$3" in *Arch*) echo linux/amd64 ;; *) echo 20.10.24 ;; esac ;;
  "history --no-trunc") printf '%s COPY\\n0 ARG RUNTIME_IMAGE\\n9999999999 the base\\n' "${{LAYER:-30000000}}" ;;
  "image inspect") exit "${{HAS_IMAGE:-0}}" ;;
  "pull -q") exit "${{PULL:-0}}" ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


class Machine:
    def __init__(self, path):
        self.path = path
        self.calls_file = path / "calls"
        self.calls_file.touch()
        self.first = path / "first"
        self.first.mkdir()
        # Everything that this machine has, but no client.
        self.tools = path / "tools"
        self.tools.mkdir()
        for tool in [*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()]:
            if not tool.name.startswith("docker") and not (self.tools / tool.name).exists():
                (self.tools / tool.name).symlink_to(tool)

    def client(self, directory="first", buildx=True, version="28.2.2"):
        file = self.path / directory / "docker"
        file.parent.mkdir(exist_ok=True)
        file.write_text(CLIENT.format(buildx=0 if buildx else 1, version=version))
        file.chmod(0o755)
        return file

    def run(self, script, *arguments, **env):
        path = ":".join([str(self.first), str(self.path / "second"), str(self.tools)])
        base = {"PATH": path, "HOME": str(self.path), "CALLS": str(self.calls_file)}
        return subprocess.run(
            [ROOT / "scripts" / script, *arguments], env=base | env, text=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL
        )

    def build(self, *arguments, **env):
        return self.run("build-all-services.sh", *arguments, **env)

    def calls(self, word):
        return [line.split(" ", 1) for line in self.calls_file.read_text().splitlines() if line.split(" ", 2)[1] == word]


def refused(result, *words):
    """Nothing was tried, and one sentence says why."""
    assert result.returncode == 125, result
    assert len(result.stderr.strip().splitlines()) == 1 and result.stdout == "", result
    for word in words:
        assert word in result.stderr


def test_the_programs_are_the_same_with_and_without_cargo(machine):
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "bin"
    without = machine.build("--list")
    with_cargo = subprocess.run([ROOT / "scripts/build-all-services.sh", "--list"], text=True, capture_output=True, timeout=60,
                                env=os.environ | {"PATH": f"{cargo}:{os.environ['PATH']}"})
    assert without.stdout.split() == with_cargo.stdout.split() == PROGRAMS


def test_every_program_has_a_stage_and_a_place_in_the_compose_file():
    stages = re.findall(r"^FROM runtime AS (\S+)$", (ROOT / "docker/Dockerfile").read_text(), re.M)
    assert sorted(stages) == PROGRAMS
    compose = (ROOT / "docker-compose.minimal-working.yml").read_text()
    assert sorted(re.findall(r"^      target: (\S+)$", compose, re.M)) == PROGRAMS


def test_base_images_have_the_same_defaults_everywhere():
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    compose = (ROOT / "docker-compose.minimal-working.yml").read_text()
    for name in ["RUST_IMAGE", "RUNTIME_IMAGE"]:
        assert re.search(rf"^ARG {name}=(.+)$", dockerfile, re.M)[1] == re.search(rf"\${{{name}:-([^}}]+)}}", compose)[1]


def test_a_client_that_can_build_is_preferred_to_the_first_one(machine):
    machine.client(buildx=False, version="28.2.2")
    old = machine.client("second", buildx=False, version="20.10.24+dfsg1")
    machine.build("--service", "mcp-server")
    assert [call[0] for call in machine.calls("build")] == [str(old)]


def test_a_client_that_cannot_build_is_said_before_anything_is_tried(machine):
    machine.client(buildx=False, version="28.2.2")
    refused(machine.build(), "buildx")
    refused(machine.build(DOCKER="/nowhere/docker"), "/nowhere/docker", "DOCKER")


def test_an_engine_that_cannot_be_used_is_said_with_what_to_do(machine):
    refused(machine.build(), "install Docker")
    machine.client()
    down = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    refused(machine.build(ENGINE_SAYS=down), "not running", "start it")
    refused(machine.build(ENGINE_SAYS="permission denied while trying to connect"), "group docker")


@pytest.mark.parametrize(("arguments", "words"), [
    (["--service", "billing"], ["billing", "mcp-server"]),
    (["--service"], ["--service"]),
    (["--quick"], ["--quick", "--help"]),
    (["--prebuilt", "/nowhere"], ["/nowhere"]),
    (["--push"], ["STACK_IMAGE_PREFIX"]),
    (["--platform", "linux/amd64,linux/arm64"], ["--push"]),
])
def test_what_cannot_be_done_is_said_before_anything_is_built(machine, arguments, words):
    machine.client()
    refused(machine.build(*arguments), *words)
    assert machine.calls("build") == []


def test_the_exit_code_counts_the_images_that_failed(machine):
    machine.client()
    result = machine.build()
    assert result.returncode == 6
    assert len(re.findall(r"^\S+ +30.0 MB .*FAILED: is 30 MB above its base", result.stdout, re.M)) == 6
    some = machine.build("--service", "mcp-server", "--service", "pyairtable")
    assert some.returncode == 2


def test_without_a_cache_only_the_first_build_is(machine):
    machine.client()
    machine.build("--no-cache")
    builds = [call[1].split() for call in machine.calls("build")]
    assert ["--no-cache" in build for build in builds] == [True, False, False, False, False, False]


def test_a_prebuilt_program_that_is_missing_fails_alone(machine):
    machine.client()
    (machine.path / "mcp-server").write_text("")
    result = machine.build("--prebuilt", str(machine.path), LAYER="1000")
    assert f"FAILED: there is no {machine.path}/pyairtable" in result.stdout
    assert [call[1].split()[4] for call in machine.calls("build")] == ["mcp-server"]


def test_public_images_that_can_be_had_need_no_stand_ins(machine):
    machine.client()
    for here, pulls in [("0", 0), ("1", 4)]:
        machine.calls_file.write_text("")
        result = machine.run("offline-base-images.sh", "--if-needed", HAS_IMAGE=here)
        assert result.returncode == 0, result.stderr
        assert all(re.match(r"export (DOCKER|COMPOSE|DOCKER_BUILDKIT)=", line) for line in result.stdout.splitlines()), result.stdout
        assert len(machine.calls("pull")) == pulls
        assert machine.calls("build") == []


def test_a_base_image_that_the_user_chose_is_left_alone(machine):
    machine.client()
    chosen = {name: "mirror/x:1" for name in ["RUST_IMAGE", "RUNTIME_IMAGE", "REDIS_IMAGE", "POSTGRES_IMAGE"]}
    result = machine.run("offline-base-images.sh", "--if-needed", HAS_IMAGE="1", PULL="1", **chosen)
    assert result.returncode == 0 and "IMAGE" not in result.stdout
    assert machine.calls("pull") == []
