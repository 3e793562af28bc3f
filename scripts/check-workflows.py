#!/usr/bin/env python3
"""Checks what no general linter knows of our workflows: who may do what, in which order, and that nothing is forgotten.

Run by `scripts/test.sh delivery`. Prints every problem, exit code 1 if there is one.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"

# Every action that we use, and the commit that its version had when it was looked at. A tag can be moved to other code
# within minutes; whoever changes a commit changes it here as well, and says so in review.
ACTIONS = {
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/upload-artifact": ("v7.0.0", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "actions/download-artifact": ("v8.0.1", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    "actions/attest": ("v4.2.2", "1e69f48acb82d1966a394da916b4c1698aa569d6"),
    "actions/dependency-review-action": ("v4.9.0", "2031cfc080254a8a887f58cffee85186f0e49e48"),
    "docker/setup-buildx-action": ("v4.3.0", "37fe631027851001ddb9b187196cc803df7f5f0e"),
    "docker/login-action": ("v4.1.0", "4907a6ddec9925e35a0a9e82d7399ccc52663121"),
    "docker/metadata-action": ("v6.2.0", "dc802804100637a589fabce1cb79ff13a1411302"),
    "sigstore/cosign-installer": ("v4.1.2", "6f9f17788090df1f26f669e9d70d6ae9567deba6"),
    "aquasecurity/trivy-action": ("v0.36.0", "ed142fd0673e97e23eac54620cfb913e5ce36c25"),
}
# Releases that attackers made (CVE-2026-33634).
BAD_TRIVY = {"v0.69.4", "v0.69.5", "v0.69.6"}

# The only jobs that may write anything, and what.
WRITERS = {
    ("build-and-publish.yml", "publish"): {"packages", "id-token", "attestations", "artifact-metadata"},
    ("build-and-publish.yml", "tag"): {"packages"},
    ("build-and-publish.yml", "report"): {"security-events"},
}
# Jobs that must have passed before a tag that people use is set.
BEFORE_TAGS = {"verify", "build", "scan", "smoke", "publish"}

problems: list[str] = []


def expect(holds: bool, where: str, what: str) -> None:
    if not holds:
        problems.append(f"{where}: {what}")


def programs() -> set[str]:
    """The workspace's binaries: each is an image."""
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"], cwd=ROOT, capture_output=True, check=True
    )
    packages = json.loads(metadata.stdout)["packages"]
    return {target["name"] for package in packages for target in package["targets"] if "bin" in target["kind"]}


def check_uses(name: str, text: str) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*(?:- )?uses:\s*(\S+)(?:\s+#\s*(\S+))?", line)
        if not found or found[1].startswith("./"):
            continue
        action, _, commit = found[1].partition("@")
        where = f"{name}:{number}"
        expect(re.fullmatch(r"[0-9a-f]{40}", commit) is not None, where, f"{action} must be pinned by a commit, not by '{commit}'")
        expect((found[2], commit) == ACTIONS.get(action), where, f"{action} {found[2]} @ {commit} is not what {__file__} lists")


def check_workflow(name: str, text: str, workflow: dict) -> None:
    triggers = workflow[True]  # YAML reads the key `on` as true
    forbidden = {"pull_request_target", "workflow_run"} & set(triggers)
    expect(not forbidden, name, f"{forbidden} would run a stranger's code with our rights")
    expect(workflow.get("permissions") == {}, name, "the top must say `permissions: {}`")
    expect("cancel-in-progress" in workflow.get("concurrency", {}), name, "say what happens to superseded runs (concurrency)")
    expect("secrets." not in text and "secrets:" not in text, name, "no workflow of ours needs a secret; the run's own token suffices")
    for job_name, job in workflow["jobs"].items():
        check_job(name, job_name, job)


def check_job(name: str, job_name: str, job: dict) -> None:
    where = f"{name}, job {job_name}"
    rights = job.get("permissions")
    expect(isinstance(rights, dict), where, "say its permissions")
    writes = {right for right, level in (rights or {}).items() if level == "write"}
    expect(writes == WRITERS.get((name, job_name), set()), where, f"may write {sorted(writes)}, which {__file__} does not list")
    if "uses" in job:
        return
    expect("timeout-minutes" in job, where, "say its time limit")
    expect("continue-on-error" not in job, where, "a failure must count")
    for step in job["steps"]:
        check_step(f"{where}, step {step.get('name') or step.get('uses') or step['run'].splitlines()[0]}", step)
    text = json.dumps(job)
    if "aquasecurity/trivy-action" in text:
        expect(rights == {"contents": "read"}, where, "a scanner may read the sources and nothing else")
        expect("github.token" not in text and "login-action" not in text, where, "a scanner must not be near a token")
    if "push" in text and writes & {"packages"}:
        expect("aquasecurity" not in text, where, "no scanner where something can be published")


def check_step(where: str, step: dict) -> None:
    run, uses, given = step.get("run", ""), step.get("uses", ""), step.get("with", {})
    expect("${{" not in run, where, "values reach a script by `env:`, never by being pasted into it")
    expect("continue-on-error" not in step, where, "a failure must count")
    if uses.startswith("actions/checkout@"):
        expect(given.get("persist-credentials") is False, where, "persist-credentials: false")
    if uses.startswith("aquasecurity/trivy-action@"):
        version = str(given.get("version", ""))
        expect(re.fullmatch(r"v\d+\.\d+\.\d+", version) is not None, where, "pin the scanner's own version")
        expect(version not in BAD_TRIVY, where, f"Trivy {version} is a malicious release")
        expect(str(given.get("exit-code")) == "1" and given.get("severity") == "HIGH,CRITICAL", where, "must fail on HIGH and CRITICAL")
    if run:
        check_script(where, run)


def check_script(where: str, run: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        script.write("#!/usr/bin/env bash\nset -eo pipefail\n" + run)
        script.flush()
        result = subprocess.run(["shellcheck", "--format=gcc", "--exclude=SC2153", script.name], capture_output=True, text=True)
    for line in result.stdout.splitlines():
        problems.append(f"{where}: {line.split(': ', 1)[1]}")


def check_publishing(workflow: dict) -> None:
    name, jobs = "build-and-publish.yml", workflow["jobs"]
    images = programs()
    targets = set(re.findall(r"(?m)^FROM runtime AS (\S+)", (ROOT / "docker/Dockerfile").read_text()))
    expect(targets == images, "docker/Dockerfile", f"its targets {sorted(targets)} are not the workspace's programs {sorted(images)}")
    for job_name in ("scan", "publish", "tag", "rescan"):
        matrix = set(jobs[job_name]["strategy"]["matrix"]["image"])
        expect(matrix == images, f"{name}, job {job_name}", f"its images {sorted(matrix)} are not the workspace's programs {sorted(images)}")
    for job_name in ("build", "smoke"):
        cells = jobs[job_name]["strategy"]["matrix"]["include"]
        runners = {cell["arch"]: cell["runner"] for cell in cells}
        expect(runners == {"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}, f"{name}, job {job_name}", "each architecture on its own kind of machine")

    def before(job_name: str) -> set[str]:
        needs = jobs[job_name].get("needs", [])
        needs = {needs} if isinstance(needs, str) else set(needs)
        return needs.union(*(before(need) for need in needs)) if needs else needs

    missing = BEFORE_TAGS - before("tag")
    expect(not missing, f"{name}, job tag", f"must need {sorted(missing)}")
    # `!cancelled()` switches off the rule that a job runs only after success, so each such job must say what must have passed.
    for job_name, needs in (("build", {"verify"}), ("scan", {"build"}), ("smoke", {"build"}), ("publish", {"verify", "scan", "smoke"}), ("tag", {"publish"})):
        for need in needs:
            expect(f"needs.{need}.result == 'success'" in jobs[job_name]["if"], f"{name}, job {job_name}", f"must ask that {need} has passed")
    expect("github.event_name == 'push'" in jobs["publish"]["if"], f"{name}, job publish", "never for a pull request")

    steps = [json.dumps(step) for step in jobs["publish"]["steps"]]
    order = [next((i for i, step in enumerate(steps) if mark in step), -1) for mark in ("skopeo copy", "actions/attest@", "cosign sign", "cosign verify")]
    expect(-1 not in order and order == sorted(order), f"{name}, job publish", "push by digest, attest, sign, verify: in this order")
    expect("metadata-action" not in json.dumps(jobs["publish"]), f"{name}, job publish", "must not know tags")
    builder = (ROOT / ".github/scripts/build-archives.sh").read_text()
    expect("--sbom true" in builder and "--provenance mode=max" in builder, "build-archives.sh", "must make SBOM and provenance")


def check_parts(workflow: dict) -> None:
    listed = subprocess.run([ROOT / "scripts/test.sh", "list"], capture_output=True, text=True, check=True).stdout.split()
    cells = workflow["jobs"]["tests"]["strategy"]["matrix"]["include"]
    run = [part for cell in cells for part in cell["parts"].split()]
    expect(sorted(run) == sorted(listed), "ci.yml", f"runs {run}, but scripts/test.sh consists of {listed}")


def main() -> None:
    workflows = {path.name: path.read_text() for path in sorted(WORKFLOWS.glob("*.y*ml"))}
    expect(set(workflows) >= {"ci.yml", "build-and-publish.yml"}, ".github/workflows", "ci.yml and build-and-publish.yml must be there")
    for name, text in workflows.items():
        check_uses(name, text)
        check_workflow(name, text, yaml.safe_load(text))
    check_publishing(yaml.safe_load(workflows["build-and-publish.yml"]))
    check_parts(yaml.safe_load(workflows["ci.yml"]))
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
