"""The manifest: where it is, and what happens when it is missing or corrupt."""

import json
import shutil

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from common.testing import SimpleTestCase
from common_tests.static_site import HASHED_NAME, HASHED_URL, LOCAL, LOCAL_BACKENDS, Site, names

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


def assert_error(site, problem):
    with pytest.raises(ImproperlyConfigured) as caught:
        site.url()
    assert not isinstance(caught.value, ValueError)  # WhiteNoise would swallow it.
    assert f"'{site.manifest}' {problem}" in str(caught.value)
    assert str(caught.value).endswith(": run collectstatic.")


def test_missing_manifest_is_one_clear_error(site):
    assert_error(site, "is missing")


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_corrupt_manifest_is_one_clear_error_and_collectstatic_replaces_it(site, content):
    site.manifest.write_bytes(content)
    assert_error(site, "cannot be read")
    site.collect()
    assert site.url() == HASHED_URL


def test_unreadable_manifest_is_one_clear_error_and_collectstatic_replaces_it(site):
    site.manifest.symlink_to(site.manifest)  # A loop: not even root can read it.
    assert_error(site, "cannot be read")
    site.collect()
    assert site.url() == HASHED_URL


@pytest.mark.parametrize("content", [[], ["precious"]], ids=["empty", "with a file"])
@pytest.mark.parametrize("backend", LOCAL_BACKENDS)
def test_folder_of_that_name_is_kept_and_named_in_the_error(site, backend, content):
    site.use(backend)
    site.manifest.mkdir()
    for name in content:
        (site.manifest / name).touch()
    assert_error(site, "cannot be read")
    with pytest.raises(IsADirectoryError, match=f"'{site.manifest}'"):
        site.collect()
    assert names(site.manifest) == content
    assert (site.static_root / HASHED_NAME).is_file()
    assert names(site.root) == ["static", "staticfiles", "staticfiles.json"]


def test_error_ends_when_collectstatic_has_run_in_the_same_process(site):
    storage = storages["staticfiles"]
    with pytest.raises(ImproperlyConfigured):
        storage.url("app.css")
    list(storage.post_process({"app.css": (FileSystemStorage(site.source), "app.css")}))
    assert storage.url("app.css") == HASHED_URL


def test_manifest_is_what_django_writes(site):
    site.collect()
    manifest = json.loads(site.manifest.read_bytes())
    assert manifest["paths"] == {"app.css": HASHED_NAME}
    assert manifest["version"] == "1.1"
    assert storages["staticfiles"].manifest_hash == manifest["hash"] != ""


def test_manifest_is_in_base_dir_and_not_in_static_root(site):
    site.collect()
    assert site.manifest.is_file()
    assert not list(site.static_root.rglob("*.json*"))


def test_manifest_root_setting_moves_the_manifest(site, settings, tmp_path):
    settings.STATICFILES_MANIFEST_ROOT = tmp_path / "release"  # collectstatic makes it.
    site.collect()
    shutil.rmtree(site.static_root)
    assert names(tmp_path / "release") == ["staticfiles.json"]
    assert not site.manifest.exists()
    assert site.url() == HASHED_URL


def test_relative_manifest_root_is_below_base_dir(site, settings):
    settings.STATICFILES_MANIFEST_ROOT = "release"
    site.collect()
    assert (settings.BASE_DIR / "release" / "staticfiles.json").is_file()


def test_manifest_storage_may_be_given(site, tmp_path):
    folder = tmp_path / "elsewhere"
    site.use(LOCAL, manifest_storage=FileSystemStorage(folder))
    site.collect()
    assert names(folder) == ["staticfiles.json"]
    assert not site.manifest.exists()
    assert site.url() == HASHED_URL


class StorageWithoutPaths(Storage):
    """Keeps files in memory. Its ``path`` raises NotImplementedError, as on S3."""

    def __init__(self):
        self.files = {}

    def exists(self, name):
        return name in self.files

    def delete(self, name):
        del self.files[name]

    def _open(self, name, mode):
        if name not in self.files:
            raise FileNotFoundError(name)
        return ContentFile(self.files[name])

    def _save(self, name, content):
        self.files[name] = content.read()
        return name


def test_manifest_storage_without_paths_may_be_given(site):
    site.use(LOCAL, manifest_storage=StorageWithoutPaths())
    with pytest.raises(ImproperlyConfigured, match=r"'staticfiles\.json' is missing: run"):
        site.url()
    site.collect()
    assert site.url() == HASHED_URL


@pytest.mark.parametrize("folder", ["", "below"])
def test_manifest_storage_in_static_root_is_refused(site, folder):
    site.use(LOCAL, manifest_storage=FileSystemStorage(site.static_root / folder))
    with pytest.raises(ImproperlyConfigured, match=f"{folder}/staticfiles.json' would be in"):
        site.collect()


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


def test_deploy_check_reads_the_manifest_as_it_is_now(site):
    site.collect()
    site.manifest.unlink()
    [error] = site.errors()
    assert error.id == "common.E002"


def test_deploy_check_passes_after_collectstatic(site):
    site.collect()
    assert site.errors() == []


@pytest.mark.django_db
def test_check_without_deploy_does_not_ask_for_the_manifest(site):
    assert "common.E002" not in [error.id for error in run_checks()]


class DeployCheckTests(SimpleTestCase):
    def test_plain_storage_needs_no_manifest(self):
        assert run_checks(tags=["staticfiles"], include_deployment_checks=True) == []

    def test_storage_that_does_not_exist_fails(self):
        with self.settings(STORAGES={"staticfiles": {"BACKEND": "none.Storage"}}):
            [error] = run_checks(tags=["staticfiles"], include_deployment_checks=True)
        assert (error.id, "'none.Storage'" in error.msg) == ("common.E002", True)

    def test_no_storage_at_all_is_left_to_django(self):
        with self.settings(STORAGES={}):
            errors = run_checks(tags=["staticfiles"], include_deployment_checks=True)
        assert [error.id for error in errors] == ["staticfiles.E005"]
