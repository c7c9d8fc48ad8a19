"""Claude Code logs written row by row, for tests."""

import json
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def usage(fresh=10, read=0, write_5m=0, write_1h=0, output=50, **others):
    return {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_creation": {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h},
        "output_tokens": output,
        "service_tier": "standard",
        **others,
    }


def text(words):
    return {"type": "text", "text": words}


def call(id_, name="Bash", **arguments):
    return {"type": "tool_use", "id": id_, "name": name, "input": arguments}


def result(id_, content="done"):
    return {"type": "tool_result", "tool_use_id": id_, "content": content}


class Log:
    """Rows of a session; each is linked to the last one unless a parent is given. A row is one second."""

    def __init__(self, session="s1", **common):
        self.rows = []
        self.common = {"sessionId": session, "isSidechain": False, **common}
        self.last = None

    def row(self, type_, parent="last", uuid=None, **keys):
        uuid = uuid or f"{self.common.get('agentId', 'main')}-{len(self.rows)}"
        self.rows.append(
            {
                "type": type_,
                "uuid": uuid,
                "parentUuid": self.last if parent == "last" else parent,
                "timestamp": (START + timedelta(seconds=len(self.rows))).isoformat().replace("+00:00", "Z"),
                **self.common,
                **keys,
            }
        )
        self.last = uuid
        return uuid

    def user(self, content, **keys):
        return self.row("user", message={"role": "user", "content": content}, **keys)

    def answer(self, id_, *content, usage=None, stop=None, model="claude-opus-4-6", **keys):
        message = {
            "id": id_,
            "role": "assistant",
            "model": model,
            "content": list(content),
            "stop_reason": stop,
        }
        if usage is not None:
            message["usage"] = usage
        return self.row("assistant", message=message, **keys)

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        return path
