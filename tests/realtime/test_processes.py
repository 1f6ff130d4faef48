"""Several processes: only with Redis, however they are started."""

import signal
import socket
import urllib.request

import pytest

from tests.jobs.site import children, is_running, wait_until


def test_several_processes_without_redis_are_refused(site):
    for command in ("realtime", "check"):
        output = site.manage(command, status=1, REALTIME_WORKERS="2")
        assert output.count("(common.E005) REALTIME_WORKERS is 2. It must be 1") == 1
        assert "Traceback" not in output


def test_several_processes_of_plain_uvicorn_are_refused(site):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ("-m", "uvicorn", "--workers=2", f"--port={port}", "config.asgi:application")
    _process, log = site.start(*options)
    wait_until(lambda: "Several processes without REALTIME_URL" in log.read_text())
    with pytest.raises(OSError, match=r"timed out|refused|reset|closed"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=1)
    assert "Traceback" not in log.read_text()


def test_two_processes_with_redis_share_a_room_and_end_together(site, redis, room, watch):
    server = site.server(REALTIME_WORKERS="2", REALTIME_URL=redis.url)
    clients = [server.connect(room).join() for _ in range(8)]
    clients[0].wait_for(lambda: len(clients[0].state["players"]) == 8)
    clients[0].wait_for_ticks(10)
    workers = children(server.process.pid)
    server.process.send_signal(signal.SIGTERM)
    assert {client.closed() for client in clients} == {1012}
    assert server.process.wait(timeout=20) == 0
    # The process that tracks the resources of the others ends after them.
    wait_until(lambda: not any(map(is_running, workers)))
    assert [client.missed for client in clients] == [[]] * 8
    assert len(watch.owners) in (1, 2)  # The other process may go on until it is stopped, too.
    assert "Traceback" not in server.log
