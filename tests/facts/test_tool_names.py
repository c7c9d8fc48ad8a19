"""Calls that leave out the namespace of their tool's schema."""

from tokenprof.facts.tool_names import is_called


def test_a_call_may_leave_out_the_namespace() -> None:
    assert is_called("functions.exec", {"exec"})
    assert is_called("exec", {"exec"})
    assert not is_called("exec", {"functions.exec"})
    assert not is_called("functions.wait", {"exec"})
