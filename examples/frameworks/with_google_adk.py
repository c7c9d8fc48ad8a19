"""Google ADK over LiteLLM, by name: `litellm_hook.install()`, and `plugins=[AdkAgentNames()]` of the runner.

python examples/frameworks/with_google_adk.py && tokenprof report run.jsonl
"""

import asyncio

import inbox
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.genai.types import Content, Part

import tokenprof
from tokenprof.harness_adapters.hooks import litellm as litellm_hook
from tokenprof.harness_adapters.hooks.google_adk import AdkAgentNames


async def run(model: BaseLlm) -> str:
    """Let two agents sort the inbox; returns their answer."""
    researcher = LlmAgent(
        name="researcher",
        description="Reads mails and reports.",
        model=model,
        instruction=inbox.RESEARCHER,
        tools=[inbox.read_mail],
    )
    triage = LlmAgent(
        name="triage",
        model=model,
        instruction=inbox.TRIAGE,
        tools=[inbox.search_mail, AgentTool(researcher)],
    )
    runner = InMemoryRunner(triage, app_name="inbox", plugins=[AdkAgentNames()])
    session = await runner.session_service.create_session(app_name="inbox", user_id="me")
    task = Content(role="user", parts=[Part(text=inbox.TASK)])
    said = ""
    async for event in runner.run_async(user_id="me", session_id=session.id, new_message=task):
        for part in event.content.parts if event.content else ():
            said = part.text or said
    return said


def main(path: str, api_key: str, base_url: str) -> str:
    """Record the run; returns the agents' answer."""
    from google.adk.models.lite_llm import LiteLlm

    undo = litellm_hook.install()
    with tokenprof.profile(path, tags={"framework": "google-adk"}):
        model = LiteLlm(f"anthropic/{inbox.MODEL}", api_key=api_key, api_base=base_url)
        said = asyncio.run(run(model))
    undo()
    return said


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))
