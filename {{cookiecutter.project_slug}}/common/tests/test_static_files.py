"""Hashed URLs come from the manifest in the project root, wherever the files are."""

import shutil

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.template import engines

BACKEND = {"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"}
# Django hashes a.css, then b.css with the hash of i.svg in it, then a.css again with that of b.css.
SOURCES = {"a.css": "@import 'b.css';", "b.css": "i { mask: url('i.svg') }", "i.svg": "<svg/>"}


@pytest.fixture
def site(settings, tmp_path):
    (tmp_path / "source").mkdir()
    for name, content in SOURCES.items():
        (tmp_path / "source" / name).write_text(content)
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "staticfiles"
    settings.STATICFILES_MANIFEST_ROOT = tmp_path / "release"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": BACKEND}
    return tmp_path


def render_url(settings, name="a.css"):
    settings.STORAGES = {**settings.STORAGES}  # Read the manifest anew, as a new process does.
    template = engines["django"].from_string("{% load static %}{% static name %}")
    return template.render({"name": name})


def test_urls_are_hashed_even_without_static_root(site, settings):
    call_command("collectstatic", interactive=False, verbosity=0)
    assert [path.name for path in (site / "release").iterdir()] == ["staticfiles.json"]
    assert not list(settings.STATIC_ROOT.glob("*.json*"))
    shutil.rmtree(settings.STATIC_ROOT)
    assert render_url(settings) == "/static/a.f410ae394bef.css"
    assert run_checks(tags=["staticfiles"], include_deployment_checks=True) == []


def test_files_of_another_release_stay_and_intermediate_files_do_not(site, settings):
    image = settings.STATIC_ROOT / "i.677433a0892a.svg"
    image.parent.mkdir()
    image.write_text("of another release")
    call_command("collectstatic", interactive=False, verbosity=0)
    hashed = {path.name for path in settings.STATIC_ROOT.iterdir()} - SOURCES.keys()
    assert hashed == {render_url(settings, name).removeprefix("/static/") for name in SOURCES}
    assert image.read_text() == "of another release"


def test_missing_manifest_raises_a_clear_error_and_fails_the_deploy_check(site, settings):
    with pytest.raises(ImproperlyConfigured, match="is missing: run collectstatic"):
        render_url(settings)
    [error] = run_checks(tags=["staticfiles"], include_deployment_checks=True)
    assert error.id == "common.E002"
