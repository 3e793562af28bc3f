"""What scripts/generate-secure-credentials.sh promises, tried in projects of their own."""

import os
import re
import shutil
import signal
import subprocess
import time
import zlib

import pytest
from project import EMULATED, GENERATED, make_project

# In pieces, so that the scan for secrets does not take them for real ones.
TOKEN = "pat" + "AbCdEfGhIjKlMn." + "0123456789abcdef" * 4
GEMINI_KEY = "AQ." + "Ab8RN6JkXz0wq4VhT2uYs7PmLd3GcEi5Fo9"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "a project")


def test_everything_is_made_with_modes_that_keep_others_out(project):
    out = project.generate()
    for name in GENERATED:
        assert (project.secrets / name).stat().st_mode & 0o777 == 0o600, name
        assert project.secret(name) not in out
        assert project.secret(name) not in project.env_text()
    assert project.secrets.stat().st_mode & 0o777 == 0o700
    assert project.env_file.stat().st_mode & 0o777 == 0o600
    assert len({project.secret(name) for name in GENERATED}) == len(GENERATED)
    assert all(re.fullmatch(r"[0-9a-f]{64}", project.secret(n)) for n in ["internal-api-key", "postgres-password", "redis-password"])
    assert project.env() == EMULATED | {"STACK_USER": project.expected_user()}


def check_digits(body):
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = alphabet[digit] + digits
    return digits


def test_the_operators_key_is_well_formed(project):
    keys = set()
    for _ in range(10):
        project.generate("--force", "operator-api-key")
        key = project.secret("operator-api-key")
        assert re.fullmatch(r"pya_live_[0-9a-z]{8}_[0-9A-Za-z_-]{43}[0-9A-Za-z]{6}", key), len(key)
        assert key[-6:] == check_digits(key[:-6])
        keys.add(key)
    assert len(keys) == 10


def test_a_second_run_changes_nothing_and_says_so(project):
    project.generate()
    before = project.state()
    out = project.generate()
    assert "none was changed" in out
    assert project.state() == before


def test_what_is_missing_or_empty_is_made_and_the_rest_stays(project):
    project.generate()
    before = {name: project.secret(name) for name in GENERATED}
    (project.secrets / "redis-password").unlink()
    (project.secrets / "postgres-password").write_text("")
    out = project.generate()
    assert out.count("made ") == 2
    for name in GENERATED:
        same = project.secret(name) == before[name]
        assert same == (name not in ["redis-password", "postgres-password"]), name


def test_rights_that_are_too_wide_are_taken_back(project):
    project.generate()
    project.secrets.chmod(0o755)
    project.env_file.chmod(0o644)
    (project.secrets / "redis-password").chmod(0o644)
    project.generate()
    assert project.secrets.stat().st_mode & 0o777 == 0o700
    assert project.env_file.stat().st_mode & 0o777 == 0o600
    assert (project.secrets / "redis-password").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("missing", ["openssl", "od"])
def test_either_source_of_randomness_is_enough(project, missing):
    fakes = project.path / "bin"
    fakes.mkdir()
    (fakes / missing).write_text("#!/bin/sh\nexit 1\n")
    (fakes / missing).chmod(0o755)
    project.generate(path_first=fakes)
    assert re.fullmatch(r"[0-9a-f]{64}", project.secret("internal-api-key"))


def test_without_any_randomness_nothing_is_made(project):
    fakes = project.path / "bin"
    fakes.mkdir()
    for name in ["openssl", "od"]:
        (fakes / name).write_text("#!/bin/sh\nexit 1\n")
        (fakes / name).chmod(0o755)
    error = project.refused(path_first=fakes)
    assert "no randomness" in error
    assert not any(project.secrets.iterdir())
    assert not project.env_file.exists()


def test_force_makes_all_anew_and_keeps_what_was_in_a_private_backup(project):
    project.generate()
    project.generate("--rotate", "internal-api-key")
    before = {name: project.secret(name) for name in [*GENERATED, "internal-api-key.previous"]}
    project.generate("--force")
    assert all(project.secret(name) != before[name] for name in GENERATED)
    assert not (project.secrets / "internal-api-key.previous").exists()
    (backup,) = project.path.glob("secrets.bak.*")
    assert backup.stat().st_mode & 0o777 == 0o700
    for name, value in before.items():
        assert (backup / name).read_text() == value + "\n"
        assert (backup / name).stat().st_mode & 0o777 == 0o600


def test_force_with_a_name_makes_that_one_anew(project):
    project.generate()
    before = {name: project.secret(name) for name in GENERATED}
    project.generate("--force", "redis-password")
    assert [name for name in GENERATED if project.secret(name) != before[name]] == ["redis-password"]


def test_ones_own_token_and_key_switch_the_emulators_off_and_on_again(project):
    out = project.generate(AIRTABLE_TOKEN=TOKEN, GEMINI_API_KEY=GEMINI_KEY)
    assert TOKEN not in out and GEMINI_KEY not in out
    assert project.secret("airtable-token") == TOKEN
    env = project.env()
    assert env["COMPOSE_PROFILES"] == ""
    assert env["STACK_AIRTABLE_API_URL"] == "" == env["STACK_AIRTABLE_EMULATOR_TOKEN_FILE"]
    assert env["STACK_AIRTABLE_TOKEN_FILE"] == "/run/secrets/airtable-token"
    assert env["STACK_GEMINI_API_KEY_FILE"] == "/run/secrets/gemini-api-key"
    project.generate()  # without them in the environment: they stay
    assert project.env() == env
    project.generate("--unset", "airtable-token")
    assert not (project.secrets / "airtable-token").exists()
    assert project.env()["COMPOSE_PROFILES"] == "airtable-emulator"
    project.generate("--unset", "gemini-api-key")
    assert project.env() == EMULATED | {"STACK_USER": project.expected_user()}


def test_ones_own_token_comes_from_standard_input_and_is_replaced_by_set_alone(project):
    project.generate("--set", "airtable-token", stdin=TOKEN + "\n")
    assert project.secret("airtable-token") == TOKEN
    other = TOKEN[:-1] + "0"
    assert "--set airtable-token" in project.run(AIRTABLE_TOKEN=other).stderr
    assert project.secret("airtable-token") == TOKEN
    project.generate("--set", "airtable-token", stdin=other)
    assert project.secret("airtable-token") == other


@pytest.mark.parametrize(
    "value",
    ["", "sh0rt", "your_airtable_token_here_please", "<your token here>", "two\nlines" * 8, "with blanks in it, and long enough",
     "a$b" * 12, 'a"b' * 12, "a'b" * 12, "ümlaut" * 8, "changeme" * 5, "tab\tbed" * 8, "esc\x1bape" * 8, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
)
def test_values_that_cannot_be_meant_are_refused(project, value):
    error = project.refused("--set", "airtable-token", stdin=value)
    assert value == "" or value.splitlines()[0] not in error
    assert not (project.secrets / "airtable-token").exists()
    if value:
        project.refused(AIRTABLE_TOKEN=value)
        assert not (project.secrets / "airtable-token").exists()


def test_where_ones_own_token_is_valid_can_be_said_and_is_kept(project):
    project.generate(AIRTABLE_TOKEN=TOKEN, AIRTABLE_API_URL="https://airtable.example.com")
    assert project.env()["STACK_AIRTABLE_API_URL"] == "https://airtable.example.com"
    project.generate()
    assert project.env()["STACK_AIRTABLE_API_URL"] == "https://airtable.example.com"
    assert "address" in project.refused(AIRTABLE_API_URL="https://user:pw@airtable.example.com")


@pytest.mark.parametrize("before", [b"A=1\r\n\xff\xfe binary\n\n", b"LOG_LEVEL=debug", b"\n\n", b"# end without newline\nX=\"y\""])
def test_other_lines_of_env_stay_byte_for_byte(project, before):
    project.env_file.write_bytes(before)
    project.env_file.chmod(0o640)
    project.generate()
    after = project.env_file.read_bytes()
    assert after.startswith(before) and project.env_file.stat().st_mode & 0o777 == 0o600
    project.env_file.write_bytes(after + b"AFTER=\xe9")
    project.generate("--set", "airtable-token", stdin=TOKEN)
    changed = project.env_file.read_bytes()
    assert changed.startswith(before) and changed.endswith(b"\nAFTER=\xe9")
    assert changed.count(b"STACK_CREDENTIALS=ready") == 1 and changed.count(b">>>") == after.count(b">>>")


def test_a_damaged_block_is_not_touched(project):
    project.generate()
    text = project.env_text()
    project.env_file.write_text(text.replace("# <<<", "# <"))
    before = project.state()
    assert "damaged" in project.refused()
    assert project.state() == before


def test_rotation_keeps_the_value_before(project):
    project.generate()
    for name in ["internal-api-key", "operator-api-key"]:
        before = project.secret(name)
        out = project.generate("--rotate", name)
        assert project.secret(f"{name}.previous") == before != project.secret(name)
        assert before not in out and project.secret(name) not in out
        assert (project.secrets / f"{name}.previous").stat().st_mode & 0o777 == 0o600
        project.generate("--retire", name)
        assert not (project.secrets / f"{name}.previous").exists()


def test_rotation_lists_its_names_and_says_what_to_do_about_others(project):
    assert project.generate("--rotate").split() == ["internal-api-key", "operator-api-key"]
    assert "internal-api-key" in project.generate("--help")
    project.generate()
    before = project.state()
    for name, instead in [
        ("postgres-password", "--force postgres-password"),
        ("redis-password", "--force redis-password"),
        ("airtable-emulator-token", "restart airtable-emulator"),
        ("gemini-emulator-key", "restart gemini-emulator"),
        ("airtable-token", "--set airtable-token"),
        ("nonsense", "internal-api-key"),
    ]:
        assert instead in project.refused("--rotate", name)
    assert project.state() == before


def test_a_second_rotation_waits_until_the_first_has_been_seen(project):
    project.generate()
    project.generate("--rotate", "internal-api-key")
    begun = (project.secrets / "internal-api-key").stat().st_mtime
    project.generate("--rotate", "internal-api-key")
    assert (project.secrets / "internal-api-key").stat().st_mtime - begun >= 2


def test_a_rotation_that_is_killed_anywhere_leaves_old_and_new_accepted(project):
    """Killed after each of the programs that it starts in turn."""
    project.generate()
    fakes = project.path / "bin"
    fakes.mkdir()
    for program in ["mv", "sync", "mktemp", "openssl"]:
        real = shutil.which(program)
        (fakes / program).write_text(
            f'#!/bin/sh\nn=$(($(cat "{project.path}/count") - 1)); echo $n >"{project.path}/count"\n'
            f'[ $n -ne 0 ] || kill -9 $PPID\n[ $n -gt 0 ] || exit 1\nexec {real} "$@"\n'
        )
        (fakes / program).chmod(0o755)
    finished = False
    for step in range(1, 40):
        (project.path / "count").write_text(str(step))
        old = project.secret("internal-api-key")
        for path in project.secrets.glob("*.previous"):
            path.unlink()
        result = project.run("--rotate", "internal-api-key", path_first=fakes)
        accepted = [path.read_text().strip() for path in project.secrets.glob("internal-api-key*")]
        assert old in accepted and all(len(value) == 64 for value in accepted), step
        if result.returncode == 0:
            finished = True
            break
    assert finished and step > 5
    project.generate()
    assert not list(project.secrets.glob(".new.*")), "what a killed run left behind is removed by the next"


def test_an_interrupt_leaves_no_half_written_file(project):
    fakes = project.path / "bin"
    fakes.mkdir()
    (fakes / "sync").write_text('#!/bin/sh\ntouch "$HOME/begun"\nexec sleep 1\n')
    (fakes / "sync").chmod(0o755)
    process = project.start(path_first=fakes, HOME=str(project.path))
    deadline = time.monotonic() + 20
    while not (project.path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert not list(project.path.rglob(".new.*"))
    project.generate()
    assert sorted(path.name for path in project.secrets.iterdir()) == sorted(GENERATED)


def test_runs_at_the_same_time_agree(project):
    runs = [project.start() for _ in range(6)]
    assert [run.wait(60) for run in runs] == [0] * 6
    outs = "".join(run.stdout.read() for run in runs)
    assert outs.count("made      secrets/internal-api-key") == 1
    assert sorted(path.name for path in project.secrets.iterdir()) == sorted(GENERATED)


def test_without_flock_runs_take_turns_too(project):
    bare = project.tools_without("flock")
    runs = [project.start(path=bare) for _ in range(4)]
    assert [run.wait(60) for run in runs] == [0] * 4
    assert sorted(path.name for path in project.secrets.iterdir()) == sorted(GENERATED)


def test_symbolic_links_and_other_oddities_are_refused(project, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.secrets.symlink_to(elsewhere)
    assert "symbolic link" in project.refused()
    assert not any(elsewhere.iterdir())
    project.secrets.unlink()
    project.secrets.write_text("")
    assert "no directory" in project.refused()
    project.secrets.unlink()
    project.secrets.mkdir()
    (project.secrets / "redis-password").symlink_to(elsewhere / "x")
    assert "no ordinary file" in project.refused()
    (project.secrets / "redis-password").unlink()
    project.env_file.symlink_to(elsewhere / "env")
    assert "symbolic link" in project.refused()
    assert not any(elsewhere.iterdir())


def test_a_full_disk_changes_nothing_that_is_there(project):
    """A limit on the size of files stands in for the disk."""
    project.generate()
    before = project.state()
    for arguments in [["--rotate", "internal-api-key"], ["--force"]]:
        result = project.run(*arguments, wrap=["bash", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "limited"])
        assert result.returncode == 1 and "disk full" in result.stderr, result.stderr
        assert project.state(only=GENERATED) == {k: v for k, v in before.items() if k in GENERATED}
        assert not list(project.path.rglob(".new.*"))


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root to become somebody else")
def test_an_ordinary_user_owns_the_files_and_runs_the_containers(tmp_path):
    project = make_project(tmp_path / "a project")
    subprocess.run(["chown", "-R", "1234:2345", project.path], check=True)
    for directory in [tmp_path, *list(tmp_path.parents)[:-2]]:
        directory.chmod(directory.stat().st_mode | 0o055)
    user = ["setpriv", "--reuid=1234", "--regid=2345", "--clear-groups"]
    assert project.run(wrap=user, DOCKER="/nonexistent").returncode == 0
    assert project.env()["STACK_USER"] == "1234:2345"
    # Root keeps to the owner that is there.
    (project.secrets / "redis-password").unlink()
    project.generate()
    assert project.env()["STACK_USER"] == "1234:2345"
    assert {path.stat().st_uid for path in [*project.secrets.iterdir(), project.env_file]} == {1234}
    # Somebody else is told whose files these are.
    result = project.run(wrap=["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"])
    assert result.returncode == 1 and "1234" in result.stderr
    # A rootless engine maps its root to the user.
    fake = project.path / "rootless"
    fake.write_text("#!/bin/sh\necho '{\"SecurityOptions\":[\"name=seccomp\",\"name=rootless\"]}'\n")
    fake.chmod(0o755)
    assert project.run(wrap=user, DOCKER=str(fake)).returncode == 0
    assert project.env()["STACK_USER"] == "0:0"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root to become somebody else")
def test_a_directory_that_cannot_be_written_to_is_told_in_a_sentence(tmp_path):
    project = make_project(tmp_path / "a project")
    for directory in [tmp_path, *list(tmp_path.parents)[:-2]]:
        directory.chmod(directory.stat().st_mode | 0o055)
    result = project.run(wrap=["setpriv", "--reuid=1234", "--regid=2345", "--clear-groups"])
    assert result.returncode == 1 and "cannot be made" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_no_program_is_started_with_a_secret(project):
    """Each program that is started notes its arguments and environment; none of them may hold a value."""
    log = project.path / "log"
    fakes = project.path / "bin"
    fakes.mkdir()
    for program in "openssl od tr mktemp cat mv sync chmod chown rm grep sed head tail cut stat date id mkdir dirname fold sort wc basename flock docker timeout".split():
        real = shutil.which(program) or "/bin/true"
        # Only built-ins here: this too must not start anything with a value.
        (fakes / program).write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" "$(export -p)" >>"{log}"\nexec {real} "$@"\n')
        (fakes / program).chmod(0o755)
    project.generate(path_first=fakes, AIRTABLE_TOKEN=TOKEN)
    project.generate("--set", "gemini-api-key", stdin=GEMINI_KEY, path_first=fakes)
    project.generate("--rotate", "operator-api-key", path_first=fakes)
    noted = log.read_text()
    for name in [*GENERATED, "gemini-api-key", "operator-api-key.previous"]:
        assert project.secret(name) not in noted, name


def test_a_trace_shows_nothing(project):
    result = project.run(wrap=["bash", "-x"], AIRTABLE_TOKEN=TOKEN)
    assert result.returncode == 0
    for name in [*GENERATED, "airtable-token"]:
        assert project.secret(name) not in result.stderr + result.stdout
