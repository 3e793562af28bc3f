"""A copy of what the scripts for credentials need, in a directory of its own."""

import os
import shutil
import subprocess
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
GENERATED = ["internal-api-key", "operator-api-key", "postgres-password", "redis-password", "airtable-emulator-token", "gemini-emulator-key"]
EMULATED = {
    "STACK_CREDENTIALS": "ready",
    "COMPOSE_PROFILES": "airtable-emulator,gemini-emulator",
    "STACK_AIRTABLE_API_URL": "http://airtable-emulator:8902",
    "STACK_AIRTABLE_TOKEN_FILE": "",
    "STACK_AIRTABLE_EMULATOR_TOKEN_FILE": "/run/secrets/airtable-emulator-token",
    "STACK_GEMINI_API_URL": "http://gemini-emulator:8903",
    "STACK_GEMINI_API_KEY_FILE": "",
    "STACK_GEMINI_EMULATOR_KEY_FILE": "/run/secrets/gemini-emulator-key",
}


def make_project(path):
    (path / "scripts").mkdir(parents=True)
    for script in SCRIPTS.glob("*.sh"):
        shutil.copy(script, path / "scripts")
    shutil.copytree(SCRIPTS / "lib", path / "scripts/lib")
    for allow_list in SCRIPTS.glob("secrets.allow"):
        shutil.copy(allow_list, path / "scripts")
    shutil.copy(SCRIPTS.parent / ".gitignore", path)
    return Project(path)


class Project:
    def __init__(self, path):
        self.path = path
        self.secrets = path / "secrets"
        self.env_file = path / ".env"

    def start(self, *arguments, script="generate-secure-credentials.sh", stdin=None, path_first=None, path=None, wrap=(), **env):
        """A run in the background; `env` comes on top of an environment that holds no settings of ours."""
        base = {"PATH": path or os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "DOCKER": "/nonexistent"}
        if path_first:
            base["PATH"] = f"{path_first}:{base['PATH']}"
        command = [*wrap, self.path / "scripts" / script, *arguments]
        process = subprocess.Popen(
            command, env=base | env, text=True, errors="replace", cwd="/",
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        return process

    def run(self, *arguments, stdin=None, **more):
        process = self.start(*arguments, stdin=stdin, **more)
        stdout, stderr = process.communicate(stdin, timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def generate(self, *arguments, **more):
        result = self.run(*arguments, **more)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        return result.stdout

    def refused(self, *arguments, **more):
        """What it says, in one line, while it ends with 1."""
        result = self.run(*arguments, **more)
        assert result.returncode == 1, result
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr
        return result.stderr

    def secret(self, name):
        return (self.secrets / name).read_text().removesuffix("\n")

    def env_text(self):
        return self.env_file.read_text()

    def env(self):
        lines = [line for line in self.env_text().splitlines() if line and not line.startswith("#")]
        return dict(line.split("=", 1) for line in lines)

    def state(self, only=None):
        """Content, inode, mode and time of all that the generator owns."""
        files = [path for path in [*self.secrets.iterdir(), self.env_file] if path.exists() and (only is None or path.name in only)]
        return {path.name: (path.read_bytes(), path.stat().st_ino, path.stat().st_mode, path.stat().st_mtime_ns) for path in files}

    def expected_user(self):
        return "65532:65532" if os.geteuid() == 0 else f"{os.getuid()}:{os.getgid()}"

    def tools_without(self, *names):
        """A PATH with everything but these."""
        tools = self.path / "tools"
        tools.mkdir()
        for directory in ["/usr/local/bin", "/usr/bin", "/bin"]:
            for tool in Path(directory).iterdir() if Path(directory).is_dir() else []:
                if tool.name not in names and not (tools / tool.name).exists():
                    (tools / tool.name).symlink_to(tool)
        return str(tools)
