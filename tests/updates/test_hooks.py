"""The hooks of a service reject what an update left to resolve, whichever program updated it."""

import json
import re
import sys

import pytest

from tests.updates.conftest import LAST, NEXT, edit


@pytest.fixture
def service(template, make):
    """Return a service whose README conflicts with the second of two releases."""
    service = make()
    edit(service.path / "README.md", "## Test it\n", "## Test the service\n")
    service.run("uv", "lock")
    service.commit()
    edit(template.file("README.md"), "## Run it\n", "## Run it\n\nA sentence of a release.\n")
    template.release(NEXT)
    edit(template.file("README.md"), "## Test it\n", "## Try it\n")
    template.release(LAST)
    return service


def hooks(service):
    """Return what the hooks print for all files. They must fail."""
    service.run("git", "add", "--all")
    return service.uv("pre-commit", "run", "--all-files", status=1, SKIP="mypy,migrations")


def test_the_conflicts_of_update_template_are_rejected(service, update):
    update(service, status=1)
    output = hooks(service)
    assert re.search(r"README\.md:\d+: Merge conflict string '<<<<<<<' found", output)
    assert output.count("Failed\n") == 1


@pytest.mark.long
def test_the_rejects_of_cruft_are_rejected_and_kept(template, service, update):
    """``cruft update`` needs the blobs of the last rendering, which only the clone of that update has."""
    update(service, "--to", NEXT)
    record = service.path / ".cruft.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"template": str(template.path)}))
    service.commit()
    clone = service.clone()
    clone.run(sys.executable, "-m", "cruft", "update", "--skip-apply-ask", "--checkout", LAST)
    rejects = clone.path / "README.md.rej"
    text = rejects.read_text()
    output = hooks(clone)
    assert "README.md.rej" in output
    assert "Make the change of each *.rej file by hand" in output
    assert rejects.read_text() == text

    assert "- `README.md`\n" in update(service.clone(), status=1)
