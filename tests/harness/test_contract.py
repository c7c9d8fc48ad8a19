"""The contract of the folder `harness_adapters/`: whatever is put there is found, used and shown."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from tokenprof.facts.adapters import ADAPTERS, load_adapter
from tokenprof.live.profile import SDK_ADAPTERS, WATCHED
from tokenprof.reading.formats import transcript_readers
from tokenprof.record.wires import WIRES, interpreter_of, wire_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "harness_adapters"
MODULES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): ast.parse(path.read_text())
    for path in FOLDER.rglob("*.py")
    if path.stem != "__init__"
}
HOOKS = sorted(
    name for name, tree in MODULES.items() if name.startswith("hooks.") and name != "hooks.named_scopes"
)


def imported_by(tree: ast.Module) -> set[str]:
    """The adapters that a module imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.removeprefix(f"{ADAPTERS}.") for name in found if name.startswith(f"{ADAPTERS}.")}


def names_of(tree: ast.Module) -> set[str]:
    """What a module defines at its top."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_every_module_is_reached_by_its_kind_or_by_another() -> None:
    by_name = set(SDK_ADAPTERS.values())
    by_name |= {f"wires.{wire.adapter}" for wire in WIRES} | set(HOOKS)
    by_name |= {reader.__name__.removeprefix(f"{ADAPTERS}.") for reader in transcript_readers()}  # type: ignore[attr-defined]
    imported = {other for name, tree in MODULES.items() for other in imported_by(tree) if other != name}
    elsewhere = {
        name
        for path in (ROOT / "tokenprof").rglob("*.py")
        for name in MODULES
        if any(written in path.read_text() for written in (f"{ADAPTERS}.{name}", f'"{name}"'))
    }
    assert MODULES.keys() - by_name - imported - elsewhere == set()


def test_every_transcript_module_with_a_format_is_found_in_whichever_folder_it_stands() -> None:
    with_format = {name for name, tree in MODULES.items() if "FORMAT" in names_of(tree)}
    assert {f"{ADAPTERS}.{name}" for name in with_format} == {
        reader.__name__  # type: ignore[attr-defined]
        for reader in transcript_readers()
    }


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_example_a_line_in_the_documents_and_says_how_it_is_used(hook: str) -> None:
    name = hook.removeprefix("hooks.")
    examples = [path.read_text() for path in (ROOT / "examples" / "frameworks").glob("with_*.py")]
    assert any(
        f"hooks import {name}" in text or f"harness_adapters.{hook} import" in text for text in examples
    )
    assert hook in (ROOT / "docs" / "harnesses.md").read_text()
    assert any(defined == "install" or defined.endswith("AgentNames") for defined in names_of(MODULES[hook]))
    told = ast.get_docstring(MODULES[hook]) or ""
    assert f"hooks import {name}" in told or "AgentNames()]" in told


@pytest.mark.parametrize("package", sorted(SDK_ADAPTERS))
def test_every_client_library_can_be_wrapped_and_those_that_are_watched_be_left_again(package: str) -> None:
    adapter: Any = load_adapter(SDK_ADAPTERS[package])
    assert list(inspect.signature(adapter.wrap).parameters) == ["client"]
    if package in WATCHED:
        undo = adapter.wrap_new_clients()
        undo()
        undo()


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: f"{wire.provider} {wire.adapter}")
def test_every_wire_has_an_interpreter_and_a_seller_that_prices_know(wire: Any) -> None:
    from tokenprof.pricing.book import default_book

    assert list(inspect.signature(interpreter_of(wire)).parameters) == ["exchange", "shaper"]
    book = default_book()
    assert book.resolve(wire.provider, "no-model")[0] in book.catalogue.providers()


@pytest.mark.parametrize(
    ("path", "provider"),
    [
        ("/v1/messages?beta=true", "anthropic"),
        ("/v1/messages/", "anthropic"),
        ("/v1/messages/count_tokens", None),
        ("/openai/deployments/mine/chat/completions?api-version=1", "openai"),
        ("/v1/responses", "openai"),
        ("/v1/responses/resp_1", None),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "gcp.gemini"),
        ("/v1beta/models/gemini-2.5-flash:countTokens", None),
        (
            "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent",
            "gcp.vertex_ai",
        ),
        (
            "/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4-8:rawPredict",
            "gcp.vertex_ai",
        ),
        ("/model/eu.anthropic.claude-opus-4-8-v1%3A0/invoke-with-response-stream", "aws.bedrock"),
        ("/model/amazon.nova-pro-v1:0/invoke", "aws.bedrock"),
        ("/v2/chat", "cohere"),
        ("/v1/embeddings", "openai"),
        ("/v1/moderations", None),
    ],
)
def test_a_call_is_known_by_its_path(path: str, provider: str | None) -> None:
    wire = wire_of("POST", path)
    assert (wire.provider if wire else None) == provider
    fetched = wire_of("GET", path)
    # A background response is fetched with the counts that its call lacked.
    assert (fetched.provider if fetched else None) == ("openai" if path == "/v1/responses/resp_1" else None)
