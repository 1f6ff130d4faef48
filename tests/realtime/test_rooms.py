"""Two servers share a room, and one of them is frozen, killed or stopped."""

import signal
import time

import pytest

from tests.realtime.site import is_consecutive, send

LEASE = 0.6  # seconds, of common.realtime.rooms


def test_clients_of_two_servers_see_the_same_ticks(pair, room, watch, record_property):
    ann, bob = (server.connect(room).join() for server in pair)
    ann.wait_for(lambda: len(ann.state["players"]) == 2)
    latencies = []
    for number in range(1, 11):
        start = time.monotonic()
        bob.send("add", n=1)  # Ann's server owns the room.
        ann.wait_for(lambda number=number: ann.state["players"][bob.player]["sum"] == number)
        latencies.append(time.monotonic() - start)
        time.sleep(0.11)
    record_property("input", f"{sorted(latencies)[5]:.3f} s until the other server shows it")
    last = min(ann.ticks[-1], bob.ticks[-1])
    ann.wait_for_ticks(1)
    bob.wait_for_ticks(1)
    first = bob.ticks[0]
    assert (ann.missed, bob.missed, len(watch.owners)) == ([], [], 1)
    assert [tick for tick in ann.ticks if first <= tick <= last] == [*range(first, last + 1)]


def test_another_server_goes_on_while_the_owner_is_frozen(pair, room, watch, record_property):
    owner = pair[0]
    ann, bob = (server.connect(room).join() for server in pair)
    bob.send("add", n=5)
    bob.wait_for(lambda: bob.sum == 5)
    send(owner, signal.SIGSTOP)
    try:
        time.sleep(3)
    finally:
        send(owner, signal.SIGCONT)
    bob.wait_for_ticks(30)
    last = bob.ticks[-1]
    ann.wait_for_tick(last)
    record_property("frozen", f"{bob.gap:.2f} s without a frame")
    assert bob.gap < 3 * LEASE
    assert (bob.missed, bob.sum, bob.state["steps"]) == ([], 5, bob.ticks[-1])
    assert ann.ticks == sorted(set(ann.ticks))  # She may get the last of many frames only.
    assert is_consecutive(watch.ticks)
    assert len(watch.owners) == 2


def test_another_server_goes_on_after_the_owner_was_killed(pair, room, watch, record_property):
    owner = pair[0]
    _ann, bob = (server.connect(room).join() for server in pair)
    bob.send("add", n=5)
    bob.wait_for(lambda: bob.sum == 5)
    send(owner, signal.SIGKILL)
    bob.wait_for(lambda: len(bob.state["players"]) == 1)  # Ann left with her server.
    record_property("killed", f"{bob.gap:.2f} s without a frame")
    assert bob.gap < 3 * LEASE
    assert (bob.missed, bob.sum, bob.state["steps"]) == ([], 5, bob.ticks[-1])
    assert is_consecutive(watch.ticks)
    assert len(watch.owners) == 2


def test_a_stopped_owner_closes_its_sockets_and_hands_over(pair, room, watch, record_property):
    owner = pair[0]
    ann, bob = (server.connect(room).join() for server in pair)
    bob.send("add", n=5)
    bob.wait_for(lambda: bob.sum == 5)
    send(owner, signal.SIGTERM)
    assert ann.closed() == 1012
    assert owner.process.wait(timeout=20) == 0
    bob.wait_for(lambda: len(bob.state["players"]) == 1)
    record_property("stopped", f"{bob.gap:.2f} s without a frame")
    assert bob.gap < LEASE
    assert (bob.missed, bob.sum) == ([], 5)
    assert is_consecutive(watch.ticks)
    assert len(watch.owners) == 2


def test_the_state_outlives_the_only_server(running, pair, room, watch):
    ann = pair[0].connect(room).join()
    ann.send("add", n=5)
    ann.wait_for(lambda: ann.sum == 5)
    for server in pair:
        send(server, signal.SIGTERM)
    for server in pair:
        assert server.process.wait(timeout=20) == 0
    server = running.server()
    again = server.connect(room).join(token=ann.token)
    assert again.player == ann.player
    assert again.sum == 5
    again.wait_for_ticks(60)  # longer than players may be absent
    assert (again.sum, again.missed) == (5, [])
    assert is_consecutive(watch.ticks)
    assert len(watch.owners) == 2


def test_a_player_who_has_left_both_servers_leaves_the_room(pair, room):
    ann, bob = (server.connect(room).join() for server in pair)
    ann.connection.close()
    bob.wait_for(lambda: [*bob.state["players"]] == [bob.player])
    bob.connection.close()
    for server in pair:
        server.wait_until_empty()


@pytest.mark.parametrize("kind", ["good", "forged", "foreign"])
def test_a_token_makes_the_same_player_only_in_its_room(pair, room, kind):
    ann = pair[0].connect(room).join()
    token = {"good": ann.token, "forged": ann.token[:-2] + "xx", "foreign": ann.token}[kind]
    other = f"{room[:-1]}-" if kind == "foreign" else room
    again = pair[1].connect(other).join(token=token)
    assert (again.player == ann.player) == (kind == "good")
    assert pair[0].connect(room).join(token=ann.token).player == ann.player
