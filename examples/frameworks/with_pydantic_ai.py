"""Pydantic AI agents, by name: one argument each, `capabilities=[PydanticAIAgentNames()]`.

python examples/frameworks/with_pydantic_ai.py && tokenprof report run.jsonl
"""

import inbox
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.providers.anthropic import AnthropicProvider

import tokenprof
from tokenprof.harness_adapters.hooks.pydantic_ai import PydanticAIAgentNames


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    with tokenprof.profile(path, tags={"framework": "pydantic-ai"}):
        provider = AnthropicProvider(api_key=api_key, base_url=base_url)
        model = AnthropicModel(inbox.MODEL, provider=provider)
        settings = AnthropicModelSettings(
            anthropic_cache_instructions=True,
            anthropic_cache_tool_definitions=True,
            anthropic_cache_messages=True,
        )
        researcher = Agent(
            model,
            name="researcher",
            instructions=inbox.RESEARCHER,
            tools=[inbox.read_mail],
            model_settings=settings,
            capabilities=[PydanticAIAgentNames()],
        )

        async def ask_researcher(request: str) -> str:
            """Let the researcher read mails and report."""
            return (await researcher.run(request)).output

        triage = Agent(
            model,
            name="triage",
            instructions=inbox.TRIAGE,
            tools=[inbox.search_mail, ask_researcher],
            model_settings=settings,
            capabilities=[PydanticAIAgentNames()],
        )
        return triage.run_sync(inbox.TASK).output


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))
