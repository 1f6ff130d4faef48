"""The line of each request, its id in all lines, and the form of all lines."""

import asyncio
import io
import json
import logging
import logging.config
import re
import threading
from contextlib import contextmanager
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django import VERSION
from django.conf import settings
from django.contrib.auth import alogin, authenticate, get_user_model, login, logout
from django.core import mail
from django.core.exceptions import (
    BadRequest,
    ImproperlyConfigured,
    PermissionDenied,
    SuspiciousOperation,
)
from django.core.management import BaseCommand, call_command
from django.db import OperationalError, connection
from django.http import (
    FileResponse,
    Http404,
    HttpResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from django.utils.log import AdminEmailHandler
from django.views.decorators.csrf import csrf_protect

import config.urls
from common import logs
from common.testing import MiddlewareTestCase, SimpleTestCase, TestCase

SECRET = "planted-0123456789abcdef"
app = logging.getLogger("apps.some")


def raising(kind, *args):
    def view(request):
        raise kind(*args)

    return view


def log_something(request):
    app.info("sync")
    return HttpResponse("ok")


async def log_everywhere(request):
    app.info("async")
    await sync_to_async(app.info)("thread")
    await sync_to_async(app.info, thread_sensitive=False)("other thread")
    await asyncio.gather(*[asyncio.create_task(sync_to_async(app.info)("task"))])
    return HttpResponse("ok")


def log_in(request):
    login(request, authenticate(username="ada", password="pass word"))
    return HttpResponse()


async def log_in_async(request):
    await alogin(request, await get_user_model().objects.aget())
    return HttpResponse()


def log_out(request):
    logout(request)
    return HttpResponse()


def look(request):
    return HttpResponse(request.user.get_username())


async def look_async(request):
    return HttpResponse((await request.auser()).get_username())


def with_session(request):
    return HttpResponse(str(request.session.get("cart")))


urlpatterns = [
    path("ok", log_something),
    path("everywhere", log_everywhere),
    path("crash", raising(ZeroDivisionError, "division by zero")),
    path("missing", raising(Http404, "no such thing")),
    path("denied", raising(PermissionDenied, "no")),
    path("bad", raising(BadRequest, "no")),
    path("suspicious", raising(SuspiciousOperation, "no\nway")),
    path("cut-off", raising(UnreadablePostError, "the client is gone")),
    path("stream", lambda request: StreamingHttpResponse(iter([b"x"]))),
    path("file", lambda request: FileResponse(io.BytesIO(b"1234"))),
    path("form", csrf_protect(lambda request: HttpResponse())),
    path("reset/<token>/", lambda request, token: HttpResponse()),
    path("login", log_in),
    path("alogin", log_in_async),
    path("logout", log_out),
    path("look", look),
    path("alook", look_async),
    path("session", with_session),
    *config.urls.urlpatterns,
]
handler500 = "common.pages.server_error"
SITE = override_settings(
    ROOT_URLCONF=__name__,
    # The middleware of the example loads the session of each request.
    MIDDLEWARE=[name for name in settings.MIDDLEWARE if not name.startswith("apps.")],
)
ADMINS = ["team@example.com"] if VERSION >= (6,) else [("team", "team@example.com")]


@contextmanager
def written(form="json", level="INFO", **more):
    """Log as config() says, into a list of lines that is filled at the end."""
    stream, lines = io.StringIO(), []
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    with mock.patch("sys.stdout", stream):
        handler = logs.StdoutHandler(form)
    root.handlers, root.level = [*root.handlers, handler], getattr(logging, level)
    root.manager._clear_cache()
    try:
        yield lines
    finally:
        root.level, root.handlers = before
        root.manager._clear_cache()
        text = stream.getvalue()
        lines += map(json.loads, text.splitlines()) if form == "json" else text.splitlines()


def requests(lines):
    return [line for line in lines if line["logger"] == "common.request"]


@SITE
class RequestLineTests(SimpleTestCase):
    def get(self, url, **more):
        client = Client(raise_request_exception=False)
        with written() as lines:
            response = client.get(url, **more)
        return response, lines

    def test_line_has_the_fields_of_the_request(self):
        response, lines = self.get("/ok?secret=1")
        assert lines[0]["message"] == "sync"
        [line] = requests(lines)
        assert re.fullmatch(r"GET /ok 200 [\d.]+ms bytes=2 user=-", line.pop("message"))
        assert 0 <= line.pop("ms") < 60_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
        assert line == {
            "level": "INFO",
            "logger": "common.request",
            "request_id": response["X-Request-ID"],
            "method": "GET",
            "path": "/ok",
            "status": 200,
            "bytes": 2,
            "user": None,
        }

    def test_each_response_has_exactly_one_line_and_the_id_is_in_all_lines(self):
        for url, status, size in [
            ("/ok", 200, True),
            ("/ok/", 404, True),
            ("/missing", 404, True),
            ("/denied", 403, True),
            ("/bad", 400, True),
            ("/suspicious", 400, True),
            ("/crash", 500, True),
            ("/cut-off", 500, True),
            ("/stream", 200, False),
            ("/file", 200, True),
        ]:
            with self.subTest(url):
                response, lines = self.get(url)
                [line] = requests(lines)
                assert (line["path"], line["status"]) == (url, status)
                assert (line["bytes"] is not None) is size
                assert {line["request_id"] for line in lines} == {response["X-Request-ID"]}
                assert logs.request_id.get() == ""

    @override_settings(ALLOWED_HOSTS=["example.com"])
    def test_foreign_host_is_one_warning_without_a_traceback(self):
        with written("text") as lines:
            assert Client().get("/ok", headers={"host": "evil.example"}).status_code == 400
        warning, _ = lines
        assert "WARNING django.security.DisallowedHost: Invalid HTTP_HOST header" in warning

    @override_settings(SECURE_SSL_REDIRECT=True)
    def test_redirect_of_an_outer_middleware_is_logged(self):
        response, [line] = self.get("/ok")
        assert (response.status_code, line["status"]) == (301, 301)

    def test_what_a_visitor_can_cause_is_one_warning_without_a_traceback(self):
        for url in ("/denied", "/bad", "/suspicious", "/cut-off"):
            with self.subTest(url), written("text") as lines:
                Client(raise_request_exception=False).get(url)
            assert [" WARNING " in line for line in lines] == [True, False], lines

    def test_error_of_the_service_has_its_traceback_and_its_page_shows_the_id(self):
        response, lines = self.get("/crash")
        error, _ = lines
        assert (error["level"], error["message"]) == ("ERROR", "Internal Server Error: /crash")
        assert error["exception"].startswith("Traceback (most recent call last):\n")
        assert error["exception"].endswith("\nZeroDivisionError: division by zero")
        assert f"<code>{response['X-Request-ID']}</code>" in response.content.decode()

    def test_health_probes_are_not_logged(self):
        with written() as lines, mock.patch("common.health.connection"):
            Client().get("/healthz")
        assert lines == []

    def test_path_cannot_forge_a_line(self):
        url = "/a%0a2026%20INFO%0d%1b[31m%C2%85%E2%80%A8 \u202e?q"
        for form in ("text", "json"):
            with written(form) as lines:
                Client().get(url)
            assert len(lines) == 2
        path = next(iter(requests(lines)))["path"]
        assert re.fullmatch(r"/a%0A2026%20INFO%0D%1B[\w%]+", path)


class IdTests(SimpleTestCase):
    def test_id_of_a_request_is_made_and_differs(self):
        ids = {Client().get("/healthz-not").get("X-Request-ID") for _ in range(9)}
        assert len(ids) == 9
        assert all(re.fullmatch("[0-9a-f]{32}", value) for value in ids)

    def test_header_of_the_request_is_ignored_by_default(self):
        response = Client().get("/nope", headers={"x-request-id": "from-outside"})
        assert response["X-Request-ID"] != "from-outside"

    @override_settings(REQUEST_ID_HEADER="X-Amzn-Trace-Id")
    def test_trusted_header_gives_the_id_if_it_is_valid(self):
        for value in ("12345678", "A-b-" * 16):
            response = Client().get("/nope", headers={"x-amzn-trace-id": value})
            assert response["X-Request-ID"] == value
        for value in ("", "1234567", "a" * 65, "12345678\n", "1234 5678", "äääääääää", "12345678;"):
            response = Client().get("/nope", headers={"x-amzn-trace-id": value})
            assert response["X-Request-ID"] != value

    @SITE
    def test_async_request_has_its_id_in_tasks_and_threads(self):
        async def both():
            client = AsyncClient()
            return await asyncio.gather(client.get("/everywhere"), client.get("/everywhere"))

        with written() as lines:
            ids = {response["X-Request-ID"] for response in asyncio.run(both())}
        assert len(ids) == 2
        assert {line["request_id"] for line in lines} == ids
        for value in ids:
            own = [line["message"] for line in lines if line["request_id"] == value]
            assert own[:4] == ["async", "thread", "other thread", "task"]
            assert len(own) == 5

    @SITE
    @override_settings(ADMINS=ADMINS)
    def test_error_mail_shows_the_id(self):
        handler = AdminEmailHandler()
        logging.getLogger("django").addHandler(handler)
        try:
            response = Client(raise_request_exception=False).get("/crash")
        finally:
            logging.getLogger("django").removeHandler(handler)
        [sent] = mail.outbox
        assert response["X-Request-ID"] in sent.body

    def test_line_outside_of_a_request_has_no_id(self):
        class Command(BaseCommand):
            def handle(self, **options):
                app.info("done")

        with written() as lines:
            call_command(Command())
        assert lines[0]["request_id"] == ""
        with written("text") as lines:
            call_command(Command())
        assert lines[0].endswith("INFO apps.some: done")


class PassThroughTests(MiddlewareTestCase):
    middleware = logs.RequestLogMiddleware

    def test_response_gets_the_id_in_both_modes(self):
        response = self.assertPassesThrough(self.make_request("/"))
        assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])

    def test_user_that_the_request_has_is_logged(self):
        user = get_user_model()(pk=7)
        with written() as lines:
            self.assertPassesThrough(self.make_request("/", user=user))
        assert [line["user"] for line in requests(lines)] == ["7", "7"]


@SITE
class UserTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = get_user_model().objects.create_user("ada", password="pass word")

    def user_of(self, url):
        with written() as lines:
            self.response = self.client.get(url)
        [line] = requests(lines)
        return line["user"]

    def test_user_is_logged_if_the_view_uses_it(self):
        self.client.force_login(self.user)
        assert str(self.user_of("/look")) == str(self.user.pk)
        assert str(self.user_of("/session")) == str(self.user.pk)

    def test_user_is_not_looked_up_and_the_session_is_not_accessed(self):
        self.client.force_login(self.user)
        with self.assertNumQueries(0):
            assert self.user_of("/ok") is None
        assert "Vary" not in self.response
        assert not self.response.wsgi_request.session.accessed

    def test_login_and_logout_are_logged_with_the_user_that_they_leave(self):
        assert str(self.user_of("/login")) == str(self.user.pk)
        assert self.user_of("/logout") is None

    def test_async_view_logs_its_user(self):
        self.client.force_login(self.user)
        assert str(self.user_of("/alook")) == str(self.user.pk)

    def test_async_login_logs_its_user(self):
        assert str(self.user_of("/alogin")) == str(self.user.pk)

    def test_request_is_logged_while_the_database_is_down(self):
        def fail(*args):
            raise OperationalError("connection refused")

        self.client.force_login(self.user)
        client = Client(raise_request_exception=False)
        client.cookies = self.client.cookies
        with connection.execute_wrapper(fail), written() as lines:
            client.get("/look")
        [line] = requests(lines)
        assert (line["status"] >= 500, line["user"]) == (True, None)


@SITE
class SecretTests(TestCase):
    def test_no_secret_of_a_request_is_logged(self):
        client = Client(raise_request_exception=False, enforce_csrf_checks=True)
        client.cookies["sessionid"] = SECRET
        headers = {
            "authorization": f"Bearer {SECRET}",
            "x-api-key": SECRET,
            "referer": f"https://evil.example/?token={SECRET}",
            "user-agent": SECRET,
        }
        for form in ("json", "text"):
            with written(form, level="DEBUG") as lines:
                for url in ("/ok", "/crash", "/missing", "/suspicious", "/form", "/nope", "/bad"):
                    for more in ({}, {"secure": True}):
                        client.get(f"{url}?token={SECRET}", headers=headers, **more)
                        data = {"password": SECRET}
                        client.post(f"{url}?token={SECRET}", data, headers=headers, **more)
            assert "Referer checking failed - https://evil.example/?***" in str(lines)
            assert SECRET not in str(lines)

    def test_token_of_a_password_reset_is_not_logged(self):
        token = "c4dzui-0123456789abcdef0123456789abcdef"
        with written() as lines:
            for path in (f"/reset/{token}/", f"/nope/MQ/{token}", f"/nope/MQ-{token}/"):
                Client().get(path)
        paths = [line["path"] for line in requests(lines)]
        assert paths == ["/reset/***/", "/nope/MQ/***", "/nope/***/"]
        assert token not in str(lines)

    def test_secrets_of_urls_are_removed_from_messages_and_tracebacks(self):
        for text, cleaned in [
            (f"redis://:{SECRET}@cache:6379/0", "redis://***@cache:6379/0"),
            (f"postgres://me:p@{SECRET}@db/name", "postgres://***@db/name"),
            (f"url: /pay?key={SECRET}&x=1 (Caused by", "url: /pay?*** (Caused by"),
            ("https://example.com/@me", "https://example.com/@me"),
            (
                f"from ip=::1: Invalid HTTP Header: 'Cookie {SECRET}'",
                "from ip=::1: Invalid HTTP Header: ***",
            ),
            ("tab\tüñ", "tab\\tüñ"),
            ("\ud800", "\\ud800"),
        ]:
            assert logs.clean(text) == cleaned
            with written("text") as lines:
                app.error(text)
                try:
                    raise ValueError(text)
                except ValueError:
                    app.exception("failed")
            assert SECRET not in str(lines)
            assert lines[0].endswith(cleaned)
            assert lines[-1] == f"    ValueError: {cleaned}"


class FormTests(SimpleTestCase):
    def test_traceback_is_indented_so_that_an_exception_forges_no_line(self):
        with written("text") as lines:
            try:
                raise ValueError("a\n2026 INFO forged\x0bx\r\u2028y")
            except ValueError:
                app.exception("failed\nagain")
        assert lines[0].endswith("ERROR apps.some: failed\\nagain")
        assert all(line.startswith("    ") for line in lines[1:])

    def test_fields_and_odd_values_are_json(self):
        with written() as lines:
            app.info("paid %s", {1}, extra={"fields": {"order": 7, "by": {1}}})
        assert (lines[0]["order"], lines[0]["by"], lines[0]["message"]) == (7, "{1}", "paid {1}")

    def test_error_without_an_exception_has_no_traceback(self):
        with written() as lines:
            app.error("failed", exc_info=True)
            app.error("failed")
        assert "exception" not in lines[1]

    def test_config_rejects_other_values(self):
        with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT='xml': use text or json"):
            logs.config("xml", "INFO")
        with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL='loud': use DEBUG"):
            logs.config("text", "loud")

    def test_config_is_one_for_dictconfig_and_leaves_other_loggers_alone(self):
        logging_config = logs.config(format="json", level="warning")
        assert json.loads(json.dumps(logging_config)) == logging_config
        gunicorn = logging.getLogger("gunicorn.error")
        gunicorn.propagate = False
        root = logging.getLogger()
        before = root.level, root.handlers[:]
        try:
            logging.config.dictConfig(logging_config)
            assert root.level == logging.WARNING
            assert [type(handler) for handler in root.handlers] == [logs.StdoutHandler]
            assert gunicorn.propagate
            for name in ("django.server", "gunicorn.access"):
                assert not logging.getLogger(name).isEnabledFor(logging.ERROR)
        finally:
            root.level, root.handlers = before
            for name in ("django.server", "gunicorn.access"):
                logging.getLogger(name).level = logging.NOTSET
            root.manager._clear_cache()


def test_fields_cannot_replace_those_of_the_line():
    with written() as lines:
        app.warning("real", extra={"fields": {"message": "forged", "order": 7}})
    assert (lines[0]["message"], lines[0]["order"]) == ("real", 7)


def test_record_that_cannot_be_written_is_named_without_its_arguments(capsys):
    record = logging.LogRecord("apps.job", logging.ERROR, "", 0, "%d items", ("secret",), None)
    logs.StdoutHandler("text").handle(record)
    assert capsys.readouterr() == ("", "ERROR apps.job: a record cannot be written\n")


class FailureTests(SimpleTestCase):
    def fail(self, exc, logger=app):
        try:
            raise exc
        except Exception:
            logger.exception("failed")

    @contextmanager
    def at(self, *times):
        with mock.patch("common.logs.time.monotonic", side_effect=times):
            yield

    def test_same_failure_is_written_once_a_second_with_the_number_dropped(self):
        with written() as lines, self.at(100, 100.2, 100.9, 101, 101.5, 103, 105):
            for _ in range(7):
                self.fail(OSError("down"))
        assert [(line["level"], line["message"]) for line in lines] == [
            ("ERROR", "failed"),
            ("ERROR", "failed (and 2 before it)"),
            ("ERROR", "failed (and 1 before it)"),
            ("ERROR", "failed"),
        ]

    def test_different_failures_are_all_written(self):
        with written() as lines, self.at(*[1] * 9):
            self.fail(OSError("a"))
            self.fail(ValueError("a"))
            self.fail(OSError("a"), logging.getLogger("other"))
            try:
                raise OSError("at another place")
            except OSError:
                app.exception("failed")
            for _ in range(3):
                app.error("without an exception")
        assert len(lines) == 7

    def test_failures_of_many_threads_are_written_once(self):
        def work():
            for _ in range(200):
                self.fail(OSError("down"))

        with written() as lines, mock.patch("common.logs.time.monotonic", return_value=1):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            with mock.patch("common.logs.time.monotonic", return_value=2):
                self.fail(OSError("down"))
        messages = [line["message"] for line in lines]
        assert messages == ["failed", "failed (and 1599 before it)"]

    @SITE
    def test_each_request_of_an_outage_has_its_line(self):
        client = Client(raise_request_exception=False)
        with written() as lines, mock.patch("common.logs.time.monotonic", return_value=1):
            for _ in range(50):
                client.get("/crash")
        assert len(requests(lines)) == 50
        assert len(lines) == 51

    def test_status_code_of_other_loggers_means_nothing(self):
        with written() as lines:
            try:
                raise OSError("the payment service answers 404")
            except OSError:
                app.exception("failed", extra={"status_code": 404})
        assert lines[0]["level"] == "ERROR"
        assert "exception" in lines[0]
