"""A release reaches services that a team has changed, in the clone of the last update and in any other."""

import shutil

import pytest

from tests.updates.conftest import BEFORE, CURRENT, LAST, NEXT, edit, is_lived, live, proven


def long(value):
    return pytest.param(value, marks=pytest.mark.long)


def two_releases(template):
    """Make two releases that change files which ``live`` changes, at other places."""
    edit(template.file("README.md"), "## Run it\n", "## Run it\n\nA sentence of a release.\n")
    edit(
        template.file("config/settings/base.py"), "USE_TZ = True\n", "USE_TZ = True\nFIRST = True\n"
    )
    edit(template.file("common/health.py"), '"""', '"""A word of a release.\n\n')
    edit(template.file("apps/shop/views.py"), '"""', '"""A word of a release. ')
    template.file("apps/shop/more.py").write_text("")
    template.release(NEXT)
    edit(
        template.file("config/settings/base.py"), "FIRST = True\n", "FIRST = True\nSECOND = True\n"
    )
    edit(template.file("pyproject.toml"), '"gunicorn>=27,<28"', '"gunicorn>=27,<28",\n  "tzdata"')
    template.release(LAST)


@pytest.mark.parametrize("steps", [long([LAST]), [NEXT, LAST]], ids=["one-step", "two-steps"])
def test_a_lived_service_gets_a_release_in_each_clone(template, make, update, production, steps):
    service = make()
    live(service)
    two_releases(template)
    clones = [service, service.clone()]
    for step in steps:
        for clone in clones:
            output = update(clone, "--to", step)
            assert "`common/health.py`: edited here" in output
            if step == steps[0]:
                assert "`apps/shop/` is deleted here: left out" in output
            assert is_lived(clone)
            clone.commit(step)
        assert clones[0].staged() == clones[1].staged()
        clones[1] = clones[1].clone()
    settings = (clone.path / "config/settings/base.py").read_text()
    assert "FIRST = True\nSECOND = True\n" in settings
    assert "A sentence of a release." in (clone.path / "README.md").read_text()
    if len(steps) == 2:
        proven(clone, production({}))


@pytest.mark.parametrize("origin", BEFORE)
@pytest.mark.parametrize("steps", [[LAST], long([CURRENT, LAST])], ids=["one-step", "two-steps"])
def test_a_service_of_an_early_template_names_each_conflict(template, make, update, origin, steps):
    service = make(origin)
    live(service)
    two_releases(template)
    for step in steps:
        clones = [service, service.clone()]
        outputs = [update(clone, "--to", step, status=1) for clone in clones]
        assert outputs[0] == outputs[1]
        assert clones[0].run("git", "diff", "HEAD") == clones[1].run("git", "diff", "HEAD")
        assert service.unmerged()
        assert is_lived(service)
        service.resolve()
        shutil.rmtree(clones[1].path)
