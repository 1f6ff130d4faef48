"""The session engine under Django's middleware, and in threads."""

from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory
from threading import Barrier

from django.conf import settings
from django.db import OperationalError, connection, connections
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from common.sessions import edit_session, session_store
from common_tests.session_helpers import SessionTestCase, refuse_updates, threads_can_wait


def read(request):
    """Read the session; a job changes it before the response."""
    response = HttpResponse(request.session["a"])
    with edit_session(request.session.session_key) as session:
        session["a"] = "job"
    return response


def write(request):
    """Change the session; with ?logout, another request ends it before the response."""
    request.session["a"] = "request"
    if "logout" in request.GET:
        session_store(request.session.session_key).delete()
    return HttpResponse()


urlpatterns = [path("read", read), path("write", write)]


class RaceTests(SessionTestCase):
    def test_twelve_threads_that_each_write_one_key_keep_twelve_keys(self):
        barrier = Barrier(12)

        def write(number):
            try:
                store = self.loaded()
                barrier.wait(60)
                store[f"key{number}"] = number
                store.save()
            finally:
                connections.close_all()

        with (
            TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            threads_can_wait(f"{folder}/db"),
            ThreadPoolExecutor(12) as pool,
        ):
            self.key = self.make()
            list(pool.map(write, range(12)))
            assert self.row() == {f"key{number}": number for number in range(12)}


@override_settings(ROOT_URLCONF=__name__, SESSION_SAVE_EVERY_REQUEST=True)
class RequestTests(SessionTestCase):
    def setUp(self):
        super().setUp()
        self.client.cookies[settings.SESSION_COOKIE_NAME] = self.key

    def test_a_request_that_only_reads_does_not_undo_a_job(self):
        assert self.client.get("/read").content == b"1"
        assert self.row() == {"a": "job", "b": 2}

    def test_a_session_that_was_deleted_meanwhile_counts_as_a_logout(self):
        with self.assertLogs("django.request", "WARNING"):
            assert self.client.get("/write?logout").status_code == 400

    def test_a_locked_database_does_not_count_as_a_logout(self):
        with (
            connection.execute_wrapper(refuse_updates),
            self.assertRaisesMessage(OperationalError, "database is locked"),
        ):
            self.client.get("/write")
