"""What a container may do, as the kernel tells it, not the file."""

from __future__ import annotations

import socket
from collections.abc import Callable
from statistics import median

import pytest

from engine import Process, docker, memory_bytes
from stack import APPS, EMULATORS, STORES, Images, Stack

OURS = [*APPS, *EMULATORS]
# Megabytes above the base image.
LARGEST_IMAGE = 25


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_as_nobody_with_no_rights_on_a_read_only_root(stack: Stack, service: str) -> None:
    for process in stack.container(service).processes():
        check_process(process)


@pytest.mark.parametrize("service", STORES)
def test_a_store_gives_up_root_before_it_serves(stack: Stack, service: str) -> None:
    for process in stack.container(service).processes():
        check_process(process)


def check_process(process: Process) -> None:
    status, named = process.status(), " ".join(process.command())[:80]
    init = "docker-init" in named or "tini" in named
    if not init:
        assert all(int(uid) != 0 for uid in status["Uid"].split()), f"{named} runs as root"
        assert all(int(gid) != 0 for gid in status["Gid"].split()), f"{named} runs in root's group"
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0, f"{named} has capabilities {status['CapEff']}"
    assert status["NoNewPrivs"] == "1", named
    assert status["Seccomp"] == "2", f"{named} may make any system call"
    assert "ro" in process.root_options(), f"{named} may write to its root"


@pytest.mark.parametrize("service", OURS)
def test_a_service_needs_no_shell(stack: Stack, service: str) -> None:
    details = stack.container(service).details()
    commands = [process.command() for process in stack.container(service).processes()]
    assert not [command for command in commands if command[0].rsplit("/", 1)[-1] in {"sh", "bash", "dash"}]
    assert details["Config"]["Healthcheck"]["Test"][0] == "CMD", "a health check by the binary itself"


def test_only_the_three_services_are_published_and_on_loopback_only(stack: Stack) -> None:
    for service, container in stack.containers().items():
        published = {
            (binding["HostIp"], int(binding["HostPort"]))
            for bindings in container.details()["NetworkSettings"]["Ports"].values()
            for binding in bindings or []
        }
        assert published == ({("127.0.0.1", stack.ports[service])} if service in APPS else set()), service
    for port in stack.ports.values():
        assert listeners(port) == {"127.0.0.1"}


def listeners(port: int) -> set[str]:
    """The addresses on which this machine accepts connections to a port."""
    found = set()
    for table, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        for line in open(table).readlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = bytes.fromhex(address)
                raw = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
                found.add(socket.inet_ntop(family, raw))
    return found


def test_every_container_has_limits_and_rotated_logs(stack: Stack) -> None:
    for service, container in stack.containers().items():
        host = container.details()["HostConfig"]
        assert 0 < host["Memory"] <= 2**30, service
        assert 0 < host["PidsLimit"] <= 1024, service
        assert host["LogConfig"]["Config"].keys() >= {"max-size", "max-file"}, service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        assert not host["Privileged"] and host["PidMode"] == "", service
        assert host["CapDrop"] == ["ALL"], service
        assert host["ReadonlyRootfs"], service


def test_stores_and_emulators_are_out_of_reach_from_outside(stack: Stack) -> None:
    for service in STORES:
        for network in stack.container(service).details()["NetworkSettings"]["Networks"]:
            assert docker("network", "inspect", "--format", "{{.Internal}}", network).strip() == "true", f"{service} in {network}"


def test_no_volume_is_without_a_name(stack: Stack) -> None:
    assert stack.volumes(), "the database's at least"
    assert all(name.startswith(stack.project) for name in stack.volumes()), stack.volumes()


def test_the_images_are_small_and_say_what_they_are(images: Images, figure: Callable[[str], None]) -> None:
    for program in (*OURS, "pyairtable"):
        name = images.name(program)
        config = docker("image", "inspect", "--format", "{{json .Config}}", name)
        for label in ("title", "description", "source", "revision", "version", "created", "licenses", "base.name"):
            assert f"org.opencontainers.image.{label}" in config, f"{program}: {label}"
        assert '"User":"65532' in config, program
        layers = docker("history", "--human=false", "--no-trunc", "--format", "{{.Size}} {{.CreatedBy}}", name).splitlines()
        own = sum(int(line.split()[0]) for line in layers if "/usr/local/bin/" in line and "COPY" in line)
        figure(f"image {program}: {own / 1e6:.1f} MB above the base")
        assert 0 < own < LARGEST_IMAGE * 1e6, f"{program}: {own}"


def test_idle_services_are_small(stack: Stack, figure: Callable[[str], None]) -> None:
    containers = stack.containers()
    measured = [memory_bytes(list(containers.values())) for _ in range(3)]
    for (service, container), samples in zip(containers.items(), zip(*measured)):
        used = median(samples)
        figure(f"idle memory {service}: {used / 2**20:.0f} MiB")
        assert used < container.details()["HostConfig"]["Memory"] / 2, service
