"""What a secret looks like. Each rule finds a value in bytes; `find` runs them all."""

import math
import re
import zlib
from collections import Counter, namedtuple

Find = namedtuple("Find", "kind value start")

# What must be in the data for the rule to be tried (lower case), and the pattern; the last group, or all, is the value.
Rule = namedtuple("Rule", "kind hints pattern check")


def rule(kind, hints, pattern, check=None):
    return Rule(kind, [hint.encode() for hint in hints.split()], re.compile(pattern.encode()), check)


BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_our_key(key):
    """The last six characters are the CRC-32 of what is before, so an example that somebody made up does not count."""
    rest, digits = zlib.crc32(key[:-6]), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return key[-6:].decode() == digits


def is_mixed(value):
    """Letters of both cases and a digit: no word of a language or a program."""
    return bool(re.search(rb"[0-9]", value) and re.search(rb"[a-z]", value) and re.search(rb"[A-Z]", value))


def entropy(value):
    """Bits per byte."""
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())


def is_random(value):
    """No word, path, list of names or pattern that repeats."""
    longest = max(re.split(rb"[-_./=]", value), key=len)
    if len(value) < 20 or len(longest) < 16 or len(set(value)) < 10:
        return False
    if not re.search(rb"[0-9]", longest) or not re.search(rb"[A-Za-z]", longest):
        return False
    if any(value == (value[:period] * len(value))[: len(value)] for period in range(1, 17)):
        return False
    is_hex = re.fullmatch(rb"[0-9a-fA-F]+", longest)
    return entropy(longest) >= (3.0 if is_hex else 3.5)


PLACEHOLDER = re.compile(
    rb"(?i)(pass(word)?|secret|user(name)?|token|key|pw|pwd|x+|y+|\*+|\.+|-+|your.*|my.*|changeme.*|change[_-].*|replace.*|example.*|"
    rb"placeholder.*|todo.*|none|null|true|false|yes|no|on|off|[0-9]{1,6}|.*_here|redacted|hidden|masked)"
)


def is_password(value):
    """In a URL: no placeholder, no variable, no letter with dots."""
    return not PLACEHOLDER.fullmatch(value) and not re.search(rb"[${}<>()\[\]%\\|]|\xe2\x80\xa6", value.replace(b"%2", b"").replace(b"%4", b""))


def is_setting(value):
    """In a file of settings: neither a placeholder nor a path or a word of the program."""
    return len(value) >= 6 and is_password(value) and not re.match(rb"[./~]|[a-z]+://", value)


RULES = [
    rule("airtable-token", "pat", r"(?<![A-Za-z0-9])pat[A-Za-z0-9]{14}\.[0-9a-f]{64}(?![0-9A-Za-z])"),
    rule("airtable-key", "key", r"(?<![A-Za-z0-9_$-])key[A-Za-z0-9]{14}(?![A-Za-z0-9_(])", is_mixed),
    rule("google-key", "aiza aq.", r"(?<![A-Za-z0-9_-])(?:AIza[0-9A-Za-z_-]{35}|AQ\.[0-9A-Za-z_-]{30,})(?![0-9A-Za-z_-])"),
    rule("google-client-secret", "gocspx-", r"GOCSPX-[0-9A-Za-z_-]{28}"),
    rule("pyairtable-key", "pya_live_", r"pya_live_[0-9a-z]{8}_[0-9A-Za-z_-]{49}(?![0-9A-Za-z_-])", is_our_key),
    rule(
        "private-key",
        "-----begin",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?=[ \t\r]*(?:\n|$)|(?:[ \"'+]|\\[rn])+[A-Za-z0-9+/=]{16})(?:[\s\"'+]|\\[rn])*[A-Za-z0-9+/=]*",
    ),
    rule("aws-key-id", "akia asia abia acca", r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    rule("aws-secret-key", "aws", r"(?i:aws)[\w .-]{0,30}(?i:secret|key)[\w .-]{0,20}[\"']?\s*[:=]+\s*[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])", is_mixed),
    rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})"),
    rule("gitlab-token", "glpat-", r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_.-]{20,}"),
    rule("slack-token", "xox xapp-", r"(?<![A-Za-z0-9])(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{20,})"),
    rule("slack-webhook", "hooks.slack.com", r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"),
    rule("model-key", "sk-", r"(?<![A-Za-z0-9_-])sk-(?:[a-z]+[0-9]*-)*[A-Za-z0-9_-]{20,}", is_mixed),
    rule("stripe-key", "k_live_", r"(?<![A-Za-z0-9])[srp]k_live_[A-Za-z0-9]{20,}"),
    rule("package-token", "npm_ pypi- dckr_pat_ hf_", r"(?<![A-Za-z0-9_])(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{60,}|dckr_pat_[A-Za-z0-9_-]{27,}|hf_[A-Za-z0-9]{34})(?![A-Za-z0-9])", is_mixed),
    rule("vault-token", "hvs. hvb. hvr.", r"(?<![A-Za-z0-9])hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    rule("azure-key", "accountkey", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    rule("json-web-token", "eyj", r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    rule("password-in-url", "://", r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'`<>()|\\]{0,64}:([^\s/@\"'`<>|\\]{3,200})@[a-z0-9\[]", is_password),
    rule(
        "random-value",
        "secret token passwd password pwd api_key api-key apikey access_key access-key private_key private-key credential bearer",
        r"(?i)(?:secret|token|passw(?:or)?d|pwd|api[_-]?key|access[_-]?key|private[_-]?key|credential|bearer)[a-z0-9_.-]{0,30}[\"'`\])]{0,2}"
        r"\s{0,3}(?::=|=>|==|=|:|\s)\s{0,3}[\"'`]?([A-Za-z0-9+/_=.~-]{20,200})(?![A-Za-z0-9(:])",
        is_random,
    ),
]

# Only in files of settings, where a value without quotes is a value.
SETTINGS_FILE = re.compile(r"(^|/)\.env[^/]*$|\.(env|ya?ml|toml|ini|cfg|conf|properties|tfvars)$")
SETTING = rule(
    "password-in-settings",
    "secret token password passwd api_key",
    r"(?m)^[ \t]*(?:export[ \t]+|- *)?[\"']?(?:[A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|PASSWD|API_KEY)(?![A-Z0-9_]*_(?:FILE|URL|NAME|ID|TTL|LIMIT|TOKENS|BYTES))(?:_[A-Z0-9]+)*)[\"']?[ \t]*[=:][ \t]*[\"']?([^\s\"'#]+)[\"']?[ \t\r]*(?:#.*)?$",
    is_setting,
)


def find(data, path=""):
    """All finds in one piece of data."""
    lower = data.lower()
    rules = [*RULES, SETTING] if SETTINGS_FILE.search(path) else RULES
    taken = []
    for kind, hints, pattern, check in rules:
        if not any(hint in lower for hint in hints):
            continue
        for match in pattern.finditer(data):
            group = pattern.groups
            value, start, end = match.group(group), match.start(group), match.end(group)
            # The first, most telling, kind wins.
            if check and not check(value) or any(start < e and s < end for s, e in taken):
                continue
            taken.append((start, end))
            yield Find(kind, value, start)
