"""Puts a file as a note on the merge request of a GitLab job: edits the note that has its hidden first line.

Copy it to `ci/` of your repository. It needs nothing but Python, and TOKENPROF_GITLAB_TOKEN.
"""

import json
import os
import sys
import urllib.request


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"PRIVATE-TOKEN": os.environ["TOKENPROF_GITLAB_TOKEN"], "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as response:
        return json.load(response), response.headers.get("X-Next-Page")


def main(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    project, request = os.environ["CI_PROJECT_ID"], os.environ["CI_MERGE_REQUEST_IID"]
    notes = f"{os.environ['CI_API_V4_URL']}/projects/{project}/merge_requests/{request}/notes"
    tag, page = text.partition("\n")[0], "1"
    while page:
        found, page = call("GET", f"{notes}?per_page=100&page={page}")
        for note in found:
            if note["body"].startswith(tag):
                call("PUT", f"{notes}/{note['id']}", {"body": text})
                return
    call("POST", notes, {"body": text})


if __name__ == "__main__":
    main(sys.argv[1])
