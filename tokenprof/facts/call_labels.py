"""What a tool call is about, in a few words: a file, the head of a command, a query, a host.

Arguments hold secrets, so a label is put together from parts that are known to be harmless, never cut out of
the text: of a command its program, its subcommand and its files; of an address its host. What is left is
masked by `secrets`, and words that look random are masked too.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import field
from typing import Any, Final
from urllib.parse import urlsplit

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.inert_text import printable
from tokenprof.facts.secrets.masks import MASK, masked_text

LabelRule = Callable[[str, Mapping[str, Any]], str | None]
"""A rule of your own: the name of a tool and its arguments to a label. None leaves the call to our rules."""

MOST_CHARS: Final = 48
"""The longest label. Of a longer path the end is kept, of anything else the beginning."""

MOST_ARGUMENT_CHARS: Final = 1_048_576
"""Longer arguments are not read."""

_MOST_TEXT_CHARS: Final = 2_000
_PATHS: Final = ("file_path", "notebook_path", "path", "filename", "file", "relative_path", "directory")
_COMMANDS: Final = ("command", "cmd", "script")
_QUERIES: Final = ("pattern", "query", "search_query", "search", "q", "glob")
_ADDRESSES: Final = ("url", "uri", "link")
_PATH_PARTS: Final = 2

_SHELLS: Final = ("bash", "sh", "zsh", "dash", "fish")
_BEFORE_A_PROGRAM: Final = ("sudo", "env", "time", "nohup", "nice", "exec", "command")
_FREE_TEXT_PROGRAMS: Final = ("echo", "printf", "export", "set", "read", "sshpass", "expect", "htpasswd")
_SUBCOMMANDS: Final = (
    "apt", "apt-get", "aws", "az", "bazel", "brew", "bun", "bundle", "cargo", "composer", "conda",
    "deno", "docker", "docker-compose", "dotnet", "flutter", "fly", "gcloud", "gh", "git", "go",
    "gradle", "helm", "heroku", "hg", "just", "kubectl", "make", "mix", "mvn", "nix", "npm", "npx", "nx",
    "pip", "pip3", "pnpm", "poetry", "podman", "rails", "rake", "rustup", "svn", "swift", "systemctl",
    "terraform", "turbo", "uv", "uvx", "yarn",
)  # fmt: skip
"""Programs whose next words name what they do."""

_WORD: Final = re.compile(r"[a-z][a-z:-]{0,20}")
_FILE: Final = re.compile(r"[\w.+/-]{1,200}")
_SUFFIX: Final = re.compile(r"[\w-]\.[A-Za-z][A-Za-z0-9]{0,5}$")
_TAKES_A_SECRET: Final = re.compile(r"-[A-Za-z]{0,3}[pPuUkKHdeE]")
_SECRET_OPTIONS: Final = (
    "pass",
    "token",
    "key",
    "secret",
    "user",
    "auth",
    "cred",
    "header",
    "data",
    "cookie",
)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w{0,63}=")
_RANDOM: Final = re.compile(r"[A-Za-z0-9+=~]{16,2000}")


@frozen
class Labeller:
    """Names calls: by the argument that the user names for a tool, by the user's rule, by our rules.

    `arguments` maps the name of a tool to the name of the argument that labels its calls.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    rule: LabelRule | None = None

    def label(self, tool: str, arguments: object) -> str | None:
        """Return what a call is about, with secrets masked: `src/app.ts`, `npm test`, `example.com`.

        `arguments` are an object or its JSON. None if they hold nothing that is known to say it.
        """
        given = _object(arguments)
        if given is None:
            return None
        own = self._own(tool, given)
        if own:
            return _shown(own)
        return _by_our_rules(given)

    def _own(self, tool: str, given: Mapping[str, Any]) -> str | None:
        value = given.get(self.arguments.get(tool, ""))
        if isinstance(value, str | int):
            return str(value)
        try:
            found = self.rule(tool, given) if self.rule is not None else None
        except Exception:  # noqa: BLE001 - the user's mistake must not reach the program that is recorded
            return None
        return found if isinstance(found, str) else None


_of_reading: ContextVar[Labeller | None] = ContextVar("tokenprof_labeller", default=None)


def reading_labeller() -> Labeller | None:
    """Return what names the calls of files that are read here; None if nobody asked for labels."""
    return _of_reading.get()


@contextlib.contextmanager
def labels_read(labeller: Labeller | None) -> Iterator[None]:
    """Name the calls of the files that are read inside the block; with None, drop recorded labels too."""
    token = _of_reading.set(labeller)
    try:
        yield
    finally:
        _of_reading.reset(token)


def set_reading_labeller(labeller: Labeller | None) -> None:
    """Name the calls of the files that this process reads from here on."""
    _of_reading.set(labeller)


def parsed_arguments(arguments: object) -> object:
    """Return the arguments of a call as an object if they are the JSON of one, else as they are."""
    if isinstance(arguments, str) and len(arguments) <= MOST_ARGUMENT_CHARS and arguments[:1] == "{":
        try:
            return json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
    return arguments


def _object(arguments: object) -> Mapping[str, Any] | None:
    found = parsed_arguments(arguments)
    return found if isinstance(found, Mapping) else None


def _by_our_rules(given: Mapping[str, Any]) -> str | None:
    if path := _text(given, _PATHS):
        return _path(path)
    if command := _words(given, _COMMANDS):
        return _command(command)
    if query := _text(given, _QUERIES):
        return _shown(query)
    if address := _text(given, _ADDRESSES):
        host = _host(address)
        return _shown(host) if host else None
    return None


def _path(path: str) -> str | None:
    if "://" in path:
        host = _host(path)
        return _shown(host) if host else None
    parts = [part for part in _masked(path).replace("\\", "/").split("/") if part]
    return printable("/".join(parts[-_PATH_PARTS:]))[-MOST_CHARS:] or None


def _command(words: Sequence[str]) -> str | None:
    """Return the program of a command, its subcommand, and the first file among its words."""
    rest = list(words)
    while rest and (_ASSIGNMENT.match(rest[0]) or rest[0] in _BEFORE_A_PROGRAM):
        rest.pop(0)
    if len(rest) > 3 and rest[0] == "cd" and rest[2] == "&&":
        return _command(rest[3:])
    if len(rest) > 2 and rest[0].rpartition("/")[2] in _SHELLS and rest[1] in ("-c", "-lc"):
        return _command(" ".join(rest[2:]).strip("\"'").split())
    if not rest:
        return None
    program = rest[0].rpartition("/")[2]
    if not _FILE.fullmatch(program):
        return None
    said = [program]
    arguments = _of_this_command(rest[1:])
    if program in _SUBCOMMANDS:
        said += _leading_words(arguments)
    elif program.startswith("python") and arguments[:1] == ["-m"] and len(arguments) > 1:
        said += [word for word in arguments[1:2] if re.fullmatch(r"[A-Za-z_][\w.]{0,40}", word)]
    if program not in _FREE_TEXT_PROGRAMS:
        files = [word for at, word in enumerate(arguments) if _is_file(word) and not _is_value(arguments, at)]
        said += [name for word in files[:1] if (name := _path(word))]
    return _shown(" ".join(dict.fromkeys(said)))


def _of_this_command(words: Sequence[str]) -> list[str]:
    """Return the words before the first one that ends the command, and before any text in quotes."""
    found = []
    for word in words:
        if word[:1] in "|&;<>\"'`$(" or any(sign in word for sign in "|;`\"'"):
            break
        found.append(word)
    return found


def _leading_words(words: Sequence[str]) -> list[str]:
    found: list[str] = []
    for word in words[:2]:
        if not _WORD.fullmatch(word):
            break
        found.append(word)
    return found


def _is_file(word: str) -> bool:
    is_plain = _FILE.fullmatch(word) is not None and not word.startswith("-")
    return is_plain and ("/" in word.strip("/") or _SUFFIX.search(word) is not None)


def _is_value(words: Sequence[str], at: int) -> bool:
    """Whether a word is the value of an option that takes a password, a key, a user or a text."""
    option = words[at - 1] if at else ""
    if option.startswith("--"):
        return any(name in option.lower() for name in _SECRET_OPTIONS)
    return _TAKES_A_SECRET.fullmatch(option) is not None


def _host(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        # As it is written: in lower case, a key has no form that could be recognised.
        return parts.netloc.rpartition("@")[2].partition(":")[0] if parts.hostname else None
    except ValueError:
        return None


def _text(given: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    found = (given.get(name) for name in names)
    return next((value.strip() for value in found if isinstance(value, str) and value.strip()), None)


def _words(given: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    for name in names:
        value = given.get(name)
        if isinstance(value, str) and value.strip():
            return value[:_MOST_TEXT_CHARS].split()
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            return value[:100]
    return []


def _masked(text: str) -> str:
    # Masked before it is cut: half a key has no form that could be recognised.
    return _RANDOM.sub(_unless_a_word, masked_text(text[:_MOST_TEXT_CHARS]))


def _unless_a_word(found: re.Match[str]) -> str:
    text = found.group()
    digits = sum(char.isdigit() for char in text)
    has_both_cases = not (text.islower() or text.isupper())
    return MASK if 0 < digits < len(text) and (digits >= 3 or has_both_cases) else text


def _shown(text: str) -> str | None:
    return printable(_masked(" ".join(text.split())))[:MOST_CHARS].strip() or None
