"""A provider of git and CI that records what a job asks of it: a pytest plugin."""

import base64
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.harness.project import Project

TOKEN = "secret-of-the-test"
BASIC = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
# The branch that the job runs on, the paths of requests, the fields of a new one, and of one that is open.
GITHUB: dict[str, Any] = {
    "path": "/api/repos/team/service/pulls",
    "query": {"state": ["open"], "head": ["team:template-update"], "base": ["main"]},
    "new": {"head": "team:template-update", "base": "main"},
    "text": "body",
    "open": {"number": 7, "html_url": "https://git.example.com/7"},
    "update": "PATCH",
}
GITLAB: dict[str, Any] = {
    "path": "/api/projects/team%2Fservice/merge_requests",
    "query": {
        "state": ["opened"],
        "source_branch": ["template-update"],
        "target_branch": ["main"],
    },
    "new": {"source_branch": "template-update", "target_branch": "main"},
    "text": "description",
    "open": {"iid": 7, "web_url": "https://git.example.com/7"},
    "update": "PUT",
}


class Site(ThreadingHTTPServer):
    """A provider: it serves the repositories in ``folder``, and an API that records each call."""

    folder: Path
    env: dict[str, str]  # variables of git
    calls: list[tuple[str, str, Any]]  # method, path and decoded body
    answers: dict[str, tuple[int, Any]]  # status and body for each method
    url: str


class Handler(BaseHTTPRequestHandler):
    """Git over HTTP below /git/, which needs the token, and the API below /api/."""

    server: Site

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/git/"):
            status, headers, answer = self.git(body)
        else:
            assert self.headers.get_all("Authorization") == [f"Bearer {TOKEN}"]
            self.server.calls.append((self.command, self.path, json.loads(body or "null")))
            status, answer = self.server.answers[self.command]
            headers, answer = [], json.dumps(answer).encode()
        self.send_response(status)
        for header in [*headers, ("Content-Length", str(len(answer)))]:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 -- names of http.server

    def git(self, body):
        if self.headers.get_all("Authorization") != [BASIC]:
            return 401, [("WWW-Authenticate", "Basic")], b""
        url = urlsplit(self.path)
        env = {
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "t",
            "PATH_INFO": url.path.removeprefix("/git"),
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        command = ["git", "http-backend"]
        output = subprocess.run(command, input=body, env=self.server.env | env, capture_output=True)
        head, _, answer = output.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return int(headers.pop("Status", "200")[:3]), headers.items(), answer

    def log_message(self, *args):
        pass


@pytest.fixture
def site(tmp_path, environment):
    """Yield a server whose API lists no open request and answers with one that it made."""
    with Site(("127.0.0.1", 0), Handler) as server:
        server.folder, server.env, server.calls = tmp_path / "git", environment, []
        made = {**GITHUB["open"], **GITLAB["open"]}
        server.answers = {"GET": (200, []), **dict.fromkeys(("POST", "PUT", "PATCH"), (200, made))}
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def origin(site, environment):
    """Return the bare repository that the server serves."""
    site.folder.mkdir()
    Project(site.folder, environment).run("git", "init", "--quiet", "--bare", "service.git")
    return Project(site.folder / "service.git", environment)


def variables(api: dict[str, Any], site: Site) -> dict[str, str]:
    """Return the variables of a job on the branch main."""
    if api is GITHUB:
        names = {"GITHUB_API_URL": f"{site.url}/api", "GITHUB_REPOSITORY": "team/service"}
        return {**names, "GITHUB_REF_NAME": "main", "GITHUB_TOKEN": TOKEN}
    names = {"CI_API_V4_URL": f"{site.url}/api", "CI_PROJECT_ID": "team/service"}
    return {**names, "CI_COMMIT_BRANCH": "main", "TEMPLATE_UPDATE_TOKEN": TOKEN}
