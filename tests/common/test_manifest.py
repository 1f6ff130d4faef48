import errno
import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import CommandError

from common.static_files.manifest import RootManifestStaticFilesStorage
from common.testing import SimpleTestCase
from common_tests.test_storage import HASHED, LOCAL, WHITENOISE, Site

CORRUPT = {
    "empty": b"",
    "merge markers": b'<<<<<<< HEAD\n{"version": "1.1", "paths": {}}\n=======\n',
    "list": b"[]",
    "no version": b"{}",
    "other version": b'{"version": "9.9", "paths": {}}',
    "paths are a list": b'{"version": "1.1", "paths": []}',
    "a path is a number": b'{"version": "1.1", "paths": {"app.css": 1}}',
    "cut short": b'{"version": "1.1", "paths": {"app.css": "app',
    "not UTF-8": b'{"version": "1.1", "paths": {"\xff": "a"}}',
}


@pytest.fixture
def site(settings, tmp_path):
    return Site(settings, tmp_path, LOCAL)


@pytest.fixture
def often_switched_threads():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)  # seconds
    yield
    sys.setswitchinterval(interval)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_error(site, what):
    with pytest.raises(ImproperlyConfigured) as caught:
        site.url()
    assert not isinstance(caught.value, ValueError)  # which WhiteNoise would swallow
    assert f"'{site.manifest}' {what}" in str(caught.value)
    assert str(caught.value).endswith(": run collectstatic.")


def test_missing_manifest_is_one_clear_error(site):
    assert_error(site, "is missing")


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_corrupt_manifest_is_one_clear_error_and_collectstatic_replaces_it(site, content):
    site.manifest.write_bytes(content)
    assert_error(site, "cannot be read")
    site.collect()
    assert site.url() == HASHED


def test_unreadable_manifest_is_one_clear_error_and_collectstatic_replaces_it(site):
    site.manifest.symlink_to(site.manifest)  # a loop: not even root reads it
    assert_error(site, "cannot be read")
    site.collect()
    assert site.url() == HASHED


def test_empty_folder_of_that_name_is_replaced(site):
    site.manifest.mkdir()
    assert_error(site, "cannot be read")
    site.collect()
    assert site.url() == HASHED


@pytest.mark.parametrize("backend", [LOCAL, WHITENOISE])
def test_folder_with_content_is_kept_and_fails_after_assets_are_collected(site, backend):
    site.use(backend)
    site.manifest.mkdir()
    (site.manifest / "precious").touch()
    with pytest.raises(IsADirectoryError, match=f"'{site.manifest}' is a folder") as caught:
        site.collect()
    assert "Move it away" in str(caught.value)
    assert names(site.manifest) == ["precious"]
    assert (site.static_root / os.path.basename(HASHED)).is_file()
    assert names(site.root) == ["static", "staticfiles", "staticfiles.json"]


def test_error_is_over_once_collectstatic_has_run_in_the_same_process(site):
    storage = storages["staticfiles"]
    with pytest.raises(ImproperlyConfigured):
        storage.url("app.css")
    list(storage.post_process({"app.css": (FileSystemStorage(site.source), "app.css")}))
    assert storage.url("app.css") == HASHED


def test_manifest_is_what_django_writes(site):
    site.collect()
    manifest = json.loads(site.manifest.read_bytes())
    assert manifest["paths"] == {"app.css": os.path.basename(HASHED)}
    assert manifest["version"] == "1.1"
    assert storages["staticfiles"].manifest_hash == manifest["hash"] != ""


def test_manifest_storage_may_be_given(site, tmp_path):
    folder = tmp_path / "elsewhere"
    site.use(LOCAL, manifest_storage=FileSystemStorage(folder))
    site.collect()
    assert names(folder) == ["staticfiles.json"]
    assert not site.manifest.exists()
    assert site.url() == HASHED


@pytest.mark.parametrize("backend", [LOCAL, WHITENOISE])
def test_collectstatic_that_fails_on_a_reference_leaves_the_old_manifest(site, backend):
    site.use(backend)
    site.collect()
    before = site.manifest.read_bytes()
    (site.source / "bad.css").write_text('a { background: url("missing.png") }')
    with pytest.raises((ValueError, CommandError), match=r"missing\.png"):  # by Django's version
        site.collect()
    assert site.manifest.read_bytes() == before
    assert names(site.root) == ["static", "staticfiles", "staticfiles.json"]
    assert site.url() == HASHED


def test_collectstatic_that_fails_to_compress_leaves_the_old_manifest(site, monkeypatch):
    site.use(WHITENOISE)
    site.collect()
    before = site.manifest.read_bytes()
    (site.source / "app.css").write_text("b {}" * 99)
    monkeypatch.setattr("whitenoise.compress.Compressor.compress", disk_full)
    with pytest.raises(OSError, match="No space left"):
        site.collect()
    assert site.manifest.read_bytes() == before


def disk_full(*args):
    raise OSError(errno.ENOSPC, "No space left")


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_write_that_fails_leaves_the_old_manifest_and_no_stray_file(site, step, monkeypatch):
    site.collect()
    before = site.manifest.read_bytes()
    storage = RootManifestStaticFilesStorage()
    monkeypatch.setattr(os, step, disk_full)
    with pytest.raises(OSError, match="No space left"):
        storage.save_manifest()
    assert site.manifest.read_bytes() == before
    assert names(site.root) == ["static", "staticfiles", "staticfiles.json"]


@pytest.mark.parametrize(("setting", "expected"), [(0o644, 0o644), (0o640, 0o640), (None, 0o664)])
def test_manifest_is_readable_under_file_upload_permissions(site, settings, setting, expected):
    settings.FILE_UPLOAD_PERMISSIONS = setting
    umask = os.umask(0o002)
    try:
        site.collect()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(site.manifest.stat().st_mode) == expected


def test_symlink_is_replaced_and_the_file_behind_it_left_alone(site, tmp_path):
    shared = tmp_path / "shared.json"
    shared.write_text("of another release")
    site.manifest.symlink_to(shared)
    site.collect()
    assert shared.read_text() == "of another release"
    assert not site.manifest.is_symlink()
    assert site.url() == HASHED


def test_symlink_to_a_folder_is_replaced_and_the_folder_left_alone(site, tmp_path):
    site.manifest.symlink_to(tmp_path, target_is_directory=True)
    site.collect()
    assert site.url() == HASHED
    assert names(tmp_path) == ["project"]


def test_readers_never_find_the_manifest_missing_or_cut_short(site, often_switched_threads):
    paths = {f"{number}.css": f"{number}.123.css" for number in range(500)}

    def rewrite(times=20):
        storage = RootManifestStaticFilesStorage()
        for _ in range(times):
            storage.hashed_files = paths
            storage.save_manifest()

    def read_while(writers):
        reads = []
        while not all(writer.done() for writer in writers):
            reads.append(json.loads(site.manifest.read_bytes())["paths"] == paths)
        return reads

    with ThreadPoolExecutor() as pool:
        pool.submit(rewrite, times=1).result()
        writers = [pool.submit(rewrite) for _ in range(2)]  # as two runs of collectstatic would
        reads = pool.submit(read_while, writers).result()
        for writer in writers:
            writer.result()
    assert all(reads)
    assert len(reads) > 1
    assert names(site.root) == ["static", "staticfiles.json"]


def test_deploy_check_fails_without_a_manifest(site):
    [error] = site.errors()
    assert error.id == "common.E002"
    assert f"'{site.manifest}' is missing: run collectstatic" in error.msg


def test_deploy_check_fails_with_a_corrupt_manifest(site):
    site.manifest.write_text("[]")
    [error] = site.errors()
    assert error.id == "common.E002"
    assert f"'{site.manifest}' cannot be read" in error.msg
    assert "run collectstatic" in error.msg


def test_deploy_check_passes_after_collectstatic(site):
    site.collect()
    assert site.errors() == []


def test_check_without_deploy_says_nothing_of_the_manifest(site):
    assert "common.E002" not in [error.id for error in run_checks()]


class DeployCheckTests(SimpleTestCase):
    def test_plain_storage_needs_no_manifest(self):
        assert run_checks(tags=["staticfiles"], include_deployment_checks=True) == []

    def test_no_storage_at_all_is_left_to_django(self):
        with self.settings(STORAGES={}):
            errors = run_checks(tags=["staticfiles"], include_deployment_checks=True)
        assert [error.id for error in errors] == ["staticfiles.E005"]
