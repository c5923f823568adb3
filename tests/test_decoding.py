"""Classes that are decoded are known before threads decode them, of every module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ironforge_cli

_LOOK = """
import dataclasses, importlib, pkgutil, sys
import msgspec
import ironforge_cli
from ironforge_cli.decoding import learn
from ironforge_cli.values import Value

SPARK = "ironforge_cli.archive.spark"  # Its library is not here.
for module in pkgutil.walk_packages(ironforge_cli.__path__, "ironforge_cli."):
    if module.name not in {SPARK, "ironforge_cli.__main__"} and "._migrations" not in module.name:
        importlib.import_module(module.name)

from ironforge_cli.jobs.evidence.pending import _KINDS

def below(kind):
    for one in kind.__subclasses__():
        yield one
        yield from below(one)

def is_learnt_now(kind):
    called = []
    sys.setprofile(lambda frame, event, argument: called.append(frame) if event == "call" else None)
    msgspec.json.Decoder(kind)
    sys.setprofile(None)
    return bool(called)

class Unknown(msgspec.Struct):
    one: int

@dataclasses.dataclass
class Row:
    one: int

# The look itself finds what is not known, and afterwards that it is.
assert is_learnt_now(Unknown) and not is_learnt_now(Unknown)
assert is_learnt_now(Row) and not is_learnt_now(Row)
values = {Value, *below(Value)}
kinds = [one for one in {*below(msgspec.Struct)} - values if one.__module__.startswith("ironforge_cli")]
print(len(kinds), sorted(one.__name__ for one in [*kinds, *_KINDS.values()] if is_learnt_now(one)))
"""


def test_no_class_is_learnt_only_when_threads_decode_it() -> None:
    # In a process of its own: what one test has decoded is known to all that follow.
    found = subprocess.run([sys.executable, "-c", _LOOK], check=True, capture_output=True, text=True).stdout.split(
        " ", 1
    )
    assert int(found[0]) > 30
    assert found[1] == "[]\n"


def test_nothing_is_decoded_as_a_class_that_is_made_in_a_function() -> None:
    for path in Path(ironforge_cli.__file__).parent.rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert not (line.startswith(" ") and line.lstrip().startswith("class ") and "Struct" in line), (path, line)
