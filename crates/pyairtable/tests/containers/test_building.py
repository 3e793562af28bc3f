"""The scripts that build, as a user calls them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import DOCKER, ROOT, docker, inspect, run
from stack import APPS, EMULATORS, Images, Stack

PROGRAMS = {*APPS, *EMULATORS, "pyairtable"}


@pytest.fixture
def environment(images: Images) -> dict[str, str]:
    """Of a build whose images get a tag that nobody else uses."""
    return {**os.environ, "STACK_IMAGE_PREFIX": images.prefix, "STACK_IMAGE_TAG": "building"}


@pytest.fixture(autouse=True)
def no_image_stays(images: Images):
    yield
    for name in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{images.prefix}*:building").split():
        run(DOCKER, "image", "rm", name)


@pytest.fixture
def programs(images: Images, tmp_path: Path) -> Path:
    """The programs out of the images, as if they had been built on the host."""
    for program in PROGRAMS:
        container = docker("create", images.name(program)).strip()
        docker("cp", f"{container}:/usr/local/bin/{program}", str(tmp_path / program))
        docker("rm", container)
    return tmp_path


def build(environment: dict[str, str], *options: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return run("./scripts/build-all-services.sh", *options, cwd=folder, env=environment, within=1200)


def test_all_programs_of_the_workspace_are_found() -> None:
    metadata = json.loads(run("cargo", "metadata", "--no-deps", "--format-version", "1", cwd=ROOT, check=True).stdout)
    there = {target["name"] for package in metadata["packages"] for target in package["targets"] if "bin" in target["kind"]}
    listed = run("./scripts/build-all-services.sh", "--list", cwd=ROOT, check=True).stdout.split()
    assert set(listed) == there == PROGRAMS


def test_one_image_is_built_and_tried_alone(environment: dict[str, str], images: Images) -> None:
    done = build(environment, "--service", "gemini-emulator")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gemini-emulator" in done.stdout and "mcp-server" not in done.stdout
    assert docker("image", "ls", "-q", f"{images.prefix}gemini-emulator:building")


def test_programs_that_were_built_before_are_taken(environment: dict[str, str], programs: Path) -> None:
    done = build(environment, "--prebuilt", programs, "--service", "airtable-gateway", "--service", "pyairtable")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_image_that_fails_is_named_and_counted(environment: dict[str, str], programs: Path) -> None:
    """One ends at once, one never becomes healthy, one is not there; a good one among them is built all the same."""
    for program, script in (("airtable-gateway", "exit 3"), ("mcp-server", "sleep 600")):
        source = programs / f"{program}.rs"
        body = "std::process::exit(3)" if "exit" in script else "std::thread::sleep(std::time::Duration::from_secs(600))"
        source.write_text(f'fn main() {{ if std::env::args().nth(1).as_deref() == Some("healthcheck") {{ std::process::exit(1) }} {body} }}')
        run("rustc", "-o", programs / program, source, cwd=programs, check=True, within=120)
    (programs / "llm-orchestrator").unlink()
    names = ["airtable-gateway", "mcp-server", "llm-orchestrator", "gemini-emulator"]
    done = build(environment, "--prebuilt", programs, *[word for name in names for word in ("--service", name)])
    assert done.returncode == 3, done.stdout + done.stderr
    table = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()[:1] and line.split()[0] in names}
    assert set(table) == set(names)
    assert "ok" in table.pop("gemini-emulator")
    assert all("FAILED" in line for line in table.values()), done.stdout
    left = docker("ps", "-a", "--format", "{{.Image}}").split()
    assert not [image for image in left if image.endswith(":building")], "no container of the trial is left"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--service", "no-such"], "there is no program no-such"),
        (["--nonsense"], "there is no option --nonsense"),
        (["--prebuilt", "/no/such"], "/no/such"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(environment: dict[str, str], options: list[str], sentence: str) -> None:
    done = build(environment, *options)
    assert done.returncode == 125
    assert sentence in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_without_an_engine_it_says_so(environment: dict[str, str]) -> None:
    done = build({**environment, "DOCKER_HOST": "unix:///no/such/socket"})
    assert done.returncode == 125
    assert "engine" in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_stand_ins_for_base_images_are_made_once_and_exported(environment: dict[str, str]) -> None:
    if "RUNTIME_IMAGE" not in os.environ:
        # The public images can be pulled here, and nothing has to stand in for them.
        printed = run("./scripts/offline-base-images.sh", "--if-needed", cwd=ROOT, check=True).stdout
        assert "IMAGE=" not in printed
        return
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_IMAGE")}
    first = run("./scripts/offline-base-images.sh", cwd=ROOT, env=bare, check=True, within=600)
    lines = first.stdout.splitlines()
    assert all(line.startswith("export ") for line in lines), "nothing but exports on standard output"
    exported = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    assert {"RUST_IMAGE", "RUNTIME_IMAGE", "REDIS_IMAGE", "POSTGRES_IMAGE"} <= set(exported)
    made = {name: inspect(exported[name])["Id"] for name in exported if name.endswith("_IMAGE")}
    run("./scripts/offline-base-images.sh", cwd=ROOT, env=bare, check=True, within=60)
    assert {name: inspect(exported[name])["Id"] for name in made} == made, "a second run makes nothing anew"
    assert inspect(exported["RUNTIME_IMAGE"])["Config"]["User"].startswith(("65532", "nonroot"))


def test_what_a_build_sees_holds_no_secret(new_stack: Callable[..., Stack], images: Images) -> None:
    """Secrets, .env and history lie in the folder of the build; none of them may reach the engine."""
    stack = new_stack("context")
    stack.generate()
    (stack.folder / "crates" / ".env").write_text("A=planted\n")
    key = stack.folder / "crates" / "airtable-gateway" / "src" / "planted.pem"
    key.write_text("planted")
    probe = stack.folder / "docker" / "probe.Dockerfile"
    probe.write_text("FROM scratch\nCOPY . /\n")
    (stack.folder / "docker" / "probe.Dockerfile.dockerignore").write_text((stack.folder / ".dockerignore").read_text())
    name = images.name("probe").rsplit(":", 1)[0] + ":building"
    run(DOCKER, "build", "-q", "-f", "docker/probe.Dockerfile", "-t", name, ".", cwd=stack.folder, env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=True)
    container = docker("create", name, "x").strip()
    seen = run(DOCKER, "export", "-o", str(stack.folder / "seen.tar"), container, check=True) and run("tar", "-tf", stack.folder / "seen.tar", check=True).stdout.split()
    docker("rm", container)
    assert "crates/airtable-gateway/src/main.rs" in seen
    bad = [path for path in seen if path.split("/")[0] in {"secrets", ".git"} or path.split("/")[-1] in {".env", "planted.pem"}]
    assert not bad
    assert stat.S_IMODE((stack.folder / "secrets").stat().st_mode) == 0o700
