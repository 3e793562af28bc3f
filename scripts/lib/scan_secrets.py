"""Scans a checkout for secrets: scan_secrets.py ROOT --tree | --history | --staged … (see scripts/scan-secrets.sh)."""

import base64
import codecs
import hashlib
import os
import re
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = True
import secret_rules  # noqa: E402

# Larger things are looked at piece by piece; a secret across the border of two is in the part that they share.
PIECE, SHARED = 8 << 20, 16 << 10

Place = namedtuple("Place", "path line where")


class CannotLook(Exception):
    pass


def fail(message):
    print(f"scan-secrets.sh: {message}", file=sys.stderr)
    sys.exit(2)


class Git:
    def __init__(self, root):
        self.root = root
        if subprocess.run(["git", "-C", root, "rev-parse", "--git-dir"], capture_output=True).returncode:
            raise CannotLook(f"{root} is no checkout of git, or git does not trust its owner")

    def __call__(self, *arguments):
        result = subprocess.run(["git", "-C", self.root, "-c", "core.quotePath=false", *arguments], capture_output=True)
        if result.returncode:
            raise CannotLook(f"git {arguments[0]} failed: {result.stderr.decode(errors='replace').strip()}")
        return result.stdout

    def objects(self, ids):
        """Yields (id, type, content) of each."""
        command = ["git", "-C", self.root, "cat-file", "--batch"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            for id_ in ids:
                process.stdin.write(id_.encode() + b"\n")
                process.stdin.flush()
                header = process.stdout.readline().split()
                if len(header) != 3:
                    raise CannotLook(f"git has no object {id_}: the repository is damaged or a partial clone")
                content = process.stdout.read(int(header[2]))
                process.stdout.read(1)
                yield id_, header[1].decode(), content
            process.stdin.close()


def text_path(path):
    """For people: one line, whatever the file is called."""
    text = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


# --- where to look: each yields (place without line, content) --------------------------------------


def tree(git):
    for path in sorted(set(git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split(b"\0")) - {b""}):
        full = os.path.join(os.fsencode(git.root), path)
        try:
            if os.path.islink(full):
                content = os.readlink(full)
            elif os.path.isfile(full):
                with open(full, "rb") as file:
                    content = file.read()
            else:
                continue  # deleted here, or a submodule
        except OSError as error:
            raise CannotLook(f"{text_path(path)} cannot be read: {error.strerror}")
        yield path, "file", content


def staged(git):
    changed = set(git("diff", "--cached", "--name-only", "--no-renames", "--diff-filter=d", "-z").split(b"\0")) - {b""}
    ids = {}
    for entry in git("ls-files", "--stage", "-z").split(b"\0"):
        meta, _, path = entry.partition(b"\t")
        if path in changed and not meta.startswith(b"160000"):
            ids.setdefault(meta.split()[1].decode(), path)
    for id_, _, content in git.objects(ids):
        yield ids[id_], "staged", content


def history(git):
    """Each version of each file once, with the commit that brought it in; then what commits and tags say."""
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        print("scan-secrets.sh: this clone is shallow: the history that is not here is not looked at (git fetch --unshallow)", file=sys.stderr)
    blobs, commit, fields = {}, "", iter(git("log", "--all", "--reverse", "-m", "--root", "--raw", "--no-abbrev", "--no-renames", "-z", "--format=%x01%H").split(b"\0"))
    for field in fields:
        field = field.lstrip(b"\n")
        if field.startswith(b"\1"):
            commit = field[1:].strip().decode()
        elif field.startswith(b":"):
            _, mode, _, id_, _ = field[1:].split()
            path = next(fields)
            if mode not in (b"000000", b"160000"):
                blobs.setdefault(id_.decode(), (path, commit))
    words = [line.split()[0].decode() for line in git("rev-list", "--all", "--objects").splitlines() if re.match(rb"[0-9a-f]{40,64}\b", line)]
    tags = git("for-each-ref", "--format=%(objectname)").decode().split()
    ids = [*blobs, *(id_ for id_ in dict.fromkeys([*words, *tags]) if id_ not in blobs)]
    for id_, kind, content in git.objects(ids):
        if kind == "blob":
            path, commit = blobs.get(id_, (b"(object %s)" % id_[:12].encode(), ""))
            yield path, f"commit {commit[:12]}" if commit else "tag", content
        elif kind in ("commit", "tag"):
            # Without its signature, which is random and no secret.
            content = re.sub(rb"(?ms)^gpgsig.*?-----END [A-Z ]+-----\n|^-----BEGIN (?:PGP|SSH) SIGNATURE-----.*?-----END [A-Z ]+-----", b"", content)
            yield b"(message)", f"{kind} {id_[:12]}", content


# --- the values that must be nowhere ---------------------------------------------------------------


def own_values(root):
    """{name: value} of everything under secrets/ and its backups, and of the keys under data/."""
    values = {}
    for directory in [root / "secrets", *sorted(root.glob("secrets.bak.*")), root / "data"]:
        try:
            files = sorted(directory.iterdir()) if directory.is_dir() else []
        except PermissionError:
            print(f"scan-secrets.sh: {directory.name} is not yours to read: its values were not looked for", file=sys.stderr)
            continue
        for file in files:
            try:
                if not file.is_file() or file.stat().st_size > 65536:
                    continue
                lines = file.read_bytes().splitlines()
            except OSError:
                print(f"scan-secrets.sh: {directory.name}/{file.name} is not yours to read: its value was not looked for", file=sys.stderr)
                continue
            for line in map(bytes.strip, lines):
                # A short word would be found everywhere; validate-credentials.sh refuses it.
                if len(line) >= 12 and b"\0" not in line:
                    values[f"{directory.name}/{file.name}"] = line
    return values


def forms(value):
    """As it is, and as it stands inside of hexadecimal, base64 and URL-encoded text."""
    yield value
    yield value[::-1]
    yield value.hex().encode()
    yield value.hex().upper().encode()
    yield quote(value, safe="").encode()
    for before in range(3):  # base64 of a longer text, in which the value begins at any of three places
        encoded = base64.b64encode(b"\0" * before + value)
        inner = encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


# --- looking ---------------------------------------------------------------------------------------


def pieces(content):
    """Text in UTF-16 is read as such."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode("utf-8", "replace")
    if len(content) <= PIECE:
        yield 0, content
        return
    for start in range(0, len(content), PIECE - SHARED):
        yield start, content[start : start + PIECE]


class Scanner:
    def __init__(self, root):
        self.allowed = read_allow_list(root / "scripts/secrets.allow")
        self.used = set()
        self.needles = [(name, form) for name, value in own_values(root).items() for form in dict.fromkeys(forms(value))]
        self.finds = {}  # (kind, value) -> [Place]

    def look(self, path, where, content):
        name = text_path(path)
        for find in secret_rules.find(path):
            self.note(find.kind, find.value, Place(name, 0, where))
        for start, piece in pieces(content):
            for find in secret_rules.find(piece, name):
                self.note(find.kind, find.value, Place(name, line(content, start + find.start), where))
            for owner, needle in self.needles:
                at = piece.find(needle)
                if at >= 0:
                    self.note(f"value of {owner}", needle, Place(name, line(content, start + at), where), allowable=False)

    def note(self, kind, value, place, allowable=True):
        mark = fingerprint(kind, value)
        if allowable and mark in self.allowed:
            self.used.add(mark)
            return
        places = self.finds.setdefault((kind, value, mark if allowable else ""), [])
        # The same line in a later version of the file is the same find.
        if not any(other.path == place.path and (other.where == "file") == (place.where == "file") for other in places):
            places.append(place)


def line(content, at):
    return content.count(b"\n", 0, at) + 1


def fingerprint(kind, value):
    return hashlib.sha256(kind.encode() + b"\0" + value).hexdigest()[:16]


def read_allow_list(path):
    allowed = set()
    if not path.exists():
        return allowed
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        mark, _, reason = text.partition(" ")
        if not re.fullmatch(r"[0-9a-f]{16}", mark) or len(reason.strip()) < 10:
            raise CannotLook(f"{path.name}:{number} must be a fingerprint (16 hexadecimal digits), a blank and the reason why it is no secret")
        allowed.add(mark)
    return allowed


def masked(value):
    """Four characters and the length."""
    return f"{text_path(value[:4])}… ({len(value)} characters)"


def main(root, what):
    root = Path(root)
    git = Git(str(root))
    scanner = Scanner(root)
    count = 0
    for source in what:
        for path, where, content in {"--tree": tree, "--history": history, "--staged": staged}[source](git):
            scanner.look(path, where, content)
            count += 1
    for (kind, value, mark), places in scanner.finds.items():
        print(f"{kind}: {masked(value)}" + (f"  [{mark}]" if mark else ""))
        for place in places:
            print(f"    {place.path}{f':{place.line}' if place.line else ' (its name)'}  ({place.where})")
    if scanner.finds:
        print(
            f"\n{len(scanner.finds)} found in {count} files, versions and messages. A real one: replace it where it is valid, first of all; taking it out of "
            "the history comes second.\nNo secret: add the fingerprint in brackets to scripts/secrets.allow, with the reason.",
            file=sys.stderr,
        )
        return 1
    print(f"no secrets in {count} files, versions and messages ({', '.join(w[2:] for w in what)}; {len(scanner.used)} allowed by scripts/secrets.allow)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except CannotLook as error:
        fail(error)
    except BrokenPipeError:
        sys.exit(2)
