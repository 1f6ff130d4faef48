"""Static files go to the bucket; the manifest stays at home, so that the site needs no bucket."""

import boto3
import pytest
from django.core.files.storage import storages
from django.core.management import call_command
from django.templatetags.static import static
from moto.server import ThreadedMotoServer

BACKEND = "common.static_files.s3.RootManifestS3Storage"


@pytest.fixture
def endpoint(monkeypatch):
    """The URL of an S3 server on this machine, with an empty bucket ``my-bucket``."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="my-bucket")
    yield url
    server.stop()


def test_urls_are_hashed_and_unsigned_even_without_the_bucket(settings, tmp_path, endpoint):
    def use(endpoint):
        options = {"bucket_name": "my-bucket", "location": "static", "endpoint_url": endpoint}
        backend = {"BACKEND": BACKEND, "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}

    (tmp_path / "app.css").write_text("a { color: red }")
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_MANIFEST_ROOT = tmp_path / "release"
    use(endpoint)
    call_command("collectstatic", interactive=False, verbosity=0)
    keys = [item.key for item in storages["staticfiles"].bucket.objects.all()]
    assert keys == ["static/app.7067b21ee6ee.css", "static/app.css"]
    assert [path.name for path in (tmp_path / "release").iterdir()] == ["staticfiles.json"]
    use("http://127.0.0.1:9")  # Nothing answers there.
    assert static("app.css") == "http://127.0.0.1:9/my-bucket/static/app.7067b21ee6ee.css"
