"""Which values are secrets and may never be shown: one rule, by the value's name and by what it looks like.

`limpet.stage1.masking` is the same rule inside an application's process; tests/contract binds the two.
"""

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"
"""What stands in place of a secret."""
ANYWHERE: Final = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "COOKIE")
"""A name that contains one of these, in any case, is a secret's: RELEASE_COOKIE, authToken."""
WORDS: Final = frozenset({"PASS", "PW", "PRIVATE", "AUTHORIZATION", "BEARER", "JWT", "SALT"})
"""So is one of which these are a word: DB_PASS, and not PASSENGER_ROOT."""
ENDS: Final = ("KEY", "KEYS")
"""So is one of which a word ends so: api_key, sshkey; of variables and options one that has KEY anywhere."""
PLAIN: Final = frozenset({
    *("", "CACHE", "DICT", "FOREIGN", "GROUP", "INDEX", "LOOKUP"),
    *("PARTITION", "PRIMARY", "PUBLIC", "ROUTING", "ROW", "SORT"),
})  # fmt: skip
"""What a key may be of that is no secret, unless written in capitals: sort_key; and one of nothing: key."""

# Compiled when first needed: most processes that load this never show a secret.
_SPLIT: Final = r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])"
_USERINFO: Final = r"(?<=://)([^/@\s:]*):(\S+)@"
_USER: Final = r"(?<=://)([^/@\s:]{20,})@"
_ANY_USER: Final = r"(?<=://)[^/@\s]+@"
_PAIR: Final = r"(?i)\b([\w-]*(?:secret|token|passw(?:or)?d|pwd|api_?key|access_?key))=([^\s&;,]+)"
_WHOLE: Final = r"-----BEGIN [A-Z ]*PRIVATE KEY|\AeyJ[\w-]+\.[\w-]+\.[\w-]*\Z|\A(?:Bearer|Basic) \S"


def is_secret(name: str) -> bool:
    """Whether a parameter, attribute or key of a mapping of that name holds a secret."""
    upper = name.upper()
    if any(part in upper for part in ANYWHERE):
        return True
    words = [word.upper() for word in re.split(_SPLIT, name) if word]
    if len(words) <= 2 and words[-1:] in (["KEY"], ["KEYS"]) and not name.isupper():
        return "".join(words[:-1]) not in PLAIN
    return any(word in WORDS or word.endswith(ENDS) for word in words)


def is_secret_variable(name: str) -> bool:
    """Whether a variable or an option of that name holds a secret: outside of code every key may be one.

    OTEL_EXPORTER_OTLP_HEADERS is one as well.
    """
    upper = name.upper()
    return "KEY" in upper or ("OTLP" in upper and upper.endswith("HEADERS")) or is_secret(name)


def masked(name: str, value: str) -> str:
    """`value` of a variable or option as it may be shown: MASK, or without the credentials in it."""
    if not value:
        return value
    if is_secret_variable(name):
        return MASK
    if name.upper().endswith("DSN"):  # Sentry's has no password: its user is the key
        value = re.sub(_ANY_USER, f"{MASK}@", value)
    return masked_text(value)


def masked_text(value: str) -> str:
    """`value` without credentials in URLs, `password=…` pairs, private keys and bearer tokens."""
    if re.search(_WHOLE, value):
        return MASK
    if "@" in value:
        value = re.sub(_USER, f"{MASK}@", re.sub(_USERINFO, rf"\1:{MASK}@", value))
    return re.sub(_PAIR, rf"\1={MASK}", value) if "=" in value else value


def masked_arguments(arguments: Iterable[str]) -> list[str]:
    """A command line as it may be shown: `--token X` and `--token=X` become `--token ***`, `--token=***`."""
    found = []
    after_secret = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if after_secret and not argument.startswith("-"):
            found.append(MASK)
        elif (equals and name.isidentifier()) or argument.startswith("-"):
            found.append(name + equals + masked(name.lstrip("-"), value))
        else:
            found.append(masked_text(argument))
        after_secret = argument.startswith("-") and not equals and is_secret_variable(argument)
    return found
