"""The names of all attributes that are written or read.

The `gen_ai.*` names are those of the OpenTelemetry GenAI conventions (open-telemetry/
semantic-conventions-genai, `docs/gen-ai/client-inference.md`); they are still in development there,
which is why they are spelled out here and not imported. Ours are under `tokenprof.`.
"""

from __future__ import annotations

SCOPE = "tokenprof"

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
AGENT = "gen_ai.agent.name"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
"""Includes cached tokens, as the convention demands."""
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE = "error.type"

RECORD = "tokenprof.record"
"""What a span is: `turn`, or `attempt` for a failed attempt, which is not a turn."""
FORMAT = "tokenprof.format"
RUN_ID = "tokenprof.run.id"
VERSION = "tokenprof.version"
TAG_PREFIX = "tokenprof.tag."
CONTEXT = "tokenprof.context"
PARENT_CONTEXT = "tokenprof.context.parent"
STATUS = "tokenprof.status"
ATTEMPTS = "tokenprof.attempts"
CALL = "tokenprof.call"
"""The same for all attempts at one call."""
HTTP_STATUS = "http.response.status_code"
TTFT_S = "tokenprof.ttft_s"
USAGE = "tokenprof.usage"
"""JSON of our disjoint counts."""
SELECTORS = "tokenprof.selectors"
BASE_SPAN = "tokenprof.prompt.base"
"""Span id of the turn whose first blocks this prompt keeps."""
KEPT = "tokenprof.prompt.kept"
ADDED = "tokenprof.prompt.added"
"""JSON list of the blocks after the kept ones."""
OUTPUT = "tokenprof.output"
OUTPUT_REST_IN = "tokenprof.output.rest_in"
"""Id of the turn that counts what an incomplete output lacks."""
BREAKPOINTS = "tokenprof.breakpoints"
SETTINGS = "tokenprof.settings"
FLAGS = "tokenprof.flags"
CACHE_MISS = "tokenprof.cache_miss"
CONTENT_REQUEST = "tokenprof.content.request"
CONTENT_RESPONSE = "tokenprof.content.response"

RUN_FORMAT = "tokenprof.run/1"

CONTENT = "tokenprof.content"
"""Says in the resource of a recording that its spans hold content; absent if they hold none."""

CONTENT_MASKED = "requests and responses, with secrets masked"
