"""Your own loop over LiteLLM: one line, `litellm_hook.install()`; agents are named by hand.

python examples/frameworks/with_litellm.py && tokenprof report run.jsonl
"""

import json

import inbox
import litellm

import tokenprof
from tokenprof.harness_adapters.hooks import litellm as litellm_hook


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    undo = litellm_hook.install()
    with tokenprof.profile(path, tags={"framework": "litellm"}):

        def ask(name: str, system: str, task: str, *functions: object) -> str:
            tools = {function.__name__: function for function in functions}
            messages = [
                {"role": "system", "content": system, "cache_control": {"type": "ephemeral"}},
                {"role": "user", "content": task},
            ]
            while True:
                with tokenprof.agent(name):
                    reply = litellm.completion(
                        f"anthropic/{inbox.MODEL}",
                        messages,
                        tools=[{"type": "function", "function": describe(f)} for f in functions],
                        api_key=api_key,
                        base_url=base_url,
                    )
                message = reply.choices[0].message
                messages.append(message.model_dump(exclude_none=True))
                if not message.tool_calls:
                    return str(message.content)
                for call in message.tool_calls:
                    result = tools[call.function.name](**json.loads(call.function.arguments))
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

        def ask_researcher(request: str) -> str:
            """Let the researcher read mails and report."""
            return ask("researcher", inbox.RESEARCHER, request, inbox.read_mail)

        said = ask("triage", inbox.TRIAGE, inbox.TASK, inbox.search_mail, ask_researcher)
    undo()
    return said


def describe(function: object) -> dict[str, object]:
    """Return a function as the description of a tool."""
    names = list(function.__annotations__)[:-1]
    return {
        "name": function.__name__,
        "description": function.__doc__,
        "parameters": {
            "type": "object",
            "properties": {n: {"type": "string"} for n in names},
            "required": names,
        },
    }


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))
