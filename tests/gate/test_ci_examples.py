"""The scripts of examples/ci, run as a CI runner would, with its command line stood in for."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anthropic
import pytest

import tokenprof
from tokenprof.commands.main import main
from tokenprof.gate.formats import STICKY_TAG
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow

CI = Path(__file__).parents[2] / "examples" / "ci"
BASH = shutil.which("bash") or "bash"


def record(path: Path, words: int) -> None:
    with (
        LoopbackProvider([Reply.text("Hello there.")]) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        client.messages.create(
            model="claude-opus-4-8",
            max_tokens=9,
            system="A careful clerk. " * words,
            messages=[{"role": "user", "content": "hi"}],
        )


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!{BASH}\n{script}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Runner:
    """A CI runner: a folder, variables, and stand-ins for the commands that need the network."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tools = folder / "tools"
        self.tools.mkdir()
        command(self.tools, "python", f'[[ "$2" == pip ]] || exec {sys.executable} "$@"')
        command(self.tools, "tokenprof", f'exec {sys.executable} -m tokenprof "$@"')

    def run(self, script: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        source = Path(tokenprof.__file__).parents[1]
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(source), **variables}
        return subprocess.run(
            [BASH, str(script)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def check(runner: Runner, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {
        "PACKAGE": "agent-tokenprof",
        "RUNS": "runs/*.jsonl\n",
        "BASELINE": "baseline.json",
        "TOLERANCE": "5%",
        "OUT": str(runner.folder / "out"),
        "GITHUB_STEP_SUMMARY": str(runner.folder / "summary.md"),
    }
    return runner.run(CI / "github" / "check.sh", **given | variables)


def test_the_action_s_check_passes_fails_and_leaves_its_files(runner: Runner) -> None:
    runs = runner.folder / "runs"
    runs.mkdir()
    record(runs / "inbox mail.jsonl", 300)
    baseline = str(runner.folder / "baseline.json")
    assert main(["check", str(runs / "inbox mail.jsonl"), "--baseline", baseline, "--update"]) == 0
    assert check(runner).returncode == 0
    (runs / "inbox mail.jsonl").unlink()
    record(runs / "inbox mail.jsonl", 360)
    failed = check(runner)
    assert failed.returncode == 1
    assert "grew: system system[0]" in failed.stdout
    comment = (runner.folder / "out" / "comment.md").read_text("utf-8")
    assert comment.startswith(STICKY_TAG)
    assert comment in (runner.folder / "summary.md").read_text("utf-8")
    sarif = json.loads((runner.folder / "out" / "tokenprof.sarif").read_text("utf-8"))
    assert len(sarif["runs"][0]["results"]) == 1
    assert check(runner, TOLERANCE="50%").returncode == 0
    assert check(runner, TOLERANCE="50%", BUDGET="turns=1\nusd=0.000001\n").returncode == 1


def test_the_action_s_check_names_a_file_that_is_missing(runner: Runner) -> None:
    done = check(runner, RUNS="nothing/*.jsonl")
    assert done.returncode == 2
    assert "nothing/*.jsonl" in done.stderr


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("", "--method POST repos/o/r/issues/7/comments --field body=@"),
        ("31\n32\n", "--method PATCH repos/o/r/issues/comments/31 --field body=@"),
    ],
)
def test_the_comment_is_written_once_and_then_edited(runner: Runner, known: str, expected: str) -> None:
    (runner.folder / "known").write_text(known)
    command(
        runner.tools,
        "gh",
        f'echo "$@" >> {runner.folder}/calls; [[ "$2" == --method ]] || cat {runner.folder}/known',
    )
    comment = runner.folder / "comment.md"
    comment.write_text("x")
    done = runner.run(
        CI / "github" / "comment.sh", COMMENT=str(comment), GITHUB_REPOSITORY="o/r", PULL="7", GH_TOKEN="x"
    )
    assert done.returncode == 0, done.stderr
    asked, sent = (runner.folder / "calls").read_text("utf-8").splitlines()
    assert "repos/o/r/issues/7/comments" in asked
    assert STICKY_TAG in asked
    assert expected in sent


class GitLab(ThreadingHTTPServer):
    """Two pages of notes of a merge request, and what is sent to them."""

    daemon_threads = True
    tagged = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), GitLabHandler)
        self.sent: list[tuple[str, str, str]] = []


class GitLabHandler(BaseHTTPRequestHandler):
    server: GitLab

    def log_message(self, format: str, *args: object) -> None: ...

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if self.command != "GET":
            body = json.loads(self.rfile.read(length))["body"]
            self.server.sent.append((self.command, self.path, body))
        first = self.path.endswith("page=1")
        ours = [{"id": 9, "body": f"{STICKY_TAG}\nold"}] if self.server.tagged else []
        self.send_response(200)
        self.send_header("X-Next-Page", "2" if first else "")
        self.end_headers()
        self.wfile.write(json.dumps([{"id": 1, "body": "looks good"}] if first else ours).encode())

    do_GET = do_POST = do_PUT = answer


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    with GitLab() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("tagged", "method", "path"), [(True, "PUT", "/notes/9"), (False, "POST", "/merge_requests/3/notes")]
)
def test_the_note_is_written_once_and_then_edited(
    gitlab: GitLab, tmp_path: Path, tagged: bool, method: str, path: str
) -> None:
    gitlab.tagged = tagged
    comment = tmp_path / "comment.md"
    comment.write_text(f"{STICKY_TAG}\nnew", "utf-8")
    variables = {
        "CI_API_V4_URL": f"http://127.0.0.1:{gitlab.server_address[1]}/api/v4",
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "3",
        "TOKENPROF_GITLAB_TOKEN": "x",
    }
    script = CI / "gitlab" / "tokenprof_note.py"
    subprocess.run([sys.executable, str(script), str(comment)], env={**os.environ, **variables}, check=True)
    [(sent_method, sent_path, body)] = gitlab.sent
    assert (sent_method, body) == (method, f"{STICKY_TAG}\nnew")
    assert sent_path.endswith(path)
