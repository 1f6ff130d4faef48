import os
import shutil
import sys
from types import ModuleType, SimpleNamespace

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.templatetags.static import static

from common.static_files import manifest as storage_module
from common.static_files.whitenoise import WhiteNoiseMiddleware

LOCAL = "common.static_files.manifest.RootManifestStaticFilesStorage"
WHITENOISE = "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"
HASHED = "/static/app.1e7c9116d2d2.css"


class Site:
    """A service whose assets are one stylesheet. Each method is what a new process would do."""

    def __init__(self, settings, folder, backend):
        self.settings, self.root = settings, folder / "project"
        self.source, self.static_root = self.root / "static", self.root / "staticfiles"
        self.manifest = self.root / "staticfiles.json"
        self.source.mkdir(parents=True)
        (self.source / "app.css").write_text("a { color: red }" * 99)
        settings.BASE_DIR = self.root
        settings.STATIC_ROOT = self.static_root
        settings.STATICFILES_DIRS = [self.source]
        settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
        settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = False
        self.use(backend)

    def use(self, backend, **options):
        staticfiles = {"BACKEND": backend, "OPTIONS": options}
        self.settings.STORAGES = {**self.settings.STORAGES, "staticfiles": staticfiles}

    def restart(self):
        self.settings.STORAGES = {**self.settings.STORAGES}

    def collect(self, **options):
        self.restart()
        call_command("collectstatic", interactive=False, verbosity=0, **options)

    def url(self, name="app.css"):
        self.restart()
        return static(name)  # what the template tag calls

    def errors(self):
        return run_checks(tags=["staticfiles"], include_deployment_checks=True)


@pytest.fixture(params=[LOCAL, WHITENOISE])
def site(request, settings, tmp_path):
    return Site(settings, tmp_path, request.param)


@pytest.fixture
def whitenoise(settings, tmp_path):
    settings.MIDDLEWARE = ["common.static_files.whitenoise.WhiteNoiseMiddleware"]
    return Site(settings, tmp_path, WHITENOISE)


def test_urls_are_hashed_after_static_root_is_deleted(site):
    site.collect()
    shutil.rmtree(site.static_root)
    assert site.url() == HASHED


def test_hashed_file_is_never_missing_while_it_is_collected_again(site, monkeypatch):
    site.collect()
    hashed = [*site.static_root.glob("app.1e7c9116d2d2.css*")]  # and compressed, with WhiteNoise
    before = {str(path): path.read_bytes() for path in hashed}
    replaced = []

    def replace(source, target):
        assert {str(path): path.read_bytes() for path in hashed} == before
        replaced.append(str(target))
        return rename(source, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", replace)
    os.utime(site.source / "app.css", (2e9, 2e9))  # newer, and the same
    site.collect()
    assert before.keys() <= {*replaced}
    assert {str(path): path.read_bytes() for path in hashed} == before
    assert [*site.static_root.glob("app.1e7c9116d2d2.css*")] == hashed


def test_failed_write_leaves_the_hashed_file_and_nothing_else(site, monkeypatch):
    site.collect()
    before = {path.name: path.read_bytes() for path in site.static_root.iterdir()}

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    os.utime(site.source / "app.css", (2e9, 2e9))
    with pytest.raises(OSError, match="disk full"):
        site.collect()
    assert {path.name: path.read_bytes() for path in site.static_root.iterdir()} == before


def test_manifest_is_in_base_dir_and_not_in_static_root(site):
    site.collect()
    assert site.manifest.is_file()
    assert not list(site.static_root.rglob("*.json*"))


def test_manifest_root_setting_moves_the_manifest(site, settings, tmp_path):
    settings.STATICFILES_MANIFEST_ROOT = tmp_path / "release"  # made when it is missing
    site.collect()
    shutil.rmtree(site.static_root)
    assert [path.name for path in (tmp_path / "release").iterdir()] == ["staticfiles.json"]
    assert not site.manifest.exists()
    assert site.url() == HASHED


def test_relative_manifest_root_is_below_base_dir(site, settings):
    settings.STATICFILES_MANIFEST_ROOT = "release"
    site.collect()
    assert (settings.BASE_DIR / "release" / "staticfiles.json").is_file()


def test_manifest_of_the_stock_storage_in_static_root_is_ignored(site):
    site.use("django.contrib.staticfiles.storage.ManifestStaticFilesStorage")
    site.collect()
    assert (site.static_root / "staticfiles.json").is_file()
    site.use(LOCAL)
    with pytest.raises(ImproperlyConfigured, match="is missing"):
        site.url()


def test_clear_does_not_remove_the_manifest(site):
    site.collect()
    (site.static_root / "old.css").touch()
    before = site.manifest.read_bytes()
    site.collect(clear=True, post_process=False)
    assert site.manifest.read_bytes() == before
    assert [path.name for path in site.static_root.iterdir()] == ["app.css"]


def test_dry_run_writes_nothing(site):
    site.collect(dry_run=True)
    assert [path.name for path in site.root.iterdir()] == ["static"]


@pytest.mark.parametrize("static_root", ["", ".."])
def test_static_root_that_would_hold_the_manifest_is_refused(site, settings, static_root):
    settings.STATIC_ROOT = site.root / static_root
    with pytest.raises(
        ImproperlyConfigured, match=r"project/staticfiles\.json' would be in STATIC"
    ):
        site.collect(clear=True)
    assert (site.source / "app.css").is_file()
    [error] = site.errors()
    assert (error.id, "would be in STATIC_ROOT" in error.msg) == ("common.E002", True)


def test_static_root_may_be_unset_at_run_time(site, settings):
    site.collect()
    settings.STATIC_ROOT = None
    assert site.url() == HASHED


def test_run_time_writes_nothing_in_the_root(site):
    def files():
        return {path: path.stat().st_mtime_ns for path in [site.root, *site.root.rglob("*")]}

    site.collect()
    before = files()
    assert site.url() == HASHED
    assert site.errors() == []
    assert files() == before


def test_debug_needs_no_manifest(site, settings):
    settings.DEBUG = True
    assert site.url() == "/static/app.css"


def test_name_missing_from_a_good_manifest_is_django_s_own_error(site):
    site.collect()
    with pytest.raises(ValueError, match=r"Missing staticfiles manifest entry for 'other\.css'"):
        site.url("other.css")


def test_whitenoise_not_strict_hashes_a_new_file_on_the_fly(whitenoise, settings):
    settings.WHITENOISE_MANIFEST_STRICT = False
    whitenoise.collect()
    shutil.copy(whitenoise.static_root / "app.css", whitenoise.static_root / "new.css")
    assert whitenoise.url("new.css") == HASHED.replace("app", "new")


@pytest.mark.django_db
def test_whitenoise_serves_hashed_names_compressed_and_immutable(whitenoise, rf):
    whitenoise.collect()
    serve = WhiteNoiseMiddleware(None)
    response = serve(rf.get(HASHED, headers={"accept-encoding": "gzip"}))
    response.close()
    assert response["Content-Encoding"] == "gzip"
    assert "immutable" in response["Cache-Control"]
    response = serve(rf.get("/static/app.css"))
    response.close()
    assert "immutable" not in response["Cache-Control"]


def test_site_starts_without_static_root(whitenoise):
    whitenoise.collect()
    shutil.rmtree(whitenoise.static_root)
    with pytest.warns(UserWarning, match="No directory at"):
        WSGIHandler()
    assert whitenoise.url() == HASHED


def test_site_with_assets_but_no_manifest_refuses_to_start(whitenoise):
    whitenoise.collect()
    whitenoise.manifest.unlink()
    whitenoise.restart()
    with pytest.raises(ImproperlyConfigured, match=f"'{whitenoise.manifest}' is missing"):
        WSGIHandler()


class Bucket(Storage):
    """Stands in for S3StaticStorage where django-storages is not installed. Nothing can be read."""

    location = "assets"
    bucket_name = "ours"
    custom_domain = "cdn.example.com"
    files = {}

    @property
    def unsigned_connection(self):
        return SimpleNamespace(meta=SimpleNamespace(client=self))

    def generate_presigned_url(self, method, **kwargs):
        where = kwargs["Params"]
        return f"https://{where['Bucket']}.example.com/{where['Key']}"

    def _normalize_name(self, name):
        return f"{self.location}/{name}"

    def exists(self, name):
        return name in self.files

    def delete(self, name):
        del self.files[name]

    def _save(self, name, content):
        self.files[name] = self.get_object_parameters(name)
        return name

    def get_object_parameters(self, name):
        return {}

    def url(self, name):
        return f"https://{self.custom_domain}/{self.location}/{name}"


def test_s3_keeps_the_manifest_out_of_the_bucket(whitenoise, monkeypatch):
    backend = ModuleType("storages.backends.s3")
    backend.S3StaticStorage = Bucket
    monkeypatch.setitem(sys.modules, backend.__name__, backend)
    monkeypatch.setitem(vars(storage_module), "RootManifestS3Storage", None)  # undone afterwards
    del storage_module.RootManifestS3Storage
    whitenoise.use("common.static_files.s3.RootManifestS3Storage")
    whitenoise.collect()
    whitenoise.collect()
    assert Bucket.files == {
        "app.css": {},
        os.path.basename(HASHED): {"CacheControl": "max-age=31536000, public, immutable"},
    }
    assert whitenoise.url() == f"https://cdn.example.com/assets/{os.path.basename(HASHED)}"
    monkeypatch.setattr(Bucket, "custom_domain", None)
    assert whitenoise.url() == f"https://ours.example.com/assets/{os.path.basename(HASHED)}"
    assert storage_module.RootManifestS3Storage is storage_module.RootManifestS3Storage


def test_module_has_no_other_names():
    with pytest.raises(AttributeError, match=r"'common\.storage' has no attribute 'RootStorage'"):
        _ = storage_module.RootStorage
