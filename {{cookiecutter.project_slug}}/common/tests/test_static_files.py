"""Hashed URLs come from the manifest in the project root, wherever the files are."""

import shutil

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.templatetags.static import static

BACKEND = {"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"}
# Django hashes a.css, then b.css with the hash of i.svg in it, then a.css again with that of b.css.
SOURCES = {"a.css": "@import 'b.css';", "b.css": "i { mask: url('i.svg') }", "i.svg": "<svg/>"}


@pytest.fixture
def site(settings, tmp_path, tmp_path_factory):
    settings.STATICFILES_DIRS = [source := tmp_path_factory.mktemp("source")]
    for name, content in SOURCES.items():
        (source / name).write_text(content)
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "staticfiles"
    settings.STATICFILES_MANIFEST_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": BACKEND}
    return tmp_path


def render_url(settings, name):
    settings.STORAGES = {**settings.STORAGES}  # Read the manifest anew, as a new process does.
    return static(name)  # what the tag of templates calls


def test_urls_are_hashed_even_without_static_root(site, settings):
    call_command("collectstatic", interactive=False, verbosity=0)
    files = {path.name for path in settings.STATIC_ROOT.iterdir()}
    shutil.rmtree(settings.STATIC_ROOT)
    urls = {render_url(settings, name) for name in SOURCES}
    assert "/static/i.677433a0892a.svg" in urls
    # The manifest is in the project root, and the intermediate files are deleted.
    assert files == {*SOURCES} | {url.removeprefix("/static/") for url in urls}
    assert run_checks(tags=["staticfiles"], include_deployment_checks=True) == []


@pytest.mark.parametrize(("content", "problem"), [(None, "is missing"), ("[]", "cannot be read")])
def test_unusable_manifest_raises_a_clear_error(site, settings, content, problem):
    if content:
        (site / "staticfiles.json").write_text(content)
    with pytest.raises(ImproperlyConfigured, match=f"{problem}.*: run collectstatic"):
        render_url(settings, "i.svg")
    [error] = run_checks(tags=["staticfiles"], include_deployment_checks=True)
    assert error.id == "common.E002"
