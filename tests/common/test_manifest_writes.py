"""How the manifest is written: in one step, last, and only if collectstatic succeeds."""

import errno
import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError

from common.static_files.manifest import RootManifestStaticFilesStorage
from common_tests.static_site import HASHED_URL, LOCAL, LOCAL_BACKENDS, Site, names


@pytest.fixture
def site(settings, tmp_path):
    return Site(settings, tmp_path, LOCAL)


@pytest.fixture
def often_switched_threads():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)  # seconds
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("backend", LOCAL_BACKENDS)
def test_collectstatic_that_fails_on_a_reference_leaves_the_old_manifest(site, backend):
    site.use(backend)
    site.collect()
    before = site.manifest.read_bytes()
    (site.source / "bad.css").write_text('a { background: url("missing.png") }')
    with pytest.raises((ValueError, CommandError), match=r"missing\.png"):  # by Django's version
        site.collect()
    assert site.manifest.read_bytes() == before
    assert names(site.root) == ["static", "staticfiles", "staticfiles.json"]
    assert site.url() == HASHED_URL


@pytest.mark.parametrize("backend", LOCAL_BACKENDS)
def test_collectstatic_works_again_in_the_process_in_which_it_failed(site, backend):
    site.use(backend)
    bad = site.source / "bad.css"
    bad.write_text('a { background: url("missing.png") }')
    with pytest.raises((ValueError, CommandError)) as kept:  # keeps the frames of the failed run
        site.collect()
    bad.unlink()
    site.write({"app.css": "a { color: blue }"})
    os.utime(site.source / "app.css", (2e9, 2e9))
    site.collect()
    assert kept.value
    assert (site.static_root / "app.css").read_text() == "a { color: blue }"


def test_manifest_root_needs_no_base_dir(site, settings):
    settings.STATICFILES_MANIFEST_ROOT = str(site.root)
    del settings.BASE_DIR
    site.collect()
    assert site.manifest.exists()


def disk_full(*args):
    raise OSError(errno.ENOSPC, "No space left")


@pytest.mark.parametrize("step", ["chmod", "replace"])
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
    assert site.url() == HASHED_URL


def test_symlink_to_a_folder_is_replaced_and_the_folder_left_alone(site, tmp_path):
    site.manifest.symlink_to(tmp_path, target_is_directory=True)
    site.collect()
    assert site.url() == HASHED_URL
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
