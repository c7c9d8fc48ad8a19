"""Stop an agent when it has spent its budget: `on_turn` hears the cost of every finished turn.

python examples/live_budget.py           # needs no key: the model is a loopback provider
"""

import threading
from decimal import Decimal

import anthropic

import tokenprof
from tokenprof.live.running_cost import TurnCost
from tokenprof.testing import LoopbackProvider, Reply

BUDGET_USD = Decimal("0.002")


def main(path: str = "budget.jsonl") -> int:
    """Ask until the budget is spent; returns how many calls were made."""
    spent = threading.Event()
    heard = threading.Semaphore(0)

    def on_turn(cost: TurnCost) -> None:
        # Called on tokenprof's own thread: note the fact, let the agent act on it between its calls.
        print(f"turn {cost.turn.id}: {cost.turn_usd} USD, {cost.total_usd} USD so far")
        if not cost.complete or cost.total_usd >= BUDGET_USD:
            spent.set()
        heard.release()

    calls = 0
    with (
        LoopbackProvider(lambda body, number: Reply.text("working on it " * 5)) as provider,
        tokenprof.profile(path, on_turn=on_turn),
    ):
        client = anthropic.Anthropic(api_key="none", base_url=provider.url)
        while not spent.is_set():
            question = [{"role": "user", "content": f"step {calls}"}]
            client.messages.create(model="claude-opus-4-8", max_tokens=100, messages=question)
            calls += 1
            heard.acquire(timeout=1)
    print(f"stopped after {calls} calls")
    return calls


if __name__ == "__main__":
    main()
