"""Stop an agent when it has spent its budget: the next call is refused with the SDK's own error.

python examples/live_budget.py           # needs no key: the model is a loopback provider
"""

import anthropic

import tokenprof
from tokenprof import Limits
from tokenprof.testing import LoopbackProvider, Reply

BUDGET = Limits(usd="0.002")


def main(path: str = "budget.jsonl") -> int:
    """Ask until the budget is spent; returns how many calls were made."""
    calls = 0
    with (
        LoopbackProvider(lambda body, number: Reply.text("working on it " * 5)) as provider,
        tokenprof.profile(path, on_turn=show, stop_at=BUDGET),
        anthropic.Anthropic(api_key="none", base_url=provider.url) as client,
    ):
        try:
            while True:
                question = [{"role": "user", "content": f"step {calls}"}]
                client.messages.create(model="claude-opus-4-8", max_tokens=100, messages=question)
                calls += 1
        except anthropic.APIStatusError as refused:
            print(f"stopped after {calls} calls: {refused.body}")
    return calls


def show(cost: tokenprof.TurnCost) -> None:
    """Print what each finished turn has cost."""
    print(f"turn {cost.turn.id}: {cost.turn_usd} USD, {cost.total_usd} USD so far")


if __name__ == "__main__":
    main()
