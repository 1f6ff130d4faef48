"""WhiteNoise serves hashed files compressed, and lets browsers keep them for years."""

import pytest
from django.core.management import call_command
from django.templatetags.static import static

from common.static_files.whitenoise import WhiteNoiseMiddleware

BACKEND = {"BACKEND": "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"}


@pytest.mark.django_db  # Closing a response closes old connections.
def test_hashed_file_is_served_compressed_and_immutable(settings, tmp_path, tmp_path_factory, rf):
    settings.STATICFILES_DIRS = [source := tmp_path_factory.mktemp("source")]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "staticfiles"
    settings.STATICFILES_MANIFEST_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": BACKEND}
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = False

    def collect(content):
        (source / "app.css").write_text(content)
        call_command("collectstatic", interactive=False, verbosity=0)
        return next(settings.STATIC_ROOT.glob("app.*.css.gz")).stat().st_ino

    def request(server):
        response = server(rf.get(static("app.css"), headers={"accept-encoding": "gzip"}))
        response.close()
        return response["Content-Encoding"], response["Cache-Control"]

    assert collect("a {}" * 99) != collect("a {}" * 99)  # Replaced: a server may be sending it.
    server = WhiteNoiseMiddleware(None)
    assert request(server) == ("gzip", "max-age=315360000, public, immutable")
    collect("b {}" * 99)
    assert request(server)[0] == "gzip"
