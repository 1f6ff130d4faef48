"""The weekly job of CI proposes a release: its request says what to do, what is left, and whether tests pass."""

import pytest

from tests.harness.provider import GITHUB, GITLAB, variables
from tests.updates.conftest import NEXT, edit


@pytest.mark.parametrize("api", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_a_release_is_proposed_with_its_changelog_conflicts_and_tests(
    template, make, update, site, origin, api
):
    service = make()
    edit(service.path / "README.md", "## Run it\n", "## Start it\n")
    service.run("uv", "lock")
    service.commit()
    service.run("git", "branch", "--move", "main")
    service.run("git", "push", "--quiet", str(origin.path), "main")
    service.run("git", "remote", "add", "origin", f"{site.url}/git/service.git")
    edit(template.file("README.md"), "## Run it\n", "## Run the service\n")
    template.release(NEXT)

    output = update(service, "--propose", status=1, **variables(api, site))

    assert output.endswith("https://git.example.com/7\n")
    text = site.calls[-1][2][api["text"]]
    assert "## Left to resolve\n\n- `README.md`\n" in text
    assert "## To do for 99.1.0 – 2026-11-26\n\n- Do what the release asks for.\n" in text
    assert text.endswith("## Tests\n\n- passed\n")
    pushed = origin.run("git", "show", "--name-only", "--format=%s", "template-update").split("\n")
    assert pushed == [f"Update the template to {NEXT}", "", ".cruft.json", "README.md", ""]
