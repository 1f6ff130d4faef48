"""Show that the packages still work after a simulated upgrade, without any code of ours.

Run by ``tests/bakes/test_upgrades.py``, outside of a bake: a change that breaks Django itself would
prove nothing about the tests that a bake ships.
"""

import os
import sys
import tempfile
import unittest
from importlib.util import find_spec
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

ROOT = Path(tempfile.mkdtemp())
WHITENOISE = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
S3 = {
    "BACKEND": "storages.backends.s3.S3StaticStorage",
    "OPTIONS": {"bucket_name": "bucket", "access_key": "key", "secret_key": "secret"},
}
HAS_WHITENOISE = find_spec("whitenoise") is not None
settings.configure(
    BASE_DIR=ROOT,
    SECRET_KEY="for these tests only",
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "staticfiles")
    ],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    STATIC_URL="/static/",
    STATIC_ROOT=ROOT / "static",
    STATICFILES_DIRS=[ROOT / "source"],
    STORAGES={
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": WHITENOISE if HAS_WHITENOISE else S3,
    },
    MEDIA_ROOT=ROOT / "media",
)
django.setup()

# Only now can models be imported.
from django.contrib.auth.models import Group  # noqa: E402 -- see above
from django.contrib.sessions.models import Session  # noqa: E402, TID251 -- see above
from django.core.files.base import ContentFile  # noqa: E402 -- see above
from django.core.files.storage import default_storage  # noqa: E402 -- see above
from django.db import IntegrityError, transaction  # noqa: E402 -- see above
from django.db.models.signals import post_delete  # noqa: E402 -- see above
from django.dispatch import Signal  # noqa: E402 -- see above
from django.http import HttpResponse  # noqa: E402 -- see above
from django.templatetags.static import static  # noqa: E402 -- see above
from django.test import TestCase, override_settings  # noqa: E402, TID251 -- see above
from django.test.runner import DiscoverRunner  # noqa: E402 -- see above
from django.urls import path  # noqa: E402 -- see above


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    request.session.set_expiry(60)
    return HttpResponse(request.session["count"])


def crash(request):
    raise ValueError


urlpatterns = [path("count", count), path("crash", crash)]


class StockTests(TestCase):
    def test_receivers_hear_signals(self):
        def receiver(**kwargs):
            return "heard"

        signal = Signal(use_caching=True)
        signal.connect(receiver, sender=Group)
        assert signal.send(Group) == [(receiver, "heard")]
        assert signal.send(Session) == []
        assert signal.disconnect(receiver, sender=Group)
        assert not signal.has_listeners(Group)

    def test_rows_are_deleted_and_receivers_of_a_lazy_sender_hear_of_it(self):
        def receiver(instance, **kwargs):
            deleted.append(instance.name)

        deleted = []
        post_delete.connect(receiver, sender="auth.Group")
        Group.objects.create(name="editors")
        Group.objects.all().delete()
        assert deleted == ["editors"]
        assert post_delete.disconnect(receiver, sender=Group)

    def test_settings_can_be_overridden(self):
        with override_settings(MEDIA_ROOT=ROOT / "other", AUTH_USER_MODEL="auth.Group"):
            assert default_storage.location == str(ROOT / "other")

    @unittest.skipIf(HAS_WHITENOISE, "This bake has no bucket.")
    def test_static_files_have_urls_in_the_bucket(self):
        assert static("a.css") == "https://bucket.s3.amazonaws.com/a.css"

    @unittest.skipUnless(HAS_WHITENOISE, "This bake has a bucket.")
    def test_static_files_are_collected_and_served(self):
        from whitenoise.middleware import WhiteNoiseMiddleware  # after Django is set up

        (ROOT / "source").mkdir()
        (ROOT / "source/b.css").write_text("b {}" * 99)
        (ROOT / "source/a.css").write_text("@import 'b.css';")
        for _ in range(2):
            call_command("collectstatic", interactive=False, verbosity=0)
        server = WhiteNoiseMiddleware(lambda request: HttpResponse(status=404))
        request = self.client.get("/", headers={"accept-encoding": "gzip"}).wsgi_request
        for name in ("a.css", "b.css"):
            request.path_info = static(name)
            response = server(request)
            assert (response.status_code, b"".join(response) != b"") == (200, True)
            response.file_to_stream.close()
        assert response["Content-Encoding"] == "gzip"

    def test_files_are_stored(self):
        name = default_storage.save("folder/name.txt", ContentFile(b"text"))
        assert default_storage.open(name).read() == b"text"

    async def test_sessions_are_kept_in_both_modes(self):
        for engine in ("db", "cached_db", "cache", "signed_cookies"):
            with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
                for number in ("1", "2"):
                    assert (await self.async_client.get("/count")).text == number
                self.async_client.cookies.clear()

    def test_requests_run_in_sync_mode(self):
        assert [self.client.get("/count").text for _ in range(2)] == ["1", "2"]

    async def test_exceptions_become_responses(self):
        self.client.raise_request_exception = self.async_client.raise_request_exception = False
        for url, status in (("/crash", 500), ("/gone", 404)):
            assert (await self.async_client.get(url)).status_code == status

    def test_constraints_hold(self):
        Group.objects.create(name="editors")
        with self.assertRaises(IntegrityError), transaction.atomic():
            Group.objects.create(name="editors")
        with transaction.atomic(durable=True):
            assert Group.objects.count() == 1

    def test_commands_work(self):
        with open(os.devnull, "w") as output:
            call_command("inspectdb", stdout=output)
        call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
        (ROOT / "new_app").mkdir()
        call_command("startapp", "new_app", str(ROOT / "new_app"))


def main() -> None:
    sys.exit(bool(DiscoverRunner(verbosity=0).run_tests(["stock"])))
