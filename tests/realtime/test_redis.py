"""Redis dies, comes back empty, freezes: rooms wait, and go on where they were."""

import signal
import time

import pytest

JOIN = '{"seq": 1, "type": "join"}'


def test_rooms_go_on_after_redis_was_killed_and_came_back_empty(pair, room, redis, record_property):
    ann, bob = (server.connect(room).join() for server in pair)
    bob.send("add", n=5)
    bob.wait_for(lambda: bob.sum == 5)
    logged = [len(server.log) for server in pair]
    redis.kill()
    time.sleep(1)
    assert pair[0].code_of(f"{room[1:]}-", JOIN) == 1013
    assert pair[0].code_of(room, JOIN) == 1013
    redis.start()
    started, last = time.monotonic(), bob.ticks[-1]
    bob.wait_for_ticks(1)
    record_property("Redis", f"{time.monotonic() - started:.2f} s until rooms go on")
    for client in (ann, bob):
        client.wait_for_tick(last + 60)
        assert client.ticks == sorted(set(client.ticks))
        assert client.state["players"][bob.player]["sum"] == 5
    assert bob.ticks[-1] - bob.state["steps"] <= 1  # A step may have been shown by one server only.
    for server, start in zip(pair, logged, strict=True):
        lines = [line for line in server.log[start:].splitlines() if " Redis: " in line]
        assert len(lines) == 2
        assert "answers again" in lines[1]


def test_a_server_whose_rooms_are_empty_finds_redis_again(pair, room, redis):
    for server in pair:
        server.connect(room).connection.close()
        server.wait_until_empty()
    logged = [len(server.log) for server in pair]
    redis.kill()
    redis.start()
    for server, start in zip(pair, logged, strict=True):
        server.wait_for_line("answers again", start)
        server.connect(room).join()


def test_rooms_go_on_after_redis_was_frozen(pair, room, redis, watch, record_property):
    ann, bob = (server.connect(room).join() for server in pair)
    bob.send("add", n=5)
    bob.wait_for(lambda: bob.sum == 5)
    redis.send(signal.SIGSTOP)
    try:
        time.sleep(2)
    finally:
        redis.send(signal.SIGCONT)
    bob.wait_for_ticks(60)
    record_property("frozen", f"{bob.gap:.2f} s without a frame")
    last = bob.ticks[-1]
    ann.wait_for_tick(last)
    assert bob.gap < 4
    assert bob.sum == 5
    assert bob.ticks == sorted(set(bob.ticks))
    assert watch.ticks == sorted(set(watch.ticks))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_without_redis_stops_at_sigterm(running, pair, room, redis, number):
    pair[0].connect(room).join()
    redis.send(number)
    try:
        pair[0].process.terminate()
        assert pair[0].process.wait(timeout=20) == 0
    finally:
        if number == signal.SIGKILL:
            redis.start()
        else:
            redis.send(signal.SIGCONT)
