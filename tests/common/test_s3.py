import json
import os
import urllib.request
from collections import Counter

import boto3
import pytest
from django.core.files.storage import storages
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from moto.server import ThreadedMotoServer

from common.static_files.s3 import RootManifestS3Storage
from common_tests.static_site import (
    CHAIN,
    FINAL_NAMES,
    HASHED_NAME,
    INTERMEDIATE,
    S3,
    Site,
    names,
)

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


@pytest.fixture(scope="module")
def server():
    """An S3 server on this machine."""
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
    site = Site(settings, tmp_path, S3)
    use(site, endpoint)
    return site


def use(site, endpoint, **options):
    options = {"bucket_name": "assets", "location": "static", "endpoint_url": endpoint} | options
    site.use(S3, **options)


def in_bucket():
    objects = storages["staticfiles"].bucket.objects.all()
    return sorted(item.key.removeprefix("static/") for item in objects)


def test_files_are_in_the_bucket_and_the_manifest_is_not(site):
    site.collect()
    assert in_bucket() == [HASHED_NAME, "app.css"]
    assert site.manifest.is_file()
    assert not site.static_root.exists()


def test_url_is_unsigned_and_the_file_may_be_cached(site, endpoint):
    site.collect()
    assert site.url() == f"{endpoint}/assets/static/{HASHED_NAME}"
    with urllib.request.urlopen(site.url()) as response:
        assert response.read() == (site.source / "app.css").read_bytes()
        assert response.headers["Content-Type"] == "text/css"
        assert response.headers["Cache-Control"] == "max-age=31536000, public, immutable"
    with urllib.request.urlopen(site.url().replace(HASHED_NAME, "app.css")) as response:
        assert response.headers["Cache-Control"] is None


def test_cache_headers_may_be_chosen(site, endpoint):
    use(site, endpoint, object_parameters={"CacheControl": "no-store"})
    site.collect()
    with urllib.request.urlopen(site.url()) as response:
        assert response.headers["Cache-Control"] == "no-store"


def test_url_is_that_of_the_cdn(site, endpoint):
    use(site, endpoint, custom_domain="cdn.example.com")
    site.collect()
    assert site.url() == f"https://cdn.example.com/static/{HASHED_NAME}"


def test_second_release_leaves_the_files_of_the_first(site):
    site.collect()
    first = site.url()
    (site.source / "app.css").write_text("a { color: blue }")
    site.collect()
    assert site.url() != first
    for url in (first, site.url()):
        urllib.request.urlopen(url).close()


def test_intermediate_file_of_this_run_is_deleted(site):
    site.write(CHAIN)
    site.collect()
    assert in_bucket() == sorted([*CHAIN, "app.css", *FINAL_NAMES])


def test_intermediate_file_that_was_there_before_stays(site):
    bucket = storages["staticfiles"].bucket
    bucket.put_object(Key=f"static/{INTERMEDIATE}", Body=b"of another release")
    site.write(CHAIN)
    site.collect()
    assert INTERMEDIATE in in_bucket()
    assert {*in_bucket()} >= {*FINAL_NAMES}


def test_hashed_file_is_uploaded_once_and_never_deleted(site):
    site.write(CHAIN)
    bucket = storages["staticfiles"].bucket
    bucket.Versioning().enable()
    site.collect()
    for path in site.source.iterdir():
        os.utime(path, (2e9, 2e9))
    site.collect()
    # A deletion is a version, too.
    versions = Counter(v.key.removeprefix("static/") for v in bucket.object_versions.all())
    assert [versions[name] for name in FINAL_NAMES] == [1] * len(FINAL_NAMES)
    assert versions[INTERMEDIATE] == 4  # Each run uploads it once, and deletes it once.


def test_bucket_is_asked_once_for_a_file_that_it_has(site):
    site.write(CHAIN)
    site.collect()
    site.restart()
    asked = Counter()
    events = storages["staticfiles"].connection.meta.client.meta.events
    events.register(
        "provide-client-params.s3.HeadObject",
        lambda params, **kwargs: asked.update([params["Key"].removeprefix("static/")]),
    )
    call_command("collectstatic", interactive=False, verbosity=0)
    assert [asked[name] for name in FINAL_NAMES] == [1] * len(FINAL_NAMES)


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
    assert names(site.root) == ["static", "staticfiles.json"]


def test_site_starts_and_names_its_files_while_the_bucket_is_out_of_reach(site, monkeypatch):
    site.collect()
    # The site does not look for credentials either: it would ask Amazon's own network last.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    dead = "http://127.0.0.1:9"
    use(site, dead)
    WSGIHandler()
    assert site.url() == f"{dead}/assets/static/{HASHED_NAME}"
    assert site.errors() == []
