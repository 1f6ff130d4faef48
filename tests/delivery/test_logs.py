"""What a bake writes to its log on real servers: in production under gunicorn, and under runserver."""

import json
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.harness.project import GUNICORN, PRODUCTION, TEMPLATE

pytestmark = pytest.mark.long

SECRET = "planted-0123456789abcdef"
VIEWS = """
from django.core.mail import send_mail
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

urlpatterns[:0] = [
    urls.path("crash", lambda request: 1 / 0),
    urls.path("mail", lambda request: send_mail("a", "b", None, ["c@example.com"])),
    urls.path("post", csrf_exempt(lambda request: HttpResponse(request.POST.get("a", "")))),
    urls.path("reset/<token>/", lambda request, token: HttpResponse()),
    urls.path("stream", lambda request: StreamingHttpResponse(iter([b"x"]))),
]
"""
TEXT = r"^\S+ INFO common\.request: GET {} {} [\d.]+ms bytes=\d+ user={} \[{}\]$"
SERVER = ("uv", "run", "--quiet", *GUNICORN)
MALFORMED = [
    f"GET /?t={SECRET} HTTP/9.9\r\n\r\n",
    f"GET /?t= {SECRET} HTTP/1.1\r\n\r\n",
    f"GET? /?t={SECRET} HTTP/1.1\r\n\r\n",
    f"GET / HTTP/1.1\r\nCookie {SECRET}\r\n\r\n",
    f"GET / HTTP/1.1\r\nCookie: a\0{SECRET}\r\n\r\n",
    f"GET / HTTP/1.1\r\nCookie: a\r\n {SECRET}\r\n\r\n",
    f"POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nCookie: {SECRET}\r\n\r\n",
]
# The client closes the connection before it has sent the whole body.
CUT_OFF = (
    "POST /post HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nContent-Length: 999\r\n"
    f"Content-Type: application/x-www-form-urlencoded\r\n\r\na={SECRET}"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory, bake_into):
    project = bake_into(tmp_path_factory.mktemp("site") / "bake", TEMPLATE, {})
    with (project.path / "config/urls.py").open("a") as file:
        file.write(VIEWS)
    for command in (["migrate"], ["collectstatic", "--no-input"]):
        project.manage(*command, **PRODUCTION)
    return project


def fetch(url, data=None, **headers):
    """Return the status and the headers of the response, requested as by a proxy."""
    sent = {"X-Forwarded-Proto": "https"} | {k.replace("_", "-"): v for k, v in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, sent), timeout=20) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.status, error.headers


def send(url, text):
    """Send ``text`` as it is, and return the first bytes of the response."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(100)


def log_of(project, url):
    return (project.path.parent / f"server-{urllib.parse.urlsplit(url).port}.log").read_text()


def test_json_log_has_one_line_for_each_request_and_no_secret(site):
    env = {**PRODUCTION, "LOG_FORMAT": "json", "EMAIL_URL": f"smtp://me:{SECRET}@127.0.0.1:9"}
    planted = {
        "Cookie": f"sessionid={SECRET}; csrftoken={SECRET}",
        "Authorization": f"Bearer {SECRET}",
        "Referer": f"https://evil.example/?token={SECRET}",
        "X_Api_Key": SECRET,
        "X_Request_ID": SECRET,
    }
    reset = "MQ-c4dzui-0123456789abcdef0123456789abcdef"
    paths = ["/", "/crash", "/mail", "/post", "/stream", "/nope%0a", f"/reset/{reset}/"]
    paths += ["/static/css/site.css", "/admin/login/"]
    expected = {}
    with site.serving(*SERVER, **env) as url:
        for path in paths:
            for data in (None, f"password={SECRET}".encode()):
                status, headers = fetch(f"{url}{path}?token={SECRET}", data, **planted)
                expected[headers["X-Request-ID"]] = (path.replace(reset, "***"), status)
        status, headers = fetch(url, Host="evil.example")
        expected[headers["X-Request-ID"]] = ("/", status)
        for text in MALFORMED:
            assert re.match(rb"HTTP/1.1 [45]", send(url, text)), text
        send(url, CUT_OFF)
    lines = [json.loads(line) for line in log_of(site, url).splitlines()]
    assert SECRET not in str(lines)
    assert reset not in str(lines)
    assert PRODUCTION["SECRET_KEY"] not in str(lines)
    assert all({"time", "level", "logger", "message", "request_id"} <= {*line} for line in lines)
    requests = {
        line["request_id"]: (line["path"].replace("%0A", "%0a"), line["status"])
        for line in lines
        if line["logger"] == "common.request"
    }
    cut_off = requests.keys() - expected.keys()
    assert len(requests) == sum(line["logger"] == "common.request" for line in lines)
    assert [requests.pop(value)[0] for value in cut_off] == ["/post"]
    assert requests == expected
    readme = (site.path / "README.md").read_text()
    example = json.loads(re.search(r'^\{"time".*\}$', readme, re.M)[0])
    assert (
        next(line for line in lines if line["logger"] == "common.request").keys() == example.keys()
    )
    # Only the two views that fail have tracebacks: the rest is what a visitor can cause.
    failed = {line["request_id"] for line in lines if "exception" in line}
    assert failed
    assert {expected[value][0] for value in failed} == {"/crash", "/mail"}
    [foreign] = [line for line in lines if line["logger"] == "django.security.DisallowedHost"]
    assert foreign["level"] == "WARNING"
    server = " ".join(line["message"] for line in lines if line["logger"] == "gunicorn.error")
    for message in ("Listening at", "Booting worker", "Invalid request", "Shutting down"):
        assert message in server


def test_text_log_has_the_tracebacks_of_a_failure_once_a_second(site):
    env = {**PRODUCTION, "REQUEST_ID_HEADER": "X-Request-ID"}
    started = time.monotonic()
    with site.serving(*SERVER, **env) as url:
        for number in range(100):
            assert fetch(f"{url}/crash", X_Request_ID=f"request-{number}")[0] == 500
        seconds = time.monotonic() - started
        time.sleep(1.1)
        assert fetch(f"{url}/crash")[0] == 500
    log = log_of(site, url)
    assert len(re.findall(TEXT.format("/crash", 500, "-", r"request-\d+"), log, re.M)) == 100
    readme = (site.path / "README.md").read_text()
    assert re.search(TEXT.format(r"\S+", 200, r"\d+", r"[0-9a-f]+"), readme, re.M)
    errors = re.findall(r"^\S+ ERROR django\.request: Internal Server Error: /crash", log, re.M)
    assert 2 <= len(errors) <= seconds + 2
    assert log.count("    Traceback (most recent call last):\n") == len(errors)
    left_out = re.findall(r"/crash \(and (\d+) before it\)", log)
    assert len(errors) + sum(map(int, left_out)) == 101


def test_runserver_writes_one_line_for_each_request(site):
    with site.serving("uv", "run", "manage.py", "runserver", "--noreload", "{port}") as url:
        assert fetch(f"{url}/?token={SECRET}")[0] == 200
        assert fetch(f"{url}/static/css/site.css")[0] == 200
    log = log_of(site, url)
    assert len(re.findall(r"GET /static/css/site\.css", log)) == 1
    assert len(re.findall(r"INFO common\.request: GET / 200 ", log)) == 1
    assert "GET / HTTP" not in log
    assert SECRET not in log


def test_command_logs_without_an_id(site):
    code = "import logging; logging.getLogger('apps.job').info('done')"
    output = site.manage("shell", "--no-imports", "-c", code, **PRODUCTION)
    assert re.search(r"^\S+ INFO apps\.job: done$", output, re.M)
