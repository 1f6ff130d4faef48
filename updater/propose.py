"""Propose an update of the template: open a pull request (GitHub) or merge request (GitLab).

``propose`` runs in a CI job of the service, after the update has changed the working tree. It reads
the variables that GitHub and GitLab set. If a request is open already, it gets the new text.
"""

import base64
import http.client
import json
import os
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

BRANCH = "template-update"
EMAIL = "update@template.invalid"
AUTHOR = {f"GIT_{role}_NAME": "Template update" for role in ("AUTHOR", "COMMITTER")}
AUTHOR |= {f"GIT_{role}_EMAIL": EMAIL for role in ("AUTHOR", "COMMITTER")}
SECONDS = 30  # for each request
# What to do about an error, by a part of its message.
HINTS = {
    "not permitted to create": "In the repository, allow it at Settings > Actions > General >"
    ' "Allow GitHub Actions to create and approve pull requests".',
    "refusing to allow": "Save a token with the permissions contents, pull requests and workflows"
    " as the secret TEMPLATE_UPDATE_TOKEN.",
    "insufficient_scope": "Give TEMPLATE_UPDATE_TOKEN the scopes api and write_repository.",
}


@dataclass(frozen=True)
class Provider:
    """What differs between GitHub and GitLab."""

    token: str
    base: str  # branch that the job runs on
    requests: str  # URL of all requests of the repository
    state: str  # of open requests
    branches: dict[str, str]  # fields: from our branch to the base
    method: str  # HTTP method that updates a request
    text: str  # names of fields
    number: str
    url: str


def variable(name: str, remedy: str = "Run update_template --propose in a job of CI.") -> str:
    # Without white space: the error message of http.client shows a header with a line break.
    if value := "".join(os.environ.get(name, "").split()):
        return value
    raise SystemExit(f"The variable {name} is not set. {remedy}")


def github() -> Provider:
    api, repository = variable("GITHUB_API_URL"), variable("GITHUB_REPOSITORY")
    base = variable("GITHUB_REF_NAME")
    token = variable("GITHUB_TOKEN", "Set it in the step: env: GITHUB_TOKEN: ${{ github.token }}")
    branches = {"head": f"{repository.partition('/')[0]}:{BRANCH}", "base": base}
    requests = f"{api}/repos/{repository}/pulls"
    names = {"text": "body", "number": "number", "url": "html_url"}
    return Provider(token, base, requests, "open", branches, "PATCH", **names)


def gitlab() -> Provider:
    api, project = variable("CI_API_V4_URL"), quote(variable("CI_PROJECT_ID"), safe="")
    base = variable("CI_COMMIT_BRANCH", "Run the job in the pipeline of a branch.")
    remedy = "Save a project access token with the scopes api and write_repository in it."
    token = variable("TEMPLATE_UPDATE_TOKEN", remedy)
    branches = {"source_branch": BRANCH, "target_branch": base}
    names = {"text": "description", "number": "iid", "url": "web_url"}
    requests = f"{api}/projects/{project}/merge_requests"
    return Provider(token, base, requests, "opened", branches, "PUT", **names)


def ci_provider() -> Provider:
    """Return the provider whose job this is. Raise ``SystemExit`` if there is none."""
    provider = gitlab() if "CI_API_V4_URL" in os.environ else github()
    if provider.base == BRANCH:
        raise SystemExit(f"The job runs on {BRANCH!r} and would overwrite it: run it on another.")
    return provider


def failure(action: str, message: str) -> SystemExit:
    """Return the error for a failed ``action``: one line, with what to do if that is known."""
    line = " ".join(message.split())
    hint = next((hint for part, hint in HINTS.items() if part in line), "")
    return SystemExit(f"{action} failed: {line[:500]} {hint}".rstrip())


def call(provider: Provider, method: str, url: str, data: dict[str, str] | None = None) -> Any:
    """Send a request to the API and return the decoded response."""
    body = json.dumps(data).encode() if data else None
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    # Unredirected, because another host must not get the token.
    request.add_unredirected_header("Authorization", f"Bearer {provider.token}")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        raise failure(f"{method} {url}", f"{error.code} {text}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise failure(f"{method} {url}", f"{type(error).__name__}: {error}") from None


def git(service: Path, *command: str, **env: str) -> str:
    line, env = ["git", *command], os.environ | env
    result = subprocess.run(line, cwd=service, env=env, capture_output=True, text=True)
    if result.returncode:
        raise failure(" ".join(line), result.stdout + result.stderr)
    return result.stdout.strip()


def push(service: Path, token: str, open_request: str) -> None:
    """Push HEAD to our branch of origin, unless the open request has a commit of somebody else."""
    url = urlsplit(git(service, "remote", "get-url", "--push", "origin"))
    if url.scheme in {"http", "https"}:  # GitLab writes a token that cannot push into the URL.
        url = url._replace(netloc=url.netloc.rpartition("@")[2])
    origin = url.geturl()
    # Only the environment of git contains the token. The empty value removes the header of the
    # checkout, because GitHub rejects requests with two.
    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    env = {"GIT_CONFIG_COUNT": str(count + 2), "GIT_TERMINAL_PROMPT": "0"}
    for number, value in enumerate(["", f"Authorization: Basic {secret}"], start=count):
        env[f"GIT_CONFIG_KEY_{number}"] = f"http.{origin}.extraHeader"
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    if open_request:
        git(service, "fetch", "--quiet", origin, BRANCH, **env)
        if git(service, "log", "-1", "--format=%ce", "FETCH_HEAD") != EMAIL:
            message = f"The branch {BRANCH!r} has commits that a new update would overwrite."
            raise SystemExit(f"{message} First merge or close {open_request}")
    git(service, "push", "--quiet", "--force", origin, f"HEAD:refs/heads/{BRANCH}", **env)


def propose(service: Path, title: str, body: str) -> str:
    """Commit all files, push the commit, open or update the request, and return its URL.

    Raise ``SystemExit`` with one line if a variable is missing or git or the API fails.
    """
    provider = ci_provider()
    # Add first, because git refuses to switch branches while the index has conflicts.
    git(service, "add", "--all")
    git(service, "checkout", "--quiet", "-B", BRANCH)
    git(service, "commit", "--quiet", "--no-verify", "--message", title, **AUTHOR)
    query = urlencode({"state": provider.state, **provider.branches})
    found = call(provider, "GET", f"{provider.requests}?{query}")
    push(service, provider.token, found[0][provider.url] if found else "")
    fields = {"title": title, provider.text: body[:65_000]}  # GitHub rejects more than 65,536.
    if found:
        url = f"{provider.requests}/{found[0][provider.number]}"
        return str(call(provider, provider.method, url, fields)[provider.url])
    return str(call(provider, "POST", provider.requests, fields | provider.branches)[provider.url])
