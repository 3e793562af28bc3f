"""The stack, from the images of this checkout, with a real engine. Written from what users are promised.

    ./scripts/test.sh containers                      everything
    ./scripts/test.sh smoke                           the first start alone, from images that are there

Containers, networks, volumes and images that the tests make are removed at the end; logs of every stack are kept in
TEST_LOGS and their end is printed if something failed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import engine
from collector import Collector
from stack import Images, Stack, clean_clone

# In this order: what the shared stack goes through before its outputs are searched for secrets, then stacks that fail.
ORDER = [
    "test_first_start.py",
    "test_hardening.py",
    "test_kills.py",
    "test_stores.py",
    "test_rotation.py",
    "test_canaries.py",
    "test_mistakes.py",
    "test_other_compose.py",
    "test_building.py",
]
FIGURES: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--images-are-there", action="store_true", help="use STACK_IMAGE_PREFIX and STACK_IMAGE_TAG, build nothing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(item.path.name))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    if outcome.get_result().failed:
        item.session.stash[FAILED] = True


FAILED = pytest.StashKey[bool]()


def pytest_terminal_summary(terminalreporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figure() -> Callable[[str], None]:
    """Takes a line that is printed at the end: measured times and sizes."""
    return FIGURES.append


@pytest.fixture(scope="session")
def logs() -> Path:
    folder = Path(os.environ.get("TEST_LOGS") or tempfile.mkdtemp())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest, logs: Path, figure: Callable[[str], None]) -> Iterator[Images]:
    """All images, built as a user builds them: by the script, in the ordinary way, each tried by the script."""
    if request.config.getoption("--images-are-there"):
        yield Images(os.environ.get("STACK_IMAGE_PREFIX", "pyairtable/"), os.environ.get("STACK_IMAGE_TAG", "latest"))
        return
    ours = Images("pyairtable-test/", "test")
    environment = {**os.environ, "STACK_IMAGE_PREFIX": ours.prefix, "STACK_IMAGE_TAG": ours.tag}
    built = engine.run("./scripts/build-all-services.sh", cwd=engine.ROOT, env=environment, within=2400)
    (logs / "build.log").write_text(built.stdout + built.stderr)
    assert built.returncode == 0, f"build-all-services.sh ended with {built.returncode}:\n{(built.stdout + built.stderr)[-6000:]}"
    for line in built.stdout.splitlines()[-12:]:
        figure(line)
    yield ours
    for line in engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{ours.prefix}*").split():
        engine.run(engine.DOCKER, "image", "rm", line)


@pytest.fixture(scope="session")
def compose_command() -> str:
    return os.environ.get("COMPOSE", "docker compose")


@pytest.fixture(scope="session")
def new_stack(request: pytest.FixtureRequest, images: Images, compose_command: str, logs: Path, tmp_path_factory) -> Iterator[Callable[..., Stack]]:
    """Makes a clean clone with a name and ports of its own; nothing of it is left when the session ends."""
    made: list[Stack] = []

    def make(name: str, compose: str = compose_command, **settings: str) -> Stack:
        folder = tmp_path_factory.mktemp("stacks") / f"a clone for {name}"
        clean_clone(folder)
        stack = Stack(folder, images, compose, settings)
        made.append(stack)
        return stack

    yield make
    failed = request.session.stash.get(FAILED, False)
    for stack in made:
        stack.remove(logs)
        if failed:
            print(f"\n----- the end of the logs of {stack.folder.name} ({logs})")
            print((logs / f"{stack.project}.log").read_text()[-6000:])


@pytest.fixture(scope="session")
def traces() -> Iterator[Collector]:
    """Where the shared stack's services send their spans."""
    bridge = engine.inspect("bridge")["IPAM"]["Config"][0]
    collector = Collector(bridge.get("Gateway") or bridge["Subnet"].replace(".0/16", ".1"))
    yield collector
    collector.close()


@pytest.fixture(scope="session")
def stack(new_stack: Callable[..., Stack], traces: Collector, figure: Callable[[str], None]) -> Stack:
    """The stack that most tests share, on the emulators, healthy within a minute."""
    stack = new_stack("everything", OTEL_EXPORTER_OTLP_ENDPOINT=traces.url, LOG_LEVEL="debug")
    stack.generate()
    figure(f"from `up` to all healthy: {stack.up():.1f} s")
    return stack
