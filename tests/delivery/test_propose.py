"""An update of the template reaches GitHub and GitLab: a branch over real git, a request over a recording API."""

import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.harness.project import COMMIT, TEMPLATE, Project
from tests.harness.provider import BASIC, GITHUB, GITLAB, TOKEN, variables

PROPOSE = """\
from pathlib import Path
from propose import propose
print(propose(Path.cwd(), "Update the template to 1.1.0", "Ünchanged\\n" * {times}))
"""


@pytest.fixture
def service(origin, site, tmp_path, environment):
    """Return a clone on main with a conflict in its index, whose remote cannot push by itself."""
    service = Project(tmp_path / "service", environment)
    service.path.mkdir()
    service.run("git", "init", "--quiet", "--initial-branch=main")
    (service.path / "urls.py").write_text("first\n")
    service.run("git", "add", "--all")
    service.run(*COMMIT, "--message=first")
    service.run("git", "push", "--quiet", str(origin.path), "main")
    for branch in ("theirs", "main"):
        service.run("git", "checkout", "--quiet", "-B", branch, "main")
        (service.path / "urls.py").write_text(f"{branch}\n")
        service.run(*COMMIT, "--all", f"--message={branch}")
    service.run(*COMMIT[:-2], "merge", "--squash", "theirs", status=1)
    assert "UU urls.py" in service.run("git", "status", "--porcelain")
    url = site.url.replace("//", "//gitlab-ci-token:read-only@") + "/git/service.git"
    service.run("git", "remote", "add", "origin", url)
    service.run("git", "config", f"http.{site.url}/.extraHeader", "Authorization: basic old")
    hook = service.path / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    return service


@pytest.fixture(params=[GITHUB, GITLAB], ids=["github", "gitlab"])
def api(request):
    return request.param


@pytest.fixture
def propose(service, site, api):
    """Return a function that proposes in a job of the provider and returns the output."""
    foreign = ("GITHUB_", "CI_", "TEMPLATE_")
    env = {name: value for name, value in service.env.items() if not name.startswith(foreign)}

    def propose(status=0, times=1, **changed):
        job = {**variables(api, site), **changed, "PYTHONPATH": str(TEMPLATE / "updater")}
        command = [sys.executable, "-c", PROPOSE.format(times=times)]
        output = Project(service.path, env | job).run(*command, status=status)
        for secret in (TOKEN, BASIC.split()[1], "read-only"):
            assert secret not in output
        assert output.count("\n") == 1, output
        return output.strip()

    return propose


def test_a_first_update_opens_a_request_with_all_changes(propose, service, origin, site, api):
    (service.path / "new.py.rej").touch()
    assert propose() == "https://git.example.com/7"
    (get, listed, _), opened = site.calls
    assert (get, urlsplit(listed).path) == ("GET", api["path"])
    assert parse_qs(urlsplit(listed).query) == api["query"]
    text = {"title": "Update the template to 1.1.0", api["text"]: "Ünchanged\n"}
    assert opened == ("POST", api["path"], text | api["new"])
    assert "<<<<<<<" in origin.run("git", "show", "template-update:urls.py")
    assert origin.run("git", "show", "template-update:new.py.rej") == ""
    parent = origin.run("git", "rev-parse", "template-update^")
    assert parent == service.run("git", "rev-parse", "main")


def test_the_token_stays_out_of_the_repository(propose, service, origin):
    propose()
    pushed = origin.run("git", "show", "--format=raw", "template-update")
    for text in (pushed, (service.path / ".git/config").read_text()):
        assert TOKEN not in text
        assert BASIC.split()[1] not in text


def test_a_later_update_replaces_the_branch_and_the_text_of_the_open_request(
    propose, service, origin, site, api
):
    propose()
    site.answers["GET"] = (200, [api["open"]])
    service.run("git", "checkout", "--quiet", "main")
    (service.path / "urls.py").write_text("later\n")
    assert propose() == "https://git.example.com/7"
    text = {"title": "Update the template to 1.1.0", api["text"]: "Ünchanged\n"}
    assert site.calls[-1] == (api["update"], f"{api['path']}/7", text)
    assert origin.run("git", "show", "template-update:urls.py") == "later\n"


def test_a_commit_of_the_team_on_the_branch_of_an_open_request_is_not_overwritten(
    propose, service, origin, site, api
):
    service.run("git", "push", "--quiet", str(origin.path), "theirs:template-update")
    site.answers["GET"] = (200, [api["open"]])
    assert "First merge or close https://git.example.com/7" in propose(1)
    assert origin.run("git", "show", "template-update:urls.py") == "theirs\n"


def test_the_branch_of_a_closed_request_is_overwritten(propose, service, origin):
    service.run("git", "push", "--quiet", str(origin.path), "theirs:template-update")
    propose()
    assert "<<<<<<<" in origin.run("git", "show", "template-update:urls.py")


def test_a_long_text_is_cut_to_what_github_accepts(propose, site, api):
    propose(times=20_000)
    assert 60_000 < len(site.calls[-1][2][api["text"]]) < 65_536


def test_each_missing_variable_is_named_and_nothing_is_committed(propose, service, site, api):
    before = service.run("git", "status", "--porcelain")
    for name in variables(api, site):
        assert propose(1, **{name: " "}).startswith(f"The variable {name} is not set. ")
    assert service.run("git", "status", "--porcelain") == before
    assert not site.calls


def test_a_job_on_the_branch_of_updates_is_refused(propose, service):
    names = dict.fromkeys(("GITHUB_REF_NAME", "CI_COMMIT_BRANCH"), "template-update")
    assert propose(1, **names).startswith("The job runs on 'template-update'")
    assert service.run("git", "branch", "--show-current") == "main\n"


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (403, {"message": "GitHub Actions is not permitted to create or approve pull requests."},
         '"Allow GitHub Actions to create and approve pull requests"'),
        (403, {"error": "insufficient_scope"}, "the scopes api and write_repository"),
        (422, {"message": "Validation Failed", "errors": [{"message": "No commits"}]}, "No commits"),
    ],
)  # fmt: skip
def test_an_error_of_the_api_is_one_line_with_its_status(
    propose, site, api, status, answer, expected
):
    site.answers["POST"] = (status, answer)
    output = propose(1)
    assert output.startswith(f"POST {site.url}{api['path']} failed: {status} ")
    assert expected in output


def test_a_server_that_does_not_respond_is_one_line(propose, api):
    name = "GITHUB_API_URL" if api is GITHUB else "CI_API_V4_URL"
    assert "Connection refused" in propose(1, **{name: "http://127.0.0.1:9"})


def test_a_push_that_git_rejects_names_the_token_that_may_push(propose, origin, site):
    hook = origin.path / "hooks/pre-receive"
    hook.write_text(
        "#!/bin/sh\necho refusing to allow a GitHub App to update workflow ci.yml >&2\nexit 1\n"
    )
    hook.chmod(0o755)
    output = propose(1)
    assert output.startswith("git push ")
    assert output.endswith("as the secret TEMPLATE_UPDATE_TOKEN.")
    assert [method for method, _, _ in site.calls] == ["GET"]
