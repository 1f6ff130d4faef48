"""Browsers that do not read, send rubbish, come from elsewhere or come and go, and what is logged of them."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import InvalidStatus

from tests.jobs.site import wait_until

DEEP = '{"seq": 1, "type": "add", "n": %s}' % ("[" * 100 + "]" * 100)
ADD = '{"seq": 1, "type": "add", "n": 1}'
MALFORMED = {
    "binary": [ADD.encode()],
    "not JSON": ["hello"],
    "NaN": ['{"seq": NaN, "type": "join"}'],
    "array": ["[]"],
    "number": ["1"],
    "no seq": ['{"type": "join"}'],
    "seq a bool": ['{"seq": true, "type": "join"}'],
    "seq a float": ['{"seq": 1.0, "type": "join"}'],
    "seq a string": ['{"seq": "1", "type": "join"}'],
    "seq too large": ['{"seq": %s, "type": "join"}' % 2**53],
    "seq does not grow": ['{"seq": 1, "type": "join"}'] * 2,
    "type unknown": ['{"seq": 1, "type": "fly"}'],
    "type unknown, long": ['{"seq": 1, "type": "%s"}' % ("é" * 80)],
    "type a list": ['{"seq": 1, "type": []}'],
    "content": ['{"seq": 1, "type": "add", "n": "1"}'],
    "infinite": ['{"seq": 1, "type": "add", "n": 1e999}'],
    "257 bytes": [ADD.ljust(257)],
    "257 bytes of UTF-8": ['"%s"' % ("é" * 128)],
    "lone surrogates": [r'{"seq": 1, "type": "\ud800"}'],
    "deep": [DEEP],
    "deeper": ["[" * 256],
    "30 at once": [json.dumps({"seq": number, "type": "join"}) for number in range(1, 31)],
}


def codes_of(pair, room, messages, **options):
    """Send the messages over each of 50 sockets; return the codes with which they are closed."""

    def code(number):
        return pair[number % 2].code_of(room, *messages, **options)

    with ThreadPoolExecutor(8) as pool:
        return {*pool.map(code, range(50))}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_messages_close_their_socket_alone(pair, room, kind):
    ann = pair[0].connect(room).join()
    assert codes_of(pair, room, MALFORMED[kind]) == {1008}
    ann.wait_for_ticks(2)
    assert ann.missed == []


def test_messages_of_2000_bytes_and_broken_utf8_close_their_socket_alone(pair, room):
    ann = pair[0].connect(room).join()
    assert codes_of(pair, room, [ADD.ljust(2000)]) == {1009}
    assert codes_of(pair, room, [b'{"seq": 1, "type": "\xed\xa0\x80"}'], text=True) == {1007}
    ann.wait_for_ticks(2)
    assert ann.missed == []


@pytest.mark.parametrize(
    "options",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": None},
        {"path": "/ws/nothing/{}/"},
        {"path": "/ws/counting/Room/"},
        {"path": "/ws/counting/{}x/"},  # 33 characters
        {"path": "/ws/counting/a%0Ab/"},
        {"path": "/ws/counting/a%2Fb/"},
        {"path": "/"},
    ],
)
def test_sockets_from_elsewhere_and_to_nowhere_are_refused(pair, room, options):
    with pytest.raises(InvalidStatus) as caught, pair[0].open(room, **options):
        pass
    assert caught.value.response.status_code == 403


def small_socket(server):
    """Return a socket that takes few bytes before its browser reads them."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", server.port))
    return sock


def test_a_client_that_stalls_costs_the_others_no_frame(pair, room):
    ann, bob = pair[0].connect(room).join(), pair[1].connect(room).join()
    stalled = pair[0].connect(room, sock=small_socket(pair[0]), max_queue=1)
    ann.send("grow", n=300_000)
    stalled.wait_for_ticks(5)
    stalled.reads.clear()
    ann.wait_for_ticks(100)
    ann.send("grow", n=10)
    ann.wait_for(lambda: ann.state["size"] == 10)
    stalled.reads.set()
    latest = ann.ticks[-1]
    stalled.wait_for_tick(latest)
    assert stalled.missed
    assert stalled.snapshots == 1 + len(stalled.missed)
    stalled.wait_for_ticks(5)
    assert (ann.missed, bob.missed) == ([], [])


@pytest.mark.long
def test_a_client_that_stalls_for_too_long_is_ended(pair, room, record_property):
    server = pair[0]
    ann = server.connect(room).join()
    before = server.look(), server.sockets, server.memory
    stalled = server.connect(room, sock=small_socket(server), max_queue=1)
    ann.send("grow", n=300_000)
    stalled.wait_for_ticks(5)
    stalled.reads.clear()
    ended = wait_until(lambda: server.look()["clients"] == before[0]["clients"])
    ann.send("grow", n=10)
    assert 4 < ended < 15
    assert server.look()["tasks"] <= before[0]["tasks"] + 1
    freed = wait_until(lambda: server.sockets <= before[1])
    more = (server.memory - before[2]) / 2**20
    record_property(
        "stalled", f"ended after {ended:.0f} s, socket {freed:.0f} s later, {more:.0f} MB"
    )
    assert more < 30
    assert ann.missed == []


def test_1000_sockets_that_come_and_go_leave_nothing(pair, record_property):
    server = pair[0]

    def come(number):
        with server.open(f"come-{number % 7}") as connection:
            connection.send('{"seq": 1, "type": "join"}')
            while "token" not in connection.recv(timeout=5):
                pass

    def come_and_go(count):
        with ThreadPoolExecutor(8) as pool:
            assert len([*pool.map(come, range(count))]) == count
        server.wait_until_empty()

    come_and_go(300)
    before = server.look(), server.memory, server.sockets
    come_and_go(1000)
    after = server.look(), server.memory, server.sockets
    grown = (after[1] - before[1]) / 2**20
    record_property("1000 sockets", f"{grown:.1f} MB more")
    assert after[0]["tasks"] <= before[0]["tasks"] + 1
    assert after[2] <= before[2] + 1
    assert grown < 5


def test_a_socket_has_a_line_when_it_opens_and_one_when_it_ends(pair, site, room):
    server = site.server(REQUEST_ID_HEADER="X-Request-ID")
    given = {"X-Request-ID": "abcdef-0123456789"}
    client = server.connect(room, additional_headers=given).join()
    client.wait_for_ticks(20)
    client.connection.close()
    lines = [line for line in server.log.splitlines() if "/ws/" in line]
    wait_until(lambda: "closed with 1000" in server.log)
    lines = [line for line in server.log.splitlines() if "/ws/" in line]
    assert ["opened" in line for line in lines] == [True, False]
    assert all(line.endswith("[abcdef-0123456789]") for line in lines)
    with pair[0].open(room, additional_headers=given):
        pass
    wait_until(lambda: f"{room}/ closed" in pair[0].log)
    ids = re.findall(rf"{room}/ \w+.* \[([0-9a-f]{{32}})\]", pair[0].log)
    assert len(ids) == 2
    assert len({*ids}) == 1


def test_a_socket_has_the_user_and_leaves_the_session_alone(pair, room):
    server = pair[0]
    _, cookie = server.get("counter/login/ann/")
    server.get("counter/put/colour/red/", cookie)
    ann = server.connect(room, additional_headers={"Cookie": cookie}).join()
    assert ann.state["players"][ann.player]["user"] == "ann"
    server.get("counter/put/colour/blue/", cookie)
    server.get("counter/put/size/large/", cookie)
    ann.send("add", n=1)
    ann.wait_for(lambda: ann.sum == 1)
    ann.connection.close()
    wait_until(lambda: server.look()["clients"] == 0)
    session, _ = server.get("counter/session/", cookie)
    assert (session["colour"], session["size"]) == ("blue", "large")
    bob = server.connect(room).join()
    assert bob.state["players"][bob.player]["user"] == ""


def test_pings_of_a_client_that_reads_nothing_fill_no_memory(pair, room):
    server, lines = pair[0], [f"GET /ws/counting/{room}/ HTTP/1.1", "Host: 127.0.0.1"]
    lines += ["Origin: http://127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "", ""]
    ping = b"\x89\xfd" + bytes(4 + 125)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        peer.sendall("\r\n".join(lines).encode())
        assert b" 101 " in peer.recv(1000)
        before = server.memory
        for _ in range(500):
            peer.sendall(ping * 1000)
        assert server.memory - before < 20_000_000
