"""What an environment and its files give, cleaned of what shells, containers and editors leave on it, or refused.

Cron, a container and a person start the same program in other folders, with other homes or none, and by files that
other programs wrote. What was meant is taken; what could mean two things is an error that says what to write.
"""

from __future__ import annotations

import os
import re
import select
import stat
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ironforge_cli.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

BYTE_ORDER_MARK: Final = "\ufeff"
CONNECTION_WORDS: Final = re.compile(r"\s*\w+\s*=")
"""How a `key=value` connection string begins."""
# What is secret in the query of a URL, and in such a string with libpq's quoting.
_IN_QUERY: Final = re.compile(r"(?i)((?:[?&]|^)\w*(?:password|secret)=)[^&#]*")
_IN_WORDS: Final = re.compile(r"(?ais)(\w*(?:password|secret)\s*=\s*)(?:'(?:[^'\\]|\\.)*(?:'|$)|(?:\\.|\S)*)")
_QUOTES: Final = "'\""
_PIPE_SECONDS: Final = 10.0
_BLOCK: Final = 65_536
_LARGEST_SECRET: Final = 4_096
# Requests reads the first two, in this order, and Python's own clients the third.
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_IN_USE: Final = {"REQUESTS_CA_BUNDLE": (), "CURL_CA_BUNDLE": ("REQUESTS_CA_BUNDLE",), "SSL_CERT_FILE": ()}


# What the libraries that read values say of them, and what a person is told. Patterns are compiled when one is needed.
_IN_PLAIN_WORDS: Final = (
    (r"Value error, ", ""),
    (r"Input should be a valid integer[^;.]*", "give a whole number"),
    (r"Input should be a valid number[^;.]*", "give a number"),
    (r"Input should be a valid boolean[^;.]*", "give true or false"),
    (r"Input should be a valid (?:string|text)", "give a text"),
    (r"Input should be a valid (?:list|tuple|array)", "give a list"),
    (r"Input is not a valid path[^;.]*|Input should be a valid path[^;.]*", "give a path"),
    (r"Input should be greater than or equal to (\S+)", r"give \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"give \1 at most"),
    (r"Input should be greater than (\S+)", r"give more than \1"),
    (r"Input should be less than (\S+)", r"give less than \1"),
    (r"Input should be '", "give '"),
    (r"Input should be ", "give "),
    (r"Invalid value for '([^']*)'", r"\1"),
    (r"^No such option: (\S+?)\.?(?= |$)", r"There is no option \1"),
    (r"^No such command '([^']*)'", r"There is no command \1"),
    (r"^Got unexpected extra argument\S* \((.*)\)", r"\1 is more than the command takes"),
    (r"^Missing (argument|option|parameter) '([^']*)'", r"\2 is missing"),
)


def whole_number(value: object) -> object:
    """What may become a whole number; raises `ValueError` for what a file calls true, false or 1.5, and for "1.0".

    >>> whole_number(7), whole_number("7")
    (7, '7')
    >>> whole_number(True)
    Traceback (most recent call last):
    ValueError: give a whole number, such as 7
    """
    is_text_with_a_fraction = isinstance(value, str) and not value.strip().lstrip("+-").replace("_", "").isalnum()
    if isinstance(value, bool | float) or is_text_with_a_fraction:
        raise ValueError("give a whole number, such as 7")
    return value


def in_plain_words(message: str) -> str:
    """What is wrong with a value, without the words of the library that found it.

    >>> in_plain_words("Invalid value for '--region': Value error, 'xx' is not one of 'eu', 'us'")
    "--region: 'xx' is not one of 'eu', 'us'"
    >>> in_plain_words("Input should be a valid integer, unable to parse string as an integer")
    'give a whole number'
    >>> in_plain_words("Input should be greater than or equal to 0")
    'give 0 or more'
    """
    for pattern, words in _IN_PLAIN_WORDS:
        message = re.sub(pattern, words, message)
    return message


def cleaned(value: str) -> str:
    r"""A variable's value without white space, a byte order mark, and the quotes that some readers of env-files keep.

    >>> cleaned(" '/var/lib/ironforge'\r")
    '/var/lib/ironforge'
    >>> cleaned("host=db password='a b'")
    "host=db password='a b'"
    """
    bare = value.strip().removeprefix(BYTE_ORDER_MARK).strip()
    quote = bare[:1]
    is_quoted = len(bare) > 1 and quote in _QUOTES and bare.endswith(quote) and quote not in bare[1:-1]
    return bare[1:-1].strip() if is_quoted else bare


def masked(url: str) -> str:
    """A URL, or a `key=value` connection string, without its passwords; rather too much is hidden than too little.

    >>> masked("postgresql://me:p@ss/w?rd@db.example/prices")
    'postgresql://me:****@db.example/prices'
    >>> masked("host=db.example password='my secret' dbname=prices")
    'host=db.example password=**** dbname=prices'
    """
    scheme, separator, rest = url.partition("://")
    if not separator or CONNECTION_WORDS.match(url):
        return _IN_WORDS.sub(r"\1****", url)
    # Passwords are often written with the characters that a URL should have percent-encoded.
    user, at, host = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    password = "****" if colon else ""
    return f"{scheme}://{name}{colon}{password}{at}" + _IN_QUERY.sub(r"\1****", host)


def whole_path(value: Path) -> Path:
    """A path with `~` replaced; raises `ValueError` for one that depends on where the program is started."""
    if "\0" in str(value):
        raise ValueError("a path can't hold the character NUL")
    try:
        expanded = value.expanduser()
    except RuntimeError:
        raise ValueError("~ stands for no folder: this account has no home; give the whole path") from None
    if not expanded.is_absolute():
        raise ValueError(
            f"give the whole path{_from_here(expanded)}: a relative one is another place for cron than for a person"
        )
    return Path(os.path.normpath(expanded))


def named_place(path: Path) -> Path:
    """Where a file or folder is to go that a person names, with `~` replaced; raises `UsageError` for nobody's home."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: ~ stands for no folder here: give the whole path.") from None


def _from_here(path: Path) -> str:
    try:
        return f", such as {Path.cwd() / path}"
    except OSError:
        # Somebody removed the folder that the program was started in.
        return ""


def whole_archive_uri(value: str) -> str:
    """An archive's URI as it was given; raises `ValueError` for a folder that depends on where the program is started.

    >>> whole_archive_uri("s3://bucket/prefix")
    's3://bucket/prefix'
    """
    parts = urlsplit(value)
    if parts.scheme == "file" and not parts.netloc:
        whole_path(Path(unquote(parts.path)))
    elif not parts.scheme or "://" not in value:
        whole_path(Path(value))
    return value


def content_of(path: Path, *, at_most: int) -> bytes:
    """The bytes of a file or pipe; raises `OSError`, also for more bytes than that and for a pipe that says nothing."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise OSError(0, "it is a folder" if stat.S_ISDIR(kind) else "it is no file")
        found = bytearray()
        while True:
            if not select.select([descriptor], [], [], _PIPE_SECONDS)[0]:
                raise OSError(0, f"nothing came from it for {_PIPE_SECONDS:.0f} s")
            block = os.read(descriptor, _BLOCK)
            found += block
            if len(found) > at_most:
                raise OSError(0, f"it holds more than {at_most:,} bytes")
            if not block:
                return bytes(found)
    finally:
        os.close(descriptor)


def secret_in(file: Path, *, variable: str, holds: str) -> str:
    """The secret in a file that the variable names, in words what it `holds`.

    Raises `ConfigurationError` where there is none.
    """
    try:
        secret = cleaned(content_of(file, at_most=_LARGEST_SECRET).decode("utf-8-sig"))
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigurationError(
            f"{variable} names {file}, which can't be read ({reason}). Correct the path or its permissions, and write "
            f"{holds} into it, and nothing else."
        ) from error
    if not secret:
        raise ConfigurationError(f"{variable} names {file}, which is empty. Write {holds} into it, and nothing else.")
    return secret


def url_in(file: Path, *, variable: str) -> str:
    """The URL of a database in a file that the variable names; raises `ConfigurationError` where there is none."""
    url = secret_in(file, variable=variable, holds="the URL of the database")
    if not url.isprintable():
        raise ConfigurationError(
            f"{variable} names {file}, which holds several lines, or signs that no URL has. Write the URL of the "
            "database into it, in one line, and nothing else."
        )
    return url


def is_open_to_others(file: Path) -> bool:
    """Whether somebody beside its owner may use a file; of a pipe, or of what can't be looked at, nobody can say."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


def open_secrets(files: Mapping[str, Path | None]) -> list[str]:
    """Warnings of files, by the secret that each holds, that others can read."""
    return [
        f"{file} holds {what} and others can read it: chmod 600 {file}."
        for what, file in files.items()
        if file is not None and is_open_to_others(file)
    ]


def suggestion(name: str, known: set[str], *, prefix: str) -> str:
    """The end of a sentence about a name that is none: which of those that are known may be meant.

    >>> suggestion("IRONFORGE_LOCAL", {"IRONFORGE_LOCALE", "IRONFORGE_HOME"}, prefix="IRONFORGE_")
    '; did you mean IRONFORGE_LOCALE?'
    """
    # What all variables begin with makes none of them likely.
    by_end = {one.removeprefix(prefix): one for one in sorted(known)}
    close = get_close_matches(name.removeprefix(prefix), by_end, n=1)
    return f"; did you mean {by_end[close[0]]}?" if close else "."


def require_one_line(value: str, *, source: str) -> None:
    """Raise `ConfigurationError` for credentials that HTTP can't carry, without quoting them."""
    try:
        value.encode("latin-1")
        is_one = value.isprintable()
    except UnicodeError:
        is_one = False
    if not is_one:
        raise ConfigurationError(
            f"{source} holds what no id or secret of Blizzard's does: several lines, or signs that are no letters and "
            "digits. Write it alone, in one line."
        )


def require_certificates(environment: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` where a variable names certificates for HTTPS that can't be read."""
    import ssl  # noqa: PLC0415 - most environments name none

    for variable in _CERTIFICATES:
        named = environment.get(variable)
        if not named or any(environment.get(stronger) for stronger in _IN_USE[variable]):
            continue
        if Path(named).is_dir() and variable != "SSL_CERT_FILE":
            continue
        try:
            if not Path(named).is_file():
                raise FileNotFoundError(0, "there is no such file")
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=named)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
            raise ConfigurationError(
                f"{variable} names {named!r}, of which no certificates can be read "
                f"({reason or 'it is no file of PEM certificates'}). Correct or unset it."
            ) from error
