"""Hosts, mostly tests, that take modules out of `sys.modules` or reload them: their calls are still seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_hostile_hosts import run_of

pytestmark = pytest.mark.slow

HELPERS = """
import importlib

def take_out(*packages):
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]

def reload(*names):
    for name in names:
        importlib.reload(importlib.import_module(name))

def post():
    import httpx
    from hosts import URL, Provider
    with httpx.Client(transport=httpx.MockTransport(Provider())) as client:
        assert client.post(URL, json=BODY).status_code == 200

BODY = {"model": "gpt-5.4", "messages": [{"role": "user", "content": "hello"}]}
"""


@pytest.mark.parametrize(
    ("block", "calls"),
    [
        ("take_out('tokenprof'); post()", 1),
        ("post(); take_out('tokenprof'); post(); take_out('httpx', 'hosts'); post()", 3),
        ("take_out('httpx', 'hosts'); post(); take_out('httpx', 'hosts'); post()", 2),
        ("post(); reload('httpx._client', 'httpx'); post()", 2),
    ],
)
def test_calls_of_modules_imported_again_are_recorded_once(block: str, calls: int, tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
for name in ("httpx", "hosts", "test_hostile_hosts"):
    sys.modules.pop(name, None)
{HELPERS}
with tokenprof.profile(sys.argv[1]):
    {block}
""",
    )
    assert (len(run.turns), run.problems) == (calls, ())


def test_each_of_several_blocks_sees_what_was_imported_before_it(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
{HELPERS}
before = set(sys.modules)
for number in range(3):
    with tokenprof.profile(sys.argv[1]):
        post()
    for name in set(sys.modules) - before:
        del sys.modules[name]
    take_out("httpx", "hosts")
    take_out("tokenprof")
    import tokenprof
finders = [type(finder).__module__ for finder in sys.meta_path]
assert sum(name.startswith("tokenprof") for name in finders) == 1, finders
""",
    )
    assert (len(run.turns), run.problems) == (3, ())


def test_the_host_finds_its_modules_as_it_has_left_them(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
{HELPERS}
with tokenprof.profile(sys.argv[1]):
    take_out("tokenprof", "httpx", "hosts")
    import httpx
    found = [name for name in sys.modules if name.startswith("tokenprof")]
    assert not found, found
    post()
""",
    )
    assert len(run.turns) == 1
