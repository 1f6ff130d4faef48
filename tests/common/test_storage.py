"""Where the static files go: STATIC_ROOT, which releases may share."""

import os
import shutil
import stat

import pytest
from django.core.exceptions import ImproperlyConfigured

from common_tests.static_site import (
    CHAIN,
    FINAL_NAMES,
    HASHED_NAME,
    HASHED_URL,
    INTERMEDIATE,
    LOCAL,
    LOCAL_BACKENDS,
    Site,
    names,
)


@pytest.fixture(params=LOCAL_BACKENDS)
def site(request, settings, tmp_path):
    return Site(settings, tmp_path, request.param)


def touch_sources(site):
    """Make the sources newer than what was collected, so that collectstatic copies them again."""
    for path in site.source.iterdir():
        os.utime(path, (2e9, 2e9))


def test_urls_are_hashed_after_static_root_is_deleted(site):
    site.collect()
    shutil.rmtree(site.static_root)
    assert site.url() == HASHED_URL


def test_intermediate_file_of_this_run_is_deleted(site):
    site.write(CHAIN)
    site.collect()
    assert INTERMEDIATE not in site.collected()
    uncompressed = [name for name in site.collected() if not name.endswith(".gz")]
    assert sorted(uncompressed) == sorted([*CHAIN, "app.css", *FINAL_NAMES])


def test_intermediate_file_that_was_there_before_stays(site):
    site.write(CHAIN)
    site.static_root.mkdir()
    (site.static_root / INTERMEDIATE).write_text("of another release")
    site.collect()
    assert site.collected()[INTERMEDIATE] == b"of another release"
    assert site.collected().keys() >= {*FINAL_NAMES}


def test_second_run_keeps_and_adds_nothing_else(site):
    site.write(CHAIN)
    site.collect()
    before = site.collected()
    touch_sources(site)
    site.collect()
    assert site.collected() == before


def test_files_of_an_earlier_release_stay(site):
    site.write(CHAIN)
    site.collect()
    first = site.collected()
    site.write(dict.fromkeys(CHAIN, "/* of the next release */") | {"app.css": "a { color: blue }"})
    touch_sources(site)
    site.collect()
    for name in FINAL_NAMES:
        assert site.collected()[name] == first[name]


def test_hashed_files_are_never_missing_or_cut_short_while_they_are_collected_again(
    site, monkeypatch
):
    site.write(CHAIN)
    site.collect()
    originals = {"app.css", *CHAIN}
    hashed = [path for path in site.static_root.iterdir() if path.name not in originals]
    before = {path: path.read_bytes() for path in hashed}
    steps = []

    def check_files_after(function):
        def step(*args, **kwargs):
            function(*args, **kwargs)
            assert {path: path.read_bytes() for path in hashed} == before
            steps.append(function)

        return step

    for function in ("remove", "rename", "replace", "unlink"):
        monkeypatch.setattr(os, function, check_files_after(getattr(os, function)))
    touch_sources(site)
    site.collect()
    assert steps
    assert {path: path.read_bytes() for path in hashed} == before


def test_hashed_file_that_is_there_is_not_written_again(site):
    site.collect()
    before = (site.static_root / HASHED_NAME).stat()
    touch_sources(site)
    site.collect()
    after = (site.static_root / HASHED_NAME).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_write_that_fails_leaves_the_hashed_files_and_no_part_of_a_file(site, monkeypatch):
    site.collect()
    before = site.collected()

    def fail(source, target):
        raise OSError("disk full")

    site.write({"new.css": "a {}"})
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        site.collect()
    assert site.collected() == before


def test_files_are_readable_under_file_upload_permissions(site, settings):
    settings.FILE_UPLOAD_PERMISSIONS = 0o640
    site.collect()
    for name in ("app.css", HASHED_NAME):
        assert stat.S_IMODE((site.static_root / name).stat().st_mode) == 0o640


def test_clear_does_not_remove_the_manifest(site):
    site.collect()
    (site.static_root / "old.css").touch()
    before = site.manifest.read_bytes()
    site.collect(clear=True, post_process=False)
    assert site.manifest.read_bytes() == before
    assert names(site.static_root) == ["app.css"]


def test_dry_run_writes_nothing(site):
    site.collect(dry_run=True)
    assert names(site.root) == ["static"]


@pytest.mark.parametrize("static_root", ["", ".."])
def test_static_root_that_would_hold_the_manifest_is_refused(site, settings, static_root):
    settings.STATIC_ROOT = site.root / static_root
    message = r"project/staticfiles\.json' would be in STATIC_ROOT"
    with pytest.raises(ImproperlyConfigured, match=message):
        site.collect(clear=True)
    assert (site.source / "app.css").is_file()
    [error] = site.errors()
    assert (error.id, "would be in STATIC_ROOT" in error.msg) == ("common.E002", True)


def test_static_root_may_be_unset_at_run_time(site, settings):
    site.collect()
    settings.STATIC_ROOT = None
    assert site.url() == HASHED_URL


def test_run_time_writes_nothing_in_the_project_root(site):
    def files():
        return {path: path.stat().st_mtime_ns for path in [site.root, *site.root.rglob("*")]}

    site.collect()
    before = files()
    assert site.url() == HASHED_URL
    assert site.errors() == []
    assert files() == before


def test_debug_needs_no_manifest(site, settings):
    settings.DEBUG = True
    assert site.url() == "/static/app.css"


def test_name_missing_from_a_good_manifest_raises_the_error_of_django(site):
    site.collect()
    with pytest.raises(ValueError, match=r"Missing staticfiles manifest entry for 'other\.css'"):
        site.url("other.css")


def test_manifest_of_the_stock_storage_in_static_root_is_ignored(site):
    site.use("django.contrib.staticfiles.storage.ManifestStaticFilesStorage")
    site.collect()
    assert (site.static_root / "staticfiles.json").is_file()
    site.use(LOCAL)
    with pytest.raises(ImproperlyConfigured, match="is missing"):
        site.url()
