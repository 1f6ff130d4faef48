"""WhiteNoise serves hashed files compressed, and lets browsers keep them for years."""

import pytest
from django.core.management import call_command
from django.templatetags.static import static

from common.static_files.whitenoise import WhiteNoiseMiddleware

BACKEND = {"BACKEND": "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"}


@pytest.mark.django_db  # Closing a response closes old connections.
def test_hashed_file_is_served_compressed_and_immutable(settings, tmp_path, rf):
    (tmp_path / "source").mkdir()
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "staticfiles"
    settings.STATICFILES_MANIFEST_ROOT = tmp_path / "release"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": BACKEND}
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = False

    def serve(server, content):
        (tmp_path / "source" / "app.css").write_text(content)
        call_command("collectstatic", interactive=False, verbosity=0)
        server = server or WhiteNoiseMiddleware(None)
        response = server(rf.get(static("app.css"), headers={"accept-encoding": "gzip"}))
        response.close()
        assert response["Content-Encoding"] == "gzip"
        return server, response

    server, response = serve(None, "a { color: red }" * 99)
    assert "immutable" in response["Cache-Control"]
    serve(server, "a { color: blue }" * 99)  # collected after the server started
