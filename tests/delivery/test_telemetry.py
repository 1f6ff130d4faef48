"""What a bake sends to Sentry and to OpenTelemetry, received by a collector on this machine."""

import gzip
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.harness.project import GUNICORN, PRODUCTION, TEMPLATE, with_extras

# A view that crashes and a middleware that sets the id of each request. The secrets are put together, because an
# event of Sentry contains lines of the source.
URLS = """
import logging

from django.views.decorators.csrf import csrf_exempt

from common.logs import request_id


def set_request_id(get_response):
    def middleware(request):
        request_id.set("id-of-the-request")
        return get_response(request)

    return middleware


@csrf_exempt
def crash(request, name):
    secret = "".join(["plan", "ted-variable"])
    logging.getLogger("apps").warning("not sent: %s", secret)
    logging.getLogger("apps").error("sent", extra={"token": secret})
    return len(request.POST) / 0


urlpatterns.insert(0, urls.path("crash/<slug:name>/", crash))
"""
SECURITY = '    "django.middleware.security.SecurityMiddleware",\n'
SECRETS = {
    "Authorization": "Bearer planted-token",
    "Cookie": "sessionid=plantedsessionid0123456789abcdef; other=planted-cookie",
    "Referer": "https://planted-referer.example/",
    "X-Api-Key": "planted-key",
    "X-Forwarded-Proto": "https",
}

# Prints the resource, the spans and the metrics of the requests whose bodies are in a folder.
DECODE = """
import json, pathlib, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

def attributes(item):
    return {each["key"]: [*each["value"].values()][0] for each in item.get("attributes", [])}

spans, metrics, resource = [], {}, {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if path.name.endswith("traces"):
        [group] = MessageToDict(ExportTraceServiceRequest.FromString(path.read_bytes()))["resourceSpans"]
        for span in [span for scope in group["scopeSpans"] for span in scope["spans"]]:
            events = [attributes(event) for event in span.get("events", [])]
            spans.append({"name": span["name"], "events": events, **attributes(span)})
    else:
        [group] = MessageToDict(ExportMetricsServiceRequest.FromString(path.read_bytes()))["resourceMetrics"]
        for metric in [metric for scope in group["scopeMetrics"] for metric in scope["metrics"]]:
            points = metric.get("histogram", metric.get("sum", {})).get("dataPoints", [])
            metrics[metric["name"]] = [attributes(point) for point in points]
    resource = attributes(group["resource"])
print(json.dumps([spans, metrics, resource]))
"""


class Collector(ThreadingHTTPServer):
    """Records the path, the headers and the decompressed body of each request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.received: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def variables(self):
        host = f"127.0.0.1:{self.server_port}"
        return {
            "SENTRY_DSN": f"http://public@{host}/1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}",
        }

    def sentry_events(self):
        events = []
        for path, _, body in self.received:
            if path == "/api/1/envelope/":
                _, *items = body.splitlines()
                assert json.loads(items[0])["type"] == "event"
                events.append(json.loads(items[1]))
        return events

    def telemetry(self, project, folder):
        """Return the spans, the attributes of each metric, and the resource."""
        folder.mkdir()
        for number, (path, headers, body) in enumerate(self.received):
            if path.startswith("/v1/"):
                assert headers["content-type"] == "application/x-protobuf"
                (folder / f"{number:03}-{path.rpartition('/')[2]}").write_bytes(body)
        return json.loads(project.uv("python", "-c", DECODE, str(folder)))


class CollectorHandler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, headers, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def collector():
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def project(tmp_path_factory, bake_into):
    """Return a migrated bake with its extras, a view that crashes and requests that have an id."""
    folder = tmp_path_factory.mktemp("telemetry")
    project = with_extras(bake_into(folder / "bake", TEMPLATE, {}), folder / "venv")
    with (project.path / "config/urls.py").open("a") as urls:
        urls.write(URLS)
    base = project.path / "config/settings/base.py"
    assert SECURITY in base.read_text()
    added = f'    "config.urls.set_request_id",\n{SECURITY}'
    base.write_text(base.read_text().replace(SECURITY, added))
    for command in (["migrate"], ["collectstatic", "--no-input"]):
        project.manage(*command, **PRODUCTION)
    return project


def status(url, data=None, **headers):
    request = urllib.request.Request(url, data, {**SECRETS, **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize(
    ("variable", "module"),
    [("SENTRY_DSN", "sentry_sdk"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry")],
)
def test_a_variable_without_its_package_is_one_error_that_names_the_command(
    service, variable, module
):
    env = {**PRODUCTION, variable: "http://public@127.0.0.1:9/1"}
    error = service.manage("check", status=1, **env).strip().splitlines()[-1]
    assert error.startswith("django.core.exceptions.ImproperlyConfigured: SENTRY_DSN (which needs")
    assert f"{variable} (" in error
    assert "uv sync --extra sentry" in error
    assert "uv sync --extra opentelemetry" in error
    assert error.endswith(f": No module named '{module}'")


@pytest.mark.long
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SENTRY_DSN", "planted-secret", "Unsupported scheme ''"),
        ("SENTRY_DSN", "https://planted-secret/1", "Missing public key"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "planted-secret:4318", "use http://host:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "Requested component 'otlp_proto_grpc' not found"),
    ],
)
def test_an_unusable_value_is_one_error_that_does_not_show_it(project, variable, value, message):
    env = {**PRODUCTION, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", variable: value}
    output = project.manage("check", status=1, **env)
    assert "ImproperlyConfigured: SENTRY_DSN (which" in output.strip().splitlines()[-1]
    assert message in output.strip().splitlines()[-1]
    assert "planted-secret" not in output


@pytest.mark.long
def test_without_the_variables_installed_packages_are_not_imported(project):
    code = "import sys; print([m for m in sys.modules if m.startswith(('sentry', 'opentel'))])"
    output = project.manage("shell", "--no-imports", "-c", code, **PRODUCTION)
    assert output.splitlines()[-1] == "[]"


@pytest.mark.long
def test_a_request_and_a_crash_arrive_without_what_the_visitor_sent(project, collector, tmp_path):
    env = {**PRODUCTION, **collector.variables, "RELEASE": "v1.2", "SENTRY_ENVIRONMENT": "staging"}
    with project.serving("uv", "run", *GUNICORN, **env) as url:
        assert status(f"{url}/?query=planted-query") == 200
        assert status(f"{url}/crash/name/?query=planted-query", b"body=planted-body") == 500
        assert status(f"{url}/healthz", Host="10.1.2.3") == 200
    for path, headers, body in collector.received:
        assert "planted" not in f"{path} {headers} {body.decode(errors='replace')}"

    logged, crash = collector.sentry_events()
    assert logged["logentry"]["message"] == "sent"
    assert crash["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert crash["transaction"] == "/crash/{name}/"
    for event in (logged, crash):
        assert (event["release"], event["environment"]) == ("v1.2", "staging")
        assert event["tags"]["request_id"] == "id-of-the-request"
        assert not event.keys() & {"request", "user", "extra", "breadcrumbs"}
    frames = [
        frame for value in crash["exception"]["values"] for frame in value["stacktrace"]["frames"]
    ]
    assert not [frame for frame in frames if frame.get("vars")]

    spans, metrics, resource = collector.telemetry(project, tmp_path / "bodies")
    assert resource["service.name"] == "my-service"
    assert resource["service.version"] == "v1.2"
    assert [span["url.path"] for span in spans] == ["/", "/crash/name/"]
    assert [span["http.response.status_code"] for span in spans] == ["200", "500"]
    assert spans[1]["http.route"] == "crash/<slug:name>/"
    assert spans[1]["events"][0]["exception.type"] == "ZeroDivisionError"
    for span in spans:
        assert span["request_id"] == "id-of-the-request"
        assert not span["url.query"]
        assert not span["client.address"]
    assert {
        point["http.response.status_code"] for point in metrics["http.server.request.duration"]
    } == {"200", "500"}


@pytest.mark.long
def test_the_standard_variables_and_a_server_that_forks_after_loading_the_site_work(
    project, collector, tmp_path
):
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.variables["OTEL_EXPORTER_OTLP_ENDPOINT"],
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=shop",
        "OTEL_RESOURCE_ATTRIBUTES": "team=shop",
        "OTEL_SERVICE_NAME": "named",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "",
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "1.0",
    }
    with project.serving("uv", "run", *GUNICORN, "--preload", **PRODUCTION, **env) as url:
        assert status(url) == 200
    spans, metrics, resource = collector.telemetry(project, tmp_path / "bodies")
    assert [span["url.path"] for span in spans] == ["/"]
    assert metrics == {}
    assert resource["service.name"] == "named"
    assert (resource["team"], resource["service.version"]) == ("shop", "unknown")
    assert {path for path, _, _ in collector.received} == {"/v1/traces"}
    [(_, headers, _)] = collector.received
    assert (headers["x-tenant"], headers["content-encoding"]) == ("shop", "gzip")

    collector.received.clear()
    env["OTEL_TRACES_SAMPLER"] = "always_off"
    with project.serving("uv", "run", *GUNICORN, **PRODUCTION, **env) as url:
        assert status(url) == 200
    assert collector.received == []


@pytest.mark.long
def test_queries_of_postgresql_are_traced_without_their_parameters(
    bake, collector, postgresql, tmp_path
):
    project = with_extras(bake(database="postgresql"), tmp_path / "venv")
    env = {**PRODUCTION, "DATABASE_URL": postgresql}
    for command in (["migrate"], ["collectstatic", "--no-input"]):
        project.manage(*command, **env)
    with project.serving("uv", "run", *GUNICORN, **env, **collector.variables) as url:
        assert status(f"{url}/") == 200
    spans, _, _ = collector.telemetry(project, tmp_path / "bodies")
    queries = [span["db.statement"] for span in spans if "db.statement" in span]
    assert any("django_session" in query and "%s" in query for query in queries)
    assert not any("planted" in query for query in queries)


@contextmanager
def silent_server():
    """Yield a collector that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield {
            "SENTRY_DSN": f"http://public@127.0.0.1:{server.getsockname()[1]}/1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}",
        }


DEAD = {
    "SENTRY_DSN": "http://public@127.0.0.1:9/1",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
}
SPANS = """
from opentelemetry import trace

for _ in range(2000):
    trace.get_tracer("test").start_span("test").end()
"""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["refuses", "is silent"])
def test_a_dead_collector_delays_no_request_and_writes_few_lines(project, kind):
    with silent_server() as silent:
        dead = DEAD if kind == "refuses" else silent
        with project.serving("uv", "run", *GUNICORN, **PRODUCTION, **dead) as url:
            start = time.monotonic()
            for _ in range(20):
                assert status(f"{url}/") == 200
                assert status(f"{url}/crash/name/") == 500
            # With requests that wait for the collector, this takes more than a minute.
            assert time.monotonic() - start < 20
            log = (project.path.parent / f"server-{url.rpartition(':')[2]}.log").read_text()
    assert log.count("ERROR django.request") > 0
    assert log.count(" opentelemetry.") < 20


@pytest.mark.long
def test_a_silent_collector_does_not_delay_the_exit_for_long(project):
    with silent_server() as silent:
        start = time.monotonic()
        project.manage("shell", "--no-imports", "-c", SPANS, **PRODUCTION, **silent)
        # By the default of OpenTelemetry, this takes more than 30 seconds.
        assert time.monotonic() - start < 20
