import json
import urllib.request

import boto3
import pytest
from django.core.files.storage import storages
from django.core.handlers.wsgi import WSGIHandler
from moto.server import ThreadedMotoServer

from common.static_files.s3 import RootManifestS3Storage
from common_tests.test_storage import Site

ANYBODY_MAY_READ = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::assets/*",
        }
    ],
}
HASHED = "app.1e7c9116d2d2.css"


@pytest.fixture(scope="module")
def server():
    """An S3 server of this machine."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def endpoint(server, monkeypatch):
    """The URL of an S3 server that has one empty bucket, ``assets``."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib.request.urlopen(f"{url}/moto-api/reset", data=b"").close()
    s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    s3.create_bucket(Bucket="assets")
    s3.put_bucket_policy(Bucket="assets", Policy=json.dumps(ANYBODY_MAY_READ))
    return url


@pytest.fixture
def site(settings, tmp_path, endpoint):
    site = Site(settings, tmp_path, "common.static_files.s3.RootManifestS3Storage")
    use(site, endpoint)
    return site


def use(site, endpoint, **options):
    options = {"bucket_name": "assets", "location": "static", "endpoint_url": endpoint} | options
    site.use("common.static_files.s3.RootManifestS3Storage", **options)


def in_bucket():
    return sorted(item.key for item in storages["staticfiles"].bucket.objects.all())


def test_assets_are_in_the_bucket_and_their_manifest_is_not(site):
    site.collect()
    assert in_bucket() == [f"static/{HASHED}", "static/app.css"]
    assert site.manifest.is_file()
    assert not site.static_root.exists()


def test_url_is_unsigned_and_anybody_may_keep_what_it_gives(site, endpoint):
    site.collect()
    assert site.url() == f"{endpoint}/assets/static/{HASHED}"
    with urllib.request.urlopen(site.url()) as response:
        assert response.read() == (site.source / "app.css").read_bytes()
        assert response.headers["Content-Type"] == "text/css"
        assert response.headers["Cache-Control"] == "max-age=31536000, public, immutable"
    with urllib.request.urlopen(site.url().replace(HASHED, "app.css")) as response:
        assert response.headers["Cache-Control"] is None


def test_cache_headers_may_be_chosen(site, endpoint):
    use(site, endpoint, object_parameters={"CacheControl": "no-store"})
    site.collect()
    with urllib.request.urlopen(site.url()) as response:
        assert response.headers["Cache-Control"] == "no-store"


def test_url_is_that_of_the_cdn(site, endpoint):
    use(site, endpoint, custom_domain="cdn.example.com")
    site.collect()
    assert site.url() == f"https://cdn.example.com/static/{HASHED}"


def test_second_release_leaves_the_assets_of_the_first(site):
    site.collect()
    first = site.url()
    (site.source / "app.css").write_text("a { color: blue }")
    site.collect()
    assert site.url() != first
    for url in (first, site.url()):
        urllib.request.urlopen(url).close()


def test_hashed_file_is_uploaded_once_and_never_deleted(site):
    site.restart()
    bucket = storages["staticfiles"].bucket
    bucket.Versioning().enable()
    (site.source / "print.css").write_text("@import url('app.css');")
    site.collect()
    (site.source / "app.css").touch()
    site.collect()
    versions = [(v.key, v.is_latest) for v in bucket.object_versions.all() if HASHED in v.key]
    assert versions == [(f"static/{HASHED}", True)]


def test_clear_does_not_remove_the_manifest(site):
    site.collect()
    before = site.manifest.read_bytes()
    site.collect(clear=True, post_process=False)
    assert site.manifest.read_bytes() == before


def test_failed_upload_leaves_the_old_manifest(site, settings, monkeypatch):
    site.collect()
    before = site.manifest.read_bytes()
    (site.source / "app.css").write_text("a { color: blue }")

    def fail(self, name, content):
        raise OSError("the connection broke")

    monkeypatch.setattr(RootManifestS3Storage, "_save", fail)
    with pytest.raises(OSError, match="the connection broke"):
        site.collect()
    assert site.manifest.read_bytes() == before
    assert sorted(path.name for path in site.root.iterdir()) == ["static", "staticfiles.json"]


def test_site_starts_and_names_its_assets_while_the_bucket_is_dead(site, monkeypatch):
    site.collect()
    # Nor does it look for credentials, which it would ask of Amazon's own network last.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    dead = "http://127.0.0.1:9"
    use(site, dead)
    WSGIHandler()
    assert site.url() == f"{dead}/assets/static/{HASHED}"
    assert site.errors() == []
