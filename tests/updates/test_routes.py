"""Whatever made a service, it knows where it comes from: ``update_template`` and plain cruft update it."""

import functools
import http.server
import json
import re
import shutil
import sys
import threading

import pytest

from tests.updates.conftest import CURRENT, NEXT, Repository, edit

CRUFT = (sys.executable, "-m", "cruft")
COOKIECUTTER = (sys.executable, "-m", "cookiecutter")


@pytest.fixture
def url(template):
    """Return a URL of the template: git clones from a plain web server, too."""
    edit(template.file("common/health.py"), '"""', '"""A word of a release.\n\n')
    template.release(NEXT)
    template.run("git", "repack", "-a", "-d", "--quiet")
    (template.path / ".git/objects/info/alternates").unlink()
    template.run("git", "update-server-info")
    (template.path.parent / "template.git").symlink_to(template.path / ".git")
    handler = functools.partial(QuietHandler, directory=str(template.path.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/template.git"
        server.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def run_in(tmp_path, environment):
    """Return a function that runs a command in a new folder and returns the service made there."""

    def run_in(name, *command):
        folder = Repository(tmp_path / name, environment)
        folder.path.mkdir()
        folder.run(*command)
        service = Repository(folder.path / "my-service", environment)
        service.run("git", "init", "--quiet")
        service.commit()
        return service

    return run_in


def test_cookiecutter_and_cruft_write_equal_bytes(url, run_in):
    answers = {"description": "Büro <&> 'x' \\ \"y\"", "example_app": False}
    extra = [f"{name}={value}" for name, value in answers.items()]
    one = run_in("one", *COOKIECUTTER, url, "--no-input", "--checkout", CURRENT, *extra)
    two = run_in(
        "two", *CRUFT, "create", url, "--no-input", "--checkout", CURRENT,
        "--extra-context", json.dumps(answers),
    )  # fmt: skip
    assert one.staged() == two.staged()
    record = json.loads((one.path / ".cruft.json").read_text())
    assert record["template"] == url
    assert record["context"]["cookiecutter"]["description"] == answers["description"]


def test_plain_cruft_checks_compares_and_updates_a_bake_of_cookiecutter(url, run_in):
    service = run_in("one", *COOKIECUTTER, url, "--no-input", "--checkout", CURRENT)
    assert "out of date" in service.run(*CRUFT, "check", status=1)
    assert "diff --git" not in service.run(*CRUFT, "diff", "--exit-code")
    service.run(*CRUFT, "update", "--skip-apply-ask")
    assert "A word of a release." in (service.path / "common/health.py").read_text()
    assert "SUCCESS" in service.run(*CRUFT, "check")
    service.commit()
    assert "diff --git" not in service.run(*CRUFT, "diff", "--exit-code")


LONG = [pytest.param(route, marks=pytest.mark.long) for route in ("cruft", "cookiecutter")]


@pytest.mark.parametrize("route", ["checkout", *LONG])
def test_update_template_updates_what_each_route_made(
    url, run_in, tmp_path, route, environment_for
):
    checkout = tmp_path / "checkout"
    in_checkout = f"""set -e
git clone --quiet {url} {checkout}
cd {checkout}
git checkout --quiet {CURRENT}
{" ".join(COOKIECUTTER)} . --no-input --output-dir {tmp_path / "service"}
"""
    commands = {
        "cookiecutter": [*COOKIECUTTER, url, "--no-input", "--checkout", CURRENT],
        "cruft": [*CRUFT, "create", url, "--no-input", "--checkout", CURRENT],
        "checkout": ["bash", "-c", in_checkout],
    }
    made = run_in("service", *commands[route])
    service = Repository(made.path, environment_for(made.path))
    service.run("uv", "lock")
    service.commit()
    output = service.manage("update_template", "--check", status=1, UV_OFFLINE="0")
    assert f"at {CURRENT} of the template. {NEXT} is newer" in output
    output = service.manage("update_template", UV_OFFLINE="0")
    assert f"# From {CURRENT} to {NEXT} of the template" in output
    assert "- Do what the release asks for." in output
    assert "A word of a release." in (service.path / "common/health.py").read_text()
    service.commit()
    assert "There is nothing newer." in service.manage("update_template", "--check", UV_OFFLINE="0")
    assert "SUCCESS" in service.run(*CRUFT, "check")
    record = (service.path / ".cruft.json").read_text()
    assert str(tmp_path) not in record
    assert json.loads(record)["checkout"] == NEXT


def test_a_template_without_a_url_is_recorded_without_its_path(template, run_in, environment_for):
    made = run_in("one", *COOKIECUTTER, str(template.path), "--no-input")
    assert str(template.path.parent) not in (made.path / ".cruft.json").read_text()
    service = Repository(made.path, environment_for(made.path))
    service.run("uv", "lock")
    service.commit()
    output = service.manage("update_template", status=1)
    assert output == ".cruft.json does not say where the template is. Add --template URL.\n"
    output = service.manage("update_template", "--template", str(template.path), UV_OFFLINE="0")
    assert "There is nothing newer." in output


@pytest.mark.parametrize(
    ("origin", "recorded"),
    [
        ("https://name:secret@example.com/t.git", "https://example.com/t.git"),
        ("https://secret@example.com/t.git", "https://example.com/t.git"),
        ("git@example.com:team/t.git", "git@example.com:team/t.git"),
        ("ssh://git@example.com:22/t.git", "ssh://git@example.com:22/t.git"),
        ("ssh://git:secret@example.com/t.git", ""),
        ("file:///srv/t.git", ""),
        ("/srv/t.git", ""),
        ("../t.git", ""),
        ('https://example.com/"{{ 1 }}', ""),
    ],
)
def test_the_url_of_the_template_is_recorded_without_secrets(template, run_in, origin, recorded):
    template.run("git", "remote", "set-url", "origin", origin)
    service = run_in("one", *COOKIECUTTER, str(template.path), "--no-input")
    text = (service.path / ".cruft.json").read_text()
    assert json.loads(text)["template"] == recorded
    assert "secret" not in text


def test_without_git_the_release_is_recorded(template, run_in):
    version = json.loads((template.path / "cookiecutter.json").read_text())["_version"]
    shutil.rmtree(template.path / ".git")
    service = run_in("one", *COOKIECUTTER, str(template.path), "--no-input")
    assert json.loads((service.path / ".cruft.json").read_text())["commit"] == f"v{version}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
