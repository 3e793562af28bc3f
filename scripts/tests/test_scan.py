"""What scripts/scan-secrets.sh promises. Secrets here are put together from pieces, so that it does not find this file."""

import base64
import os
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from project import SCRIPTS, make_project

HEX = "9f3c7a1be5d2486094ab37c6e1f8d05b7c2e90a4b6d3185f7e0c92a4d8b16e3f"
MIXED = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6kL9nP2rS5uX8"
ISSUED = {
    "airtable-token": "pat" + MIXED[:14] + "." + HEX,
    "airtable-key": "key" + MIXED[:14],
    "google-key": "AIza" + MIXED[:35],
    "google-client-secret": "GOC" + "SPX-" + MIXED[:28],
    "aws-key-id": "AKI" + "A" + "Q3EGRXTZ7WNB5LMD",
    "github-token": "gh" + "p_" + MIXED[:36],
    "gitlab-token": "glp" + "at-" + MIXED[:20],
    "slack-token": "xox" + "b-1234567890-" + MIXED[:24],
    "slack-webhook": "hooks.slack" + ".com/services/T0AB12CD3/B0EF45GH6/" + MIXED[:24],
    "model-key": "sk" + "-proj-" + MIXED,
    "stripe-key": "sk" + "_live_" + MIXED[:24],
    "package-token": "np" + "m_" + MIXED[:36],
    "vault-token": "hv" + "s." + MIXED[:24],
    "json-web-token": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NSJ9." + MIXED[:43],
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + MIXED + "\n",
    "password-in-url": "postgres" + "://app:gr33nFrogs@db.example.com/app",
    "random-value": "internal_api_key" + ' = "' + HEX + '"',
    "password-in-settings": "POSTGRES_PASSW" + "ORD: gr33nFrogs",
    "aws-secret-key": "aws_secret_access_key" + " = " + MIXED[:38] + "/+",
}


def our_key():
    sys.path.insert(0, str(SCRIPTS / "lib"))
    body = "pya_" + "live_abcd1234_" + MIXED[:43]
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = alphabet[digit] + digits
    return body + digits


class Checkout:
    def __init__(self, path):
        self.project = make_project(path)
        (path / "scripts/secrets.allow").unlink(missing_ok=True)
        self.path = path
        self.git("init", "-q", "-b", "main")
        self.commit("first")

    def git(self, *arguments, **more):
        identity = ["-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=.git/hooks"]
        return subprocess.run(["git", "-C", self.path, *identity, *arguments], check=True, capture_output=True, text=True, **more).stdout

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")

    def write(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def scan(self, *arguments, code=None):
        result = self.project.run(*arguments, script="scan-secrets.sh")
        assert code is None or result.returncode == code, (result.returncode, result.stdout, result.stderr)
        return result.stdout + result.stderr


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "a checkout")


@pytest.mark.parametrize("kind", ISSUED)
def test_each_kind_is_found_and_masked(checkout, kind):
    secret = ISSUED[kind]
    name = "docker.yml" if kind == "password-in-settings" else "notes.txt"
    checkout.write(name, f"first line\nhere:\n{secret}\nend\n")
    out = checkout.scan(code=1)
    assert kind in out and re.search(rf"{name}:[34] ", out), out
    longest = max(re.split(r"[\s:=\"/@.]+", secret), key=len)
    assert longest not in out and "first line" not in out


@pytest.mark.parametrize("kind", ["airtable-token", "github-token", "json-web-token", "aws-key-id", "google-key"])
@pytest.mark.parametrize("around", ["x = '{}';", "https://example.com/?k={}&a=b", "[{}]", "\x00\x01{}\x00", "key={}\r\n", "`{}`", '{{"a":"{}"}}'])
def test_it_is_found_whatever_stands_around_it(checkout, kind, around):
    checkout.write("file.bin", around.format(ISSUED[kind]))
    assert kind in checkout.scan(code=1)


def test_our_keys_count_with_true_check_digits_only(checkout):
    key = our_key()
    checkout.write("a.txt", key[:-1] + ("0" if key[-1] != "0" else "1"))
    checkout.scan(code=0)
    checkout.write("a.txt", key)
    assert "pyairtable-key" in checkout.scan(code=1)


@pytest.mark.parametrize(
    "harmless",
    [
        "AIRTABLE_TOKEN=\nGEMINI_API_KEY=your_key_here\nPASSWORD=changeme\n", "AIRTABLE_TOKEN_FILE=/run/secrets/airtable-token",
        "postgres://user:password@localhost/db redis://:${REDIS_PASSWORD}@redis:6379 https://example.com:8080/a@b",
        "patXXXXXXXXXXXXXX.XXXX AIza... sk-... ghp_xxx", "let secret = Secret::from_file(Path::new(path_of_the_file_2)).unwrap();",
        "keyboardShortcuts keyAndValueStore key_of_a_long_name1", "checksum = \"" + HEX + "\"", "uses: actions/checkout@" + HEX[:40],
        "token: ${{ secrets.GITHUB_TOKEN }}", "internal-key = 0123456789abcdef0123456789abcdef", "-----BEGIN PUBLIC KEY-----\nMIIB\n",
        'panic!("-----BEGIN PRIVATE ' + 'KEY-----")', "api_key: airtable-emulator-token-2024-file", "the token task-force-of-2024-and-later-years",
    ],
)
def test_what_only_speaks_of_secrets_is_not_one(checkout, harmless):
    for name in ["a.txt", "a.yml", ".env.template"]:
        checkout.write(name, harmless)
    checkout.commit("harmless: " + harmless)
    checkout.scan(code=0)


def test_a_file_that_was_deleted_is_found_with_its_commit(checkout):
    checkout.write("old.txt", f"\n{ISSUED['airtable-token']}\n")
    checkout.commit("a mistake")
    commit = checkout.git("rev-parse", "HEAD").strip()
    checkout.git("rm", "-q", "old.txt")
    checkout.commit("undone")
    out = checkout.scan(code=1)
    assert "old.txt:2" in out and commit[:12] in out
    checkout.scan("--tree", code=0)
    checkout.scan("--history", code=1)


@pytest.mark.parametrize("where", ["message", "tag", "branch", "merge", "stash", "note", "blob tag"])
def test_all_of_the_history_is_looked_at(checkout, where):
    secret = ISSUED["github-token"]
    match where:
        case "message":
            checkout.commit(f"use {secret}")
        case "tag":
            checkout.git("tag", "-a", "v1", "-m", f"with {secret}")
        case "branch":
            checkout.git("switch", "-qc", "other")
            checkout.write("a", secret)
            checkout.commit("on another branch")
            checkout.git("switch", "-q", "main")
        case "merge":
            checkout.git("switch", "-qc", "other")
            checkout.commit("o")
            checkout.git("switch", "-q", "main")
            checkout.commit("m")
            checkout.git("merge", "-q", "--no-ff", "--no-commit", "other")
            checkout.write("in-the-merge-alone", secret)
            checkout.commit("merged")
            checkout.git("rm", "-q", "in-the-merge-alone")
            checkout.commit("gone")
        case "stash":
            checkout.write("scripts/scan-secrets.sh", (checkout.path / "scripts/scan-secrets.sh").read_text() + f"# {secret}\n")
            checkout.git("stash", "-q")
        case "note":
            checkout.git("notes", "add", "-m", secret)
        case "blob tag":
            blob = checkout.git("hash-object", "-w", "--stdin", input=secret).strip()
            checkout.git("tag", "loose", blob)
    assert "github-token" in checkout.scan(code=1)
    checkout.scan("--tree", code=0)


def test_the_index_is_what_the_next_commit_adds(checkout):
    checkout.write("a.txt", ISSUED["google-key"])
    checkout.scan("--staged", code=0)
    checkout.git("add", "a.txt")
    checkout.write("a.txt", "nothing any more")
    assert "a.txt:1" in checkout.scan("--staged", code=1)
    checkout.scan("--tree", code=0)


def test_as_a_hook_it_stops_a_commit(checkout):
    hooks = checkout.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-commit").symlink_to("../../scripts/scan-secrets.sh")
    checkout.write("a.txt", ISSUED["google-key"])
    checkout.git("add", "a.txt")
    with pytest.raises(subprocess.CalledProcessError) as error:
        checkout.commit("stopped")
    assert "google-key" in error.value.stdout + error.value.stderr
    checkout.write("a.txt", "harmless")
    checkout.commit("not stopped")


@pytest.mark.parametrize("name", ["with blank", "new\nline", "-dash", "uml\u00e4ut", "quo'te\"", "$(touch pwned)", "tab\there", b"latin\xe9"])
def test_odd_names_of_files_are_no_way_around(checkout, name):
    path = os.path.join(os.fsencode(checkout.path), name if isinstance(name, bytes) else name.encode())
    with open(path, "wb") as file:
        file.write(ISSUED["airtable-token"].encode())
    assert checkout.scan("--tree", code=1).count("airtable-token") == 1
    checkout.commit("odd")
    assert "airtable-token" in checkout.scan("--history", code=1)
    assert not (checkout.path / "pwned").exists()


def test_ignored_files_are_left_alone_and_links_and_names_are_not(checkout):
    checkout.write(".env", ISSUED["airtable-token"])
    checkout.scan(code=0)
    (checkout.path / "link").symlink_to(ISSUED["github-token"])
    assert "link" in checkout.scan(code=1)
    (checkout.path / "link").unlink()
    checkout.write(ISSUED["github-token"], "its name is it")
    assert "its name" in checkout.scan(code=1)


def test_large_files_are_looked_at_to_their_end(checkout):
    secret = ISSUED["airtable-token"].encode()
    for at in [(8 << 20) - 40, (8 << 20) - (16 << 10) - 3, (20 << 20)]:
        checkout.write("large.bin", b"\xff\n" * (at // 2) + secret + b"\n" * 100)
        begun = time.monotonic()
        assert f"large.bin:{at // 2 + 1} " in checkout.scan("--tree", code=1)
        assert time.monotonic() - begun < 20


def test_text_in_utf_16_is_read(checkout):
    checkout.write("windows.txt", ("\ufeff" + ISSUED["google-key"]).encode("utf-16-le"))
    assert "google-key" in checkout.scan("--tree", code=1)


FORMS = {
    "plain": lambda v: v,
    "base64": lambda v: base64.b64encode(v),
    "inside of base64": lambda v: base64.b64encode(b"password: " + v + b"\nx"),
    "inside of base64, one on": lambda v: base64.b64encode(b"password:  " + v),
    "URL-safe": lambda v: base64.urlsafe_b64encode(b"a" + v),
    "hexadecimal": lambda v: v.hex().encode(),
    "backwards": lambda v: v[::-1],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["postgres-password", "operator-api-key", "gemini-emulator-key"])
def test_the_values_that_are_in_use_are_found_in_any_form(checkout, form, name):
    checkout.project.generate()
    checkout.scan(code=0)
    value = checkout.project.secret(name)
    checkout.write("a.bin", b"some text\x00" + FORMS[form](value.encode()) + b" and more")
    checkout.commit("leak")
    (checkout.path / "a.bin").unlink()
    out = checkout.scan(code=1)
    assert f"secrets/{name}" in out and value not in out and value[-12:] not in out


def test_values_before_a_rotation_or_a_renewal_are_found_too(checkout):
    checkout.project.generate()
    first = checkout.project.secret("internal-api-key")
    checkout.project.generate("--rotate", "internal-api-key")
    checkout.write("a.txt", first)
    assert "internal-api-key.previous" in checkout.scan(code=1)
    checkout.project.generate("--force")
    assert "secrets.bak" in checkout.scan(code=1)


def test_what_is_allowed_has_a_fingerprint_and_a_reason(checkout):
    checkout.write("a.txt", ISSUED["airtable-token"])
    (mark,) = re.findall(r"\[([0-9a-f]{16})\]", checkout.scan(code=1))
    checkout.write("scripts/secrets.allow", f"# those that are none\n{mark} an example from the documentation\n")
    assert "1 allowed" in checkout.scan(code=0)
    checkout.write("b.txt", ISSUED["github-token"])
    assert "airtable-token" not in checkout.scan(code=1)
    for bad in [mark, f"{mark} why", "nonsense and a long reason for it"]:
        checkout.write("scripts/secrets.allow", bad + "\n")
        assert "secrets.allow:1" in checkout.scan(code=2)


def test_it_says_when_it_cannot_look(tmp_path, checkout):
    assert "not known" in checkout.scan("--everything", code=2)
    assert "not known" in checkout.scan("--tree", "--staged", code=2)
    bare = make_project(tmp_path / "no checkout")
    result = bare.run(script="scan-secrets.sh", GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert result.returncode == 2 and "no checkout of git" in result.stderr
    result = checkout.project.run(script="scan-secrets.sh", path=checkout.project.tools_without("python3", "python"))
    assert result.returncode == 2 and "python3" in result.stderr
    result = checkout.project.run("--help", script="scan-secrets.sh")
    assert result.returncode == 0 and "--staged" in result.stdout


def test_a_shallow_clone_is_said_to_be_one(checkout, tmp_path):
    checkout.commit("second")
    clone = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{checkout.path}", clone], check=True, capture_output=True)
    result = subprocess.run([clone / "scripts/scan-secrets.sh"], capture_output=True, text=True)
    assert result.returncode == 0 and "shallow" in result.stderr


def test_a_checkout_without_commits_can_be_scanned(tmp_path):
    project = make_project(tmp_path / "new")
    subprocess.run(["git", "-C", project.path, "init", "-q"], check=True)
    for what in [[], ["--staged"]]:
        assert project.run(*what, script="scan-secrets.sh").returncode == 0


def test_this_repository_holds_no_secret():
    root = Path(subprocess.run(["git", "-C", SCRIPTS, "rev-parse", "--show-toplevel"], capture_output=True, text=True).stdout.strip() or SCRIPTS.parent)
    if not (root / ".git").exists():
        pytest.skip("no checkout of git")
    begun = time.monotonic()
    result = subprocess.run([SCRIPTS / "scan-secrets.sh"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert time.monotonic() - begun < 60
