"""What scripts/validate-credentials.sh promises: each problem is told, all in one run, and no value with it."""

import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from project import GENERATED, make_project
from test_generate import GEMINI_KEY, TOKEN

GOOD = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture
def project(tmp_path):
    project = make_project(tmp_path / "a project")
    project.generate()
    return project


def validate(project, *arguments, code, **more):
    result = project.run(*arguments, script="validate-credentials.sh", **more)
    assert result.returncode == code, (result.stdout, result.stderr)
    for name in GENERATED:
        path = project.secrets / name
        if path.is_file() and len(path.read_bytes()) > 40:
            assert path.read_bytes().split(b"\n")[0].decode(errors="replace") not in result.stdout + result.stderr
    return result.stdout + result.stderr


def problems(project, *arguments, **more):
    lines = validate(project, *arguments, code=1, **more).splitlines()
    return [line for line in lines if line.startswith("problem: ")]


def one_problem(project, *words, **more):
    found = problems(project, **more)
    assert len(found) == 1, found
    for word in words:
        assert word in found[0], found


def test_what_was_generated_is_fine(project):
    assert "no problems" in validate(project, code=0)
    project.generate("--rotate", "internal-api-key")
    project.generate("--rotate", "operator-api-key")
    assert "no problems" in validate(project, code=0)
    project.generate(AIRTABLE_TOKEN=TOKEN, GEMINI_API_KEY=GEMINI_KEY)
    project.generate("--force")
    assert "no problems" in validate(project, code=0)


def test_nothing_at_all_is_told_with_what_to_run(tmp_path):
    found = problems(make_project(tmp_path / "empty"))
    assert len(found) == 2 and all("generate-secure-credentials.sh" in problem for problem in found)


VALUES = {
    b"": "missing or empty",
    b"short1234567": "too short",
    b"a" * 64: "different characters",
    b"0123456789" * 2: "too short",
    b"changeme-changeme-changeme-changeme": "template",
    b"your_internal_key_of_32_characters_": "template",
    b"<put the key here, 32 characters..>": "blanks",
    b"<put-the-key-here-of-32-characters>": "template",
    b"pyairtable_internal_key_0123456789abcdef": "template",
    b"0f1e2d3c$4b5a69788796a5b4c3d2e1f0": "$",
    b"0f1e2d3c'4b5a69788796a5b4c3d2e1f0": "'",
    b'0f1e2d3c"4b5a69788796a5b4c3d2e1f0': '"',
    b"0f1e2d3c\\4b5a69788796a5b4c3d2e1f0": "\\",
    b"0f1e2d3c@4b5a69788796a5b4c3d2e1f0": "URL",
    b"0f1e2d3c/4b5a69788796a5b4c3d2e1f0": "URL",
    b"0f1e2d3c 4b5a69788796a5b4c3d2e1f0": "blanks",
    b"0f1e2d3c4b5a69788796a5b4c3d2e1f0 ": "blanks",
    b"0f1e2d3c4b5a69788796a5b4c3d2e1f0\r\n": "more than one line",
    b"0f1e2d3c4b5a69788\n796a5b4c3d2e1f0\n": "more than one line",
    b"0f1e2d3c4b5a69788796a5b4c3d2e1f0\n\n": "more than one line",
    b"0f1e2d3c\x004b5a69788796a5b4c3d2e1f0": "NUL",
    b"0f1e2d3c\x074b5a69788796a5b4c3d2e1f0": "ASCII",
    "0f1e2d3cü4b5a69788796a5b4c3d2e1f0".encode(): "ASCII",
    b"0f1e" * 2000: "longer",
}


@pytest.mark.parametrize("value", [value for value in VALUES if value])
@pytest.mark.parametrize("name", ["internal-api-key", "postgres-password"])
def test_a_bad_value_is_told_once(project, name, value):
    (project.secrets / name).write_bytes(value)
    one_problem(project, name, VALUES[value])


def test_an_empty_file_is_told(project):
    (project.secrets / "redis-password").write_bytes(b"")
    one_problem(project, "redis-password", "empty")


def test_the_operators_key_must_be_well_formed(project):
    key = project.secret("operator-api-key")
    (project.secrets / "operator-api-key").write_text(key[:-1] + ("a" if key[-1] != "a" else "b") + "\n")
    one_problem(project, "operator-api-key", "well-formed")
    (project.secrets / "operator-api-key").write_text(GOOD)
    one_problem(project, "operator-api-key", "well-formed")


def test_the_same_value_for_two_purposes_is_told(project):
    shutil.copyfile(project.secrets / "redis-password", project.secrets / "postgres-password")
    one_problem(project, "redis-password", "postgres-password", "same value")


def test_a_rotation_that_was_cut_off_is_no_problem(project):
    shutil.copy(project.secrets / "internal-api-key", project.secrets / "internal-api-key.previous")
    shutil.chown(project.secrets / "internal-api-key.previous", *((65532, 65532) if os.geteuid() == 0 else (os.getuid(), os.getgid())))
    validate(project, code=0)


@pytest.mark.parametrize("what,mode", [("secrets/redis-password", 0o640), ("secrets/redis-password", 0o400), ("secrets", 0o755), (".env", 0o644)])
def test_wrong_rights_are_told(project, what, mode):
    (project.path / what).chmod(mode)
    one_problem(project, what, oct(mode)[2:])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_files_that_the_containers_cannot_read_are_told(project):
    os.chown(project.secrets / "redis-password", 1234, 1234)
    one_problem(project, "redis-password", "1234", "65532")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root to become somebody else")
def test_somebody_who_may_not_read_them_is_told_so(project, tmp_path):
    for directory in [tmp_path, *list(tmp_path.parents)[:-2]]:
        directory.chmod(directory.stat().st_mode | 0o055)
    found = problems(project, wrap=["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"])
    assert any("secrets is not yours to read" in problem for problem in found)
    assert any(".env is not yours to read" in problem for problem in found)


@pytest.mark.parametrize("name", ["notes.txt", "airtable-token.bak", ".hidden", "redis-password.previous", "new\nline", "$(reboot)"])
def test_stray_files_are_told(project, name):
    (project.secrets / name).write_text(GOOD)
    one_problem(project, "none of the secrets")


def test_a_file_that_a_setting_names_is_no_stray(project):
    path = project.secrets / "otlp-headers"
    path.write_text("authorization=x")
    path.chmod(0o600)
    shutil.chown(path, project.secrets.stat().st_uid)
    with project.env_file.open("a") as file:
        file.write("OTEL_EXPORTER_OTLP_HEADERS_FILE=/run/secrets/otlp-headers\n")
    validate(project, code=0)


def test_missing_files_links_and_directories_are_told(project):
    (project.secrets / "redis-password").unlink()
    one_problem(project, "redis-password", "missing")
    (project.secrets / "redis-password").symlink_to("/etc/hostname")
    one_problem(project, "redis-password", "symbolic link")
    (project.secrets / "redis-password").unlink()
    (project.secrets / "redis-password").mkdir()
    one_problem(project, "redis-password", "no file")


ENV_LINES = {
    "AIRTABLE_TOKEN=patSomething.0123": ["AIRTABLE_TOKEN", "secret"],
    "export GEMINI_API_KEY='AIzaSomething'": ["GEMINI_API_KEY", "secret"],
    "MY_PASSWORD = hello": ["MY_PASSWORD", "secret"],
    "DATABASE_URL=postgresql://me:word@db/x": ["DATABASE_URL", "password"],
    "GEMINI_MODEL=your_model_here": ["GEMINI_MODEL", "template"],
    "LOG_LEVEL=info\nLOG_LEVEL=debug": ["LOG_LEVEL", "more than once"],
    "COMPOSE_PROFILES=tools": ["COMPOSE_PROFILES", "more than once"],
    "LOG_LEVEL=info\r": ["carriage"],
    "just some words": ["NAME=value"],
    "LOG_LEVEL=ünfo": ["ASCII"],
}


@pytest.mark.parametrize("line", ENV_LINES)
def test_a_bad_line_in_env_is_told(project, line):
    with project.env_file.open("a", newline="") as file:
        file.write(line + "\n")
    found = problems(project)
    assert any(all(word in problem for word in ENV_LINES[line]) for problem in found), found
    assert "hello" not in "".join(found) and "Something" not in "".join(found)


@pytest.mark.parametrize("line", ["# AIRTABLE_TOKEN=patX", "AIRTABLE_TOKEN=", "LLM_MAX_TURN_TOKENS=400000", "AIRTABLE_TOKEN_FILE=secrets/airtable-token", "", "  # x", "A_B= c"])
def test_a_good_line_in_env_is_fine(project, line):
    with project.env_file.open("a") as file:
        file.write(line + "\n")
    validate(project, code=0)


def test_a_value_in_use_is_found_anywhere_in_env(project):
    with project.env_file.open("a") as file:
        file.write(f"# {project.secret('redis-password')}\n")
    one_problem(project, "redis-password", ".env holds the value")


def test_settings_that_do_not_fit_what_is_there_are_told(project):
    text = project.env_text()
    project.env_file.write_text(text.replace("COMPOSE_PROFILES=airtable-emulator,gemini-emulator", "COMPOSE_PROFILES=gemini-emulator"))
    one_problem(project, "airtable-emulator", "is off")
    project.env_file.write_text(text.replace("STACK_CREDENTIALS=ready", "STACK_CREDENTIALS="))
    one_problem(project, "STACK_CREDENTIALS")
    project.env_file.write_text(text.replace("STACK_USER=", "STACK_USER=me"))
    assert any("STACK_USER" in problem for problem in problems(project))
    project.env_file.write_text(text.replace("# >>>", "# >"))
    one_problem(project, "block")
    project.env_file.write_text(text)
    token = project.secrets / "airtable-token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    shutil.chown(token, project.secrets.stat().st_uid)
    found = "\n".join(problems(project))
    assert "profile airtable-emulator is on" in found and "STACK_AIRTABLE_API_URL" in found
    assert "STACK_AIRTABLE_TOKEN_FILE" in found and "STACK_AIRTABLE_EMULATOR_TOKEN_FILE" in found
    project.generate()
    validate(project, code=0)
    one_problem(project, "COMPOSE_PROFILES", "environment", COMPOSE_PROFILES="airtable-emulator")


def test_what_git_has_or_would_take_is_told(project):
    git = ["git", "-C", project.path, "-c", "user.name=n", "-c", "user.email=n@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    validate(project, code=0)
    subprocess.run([*git, "add", "-f", "secrets/redis-password"], check=True)
    one_problem(project, "secrets is in git")
    subprocess.run([*git, "rm", "-q", "--cached", "secrets/redis-password"], check=True)
    (project.path / ".gitignore").write_text("")
    assert len(problems(project)) == 3


def test_everything_is_told_in_one_run(project):
    (project.secrets / "internal-api-key").write_text("changeme")
    (project.secrets / "redis-password").unlink()
    shutil.copyfile(project.secrets / "airtable-emulator-token", project.secrets / "gemini-emulator-key")
    (project.secrets / "stray").write_text("x")
    project.env_file.chmod(0o666)
    with project.env_file.open("a") as file:
        file.write("GEMINI_API_KEY=x\n")
    assert len(problems(project)) == 6


@pytest.fixture
def upstream():
    """Stands in for Airtable and Gemini; `answers` says with what status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = {"/v0/meta/whoami": ("authorization", f"Bearer {TOKEN}"), "/v1beta/models": ("x-goog-api-key", GEMINI_KEY)}
            header, value = known.get(self.path.split("?")[0], ("", ""))
            status = self.server.status or (200 if header and self.headers.get(header) == value else 401)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_on_request_token_and_key_are_tried(project, upstream, tmp_path):
    url = f"http://127.0.0.1:{upstream.server_port}"
    assert "nothing to ask" in validate(project, "--live", code=0)
    given = {"AIRTABLE_TOKEN": TOKEN, "GEMINI_API_KEY": GEMINI_KEY, "AIRTABLE_API_URL": url, "GEMINI_API_URL": url}
    project.generate(**given)
    out = validate(project, "--live", code=0)
    assert "Airtable accepts" in out and "Gemini accepts" in out
    upstream.status = 429
    assert "too many requests" in validate(project, "--live", code=0)
    upstream.status = 500
    assert "HTTP 500" in validate(project, "--live", code=1)
    upstream.status = 0
    project.generate("--set", "airtable-token", stdin=TOKEN[:-1] + "0")
    found = problems(project, "--live")
    assert len(found) == 1 and "Airtable does not accept" in found[0] and "--set airtable-token" in found[0]
    upstream.shutdown()
    upstream.server_close()
    found = problems(project, "--live")
    assert len(found) == 2 and all("cannot be reached" in problem for problem in found)


def test_no_program_is_started_with_a_secret(project, upstream):
    log, fakes = project.path / "log", project.path / "bin"
    fakes.mkdir()
    for program in "curl cat tr wc grep sed head cut stat date id basename fold sort git uniq".split():
        (fakes / program).write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" "$(export -p)" >>"{log}"\nexec {shutil.which(program)} "$@"\n')
        (fakes / program).chmod(0o755)
    url = f"http://127.0.0.1:{upstream.server_port}"
    project.generate(AIRTABLE_TOKEN=TOKEN, GEMINI_API_KEY=GEMINI_KEY, AIRTABLE_API_URL=url, GEMINI_API_URL=url)
    out = validate(project, "--live", code=0, path_first=fakes)
    assert "Gemini accepts" in out and "--config" in log.read_text()
    for name in [*GENERATED, "airtable-token", "gemini-api-key"]:
        assert project.secret(name) not in log.read_text(), name


def test_without_curl_the_command_in_its_container_asks(project, tmp_path):
    project.generate(AIRTABLE_TOKEN=TOKEN)
    compose, docker = tmp_path / "compose", tmp_path / "docker"
    for fake in [compose, docker]:
        fake.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n')
        fake.chmod(0o755)
    out = validate(project, "--live", code=0, path=project.tools_without("curl"), COMPOSE=str(compose), DOCKER=str(docker))
    assert "no curl" in out
    assert (tmp_path / "asked").read_text().strip().endswith("run --rm pyairtable doctor")


def test_unknown_arguments_are_refused(project):
    assert "not known" in validate(project, "--everything", code=2)
    assert "--live" in validate(project, "--help", code=0)
