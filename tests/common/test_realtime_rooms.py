"""Rooms: when they step, what they step, and who owns them."""

import asyncio
import logging
from unittest import mock

import pytest

from common.realtime.bus import Bus, BusError
from common.realtime.rooms import ABSENCE, MAX_ROOMS, PATIENCE, Clock, Room, Rooms
from common.testing import SimpleTestCase
from common.testing.realtime import ManualClock, play, settle
from common_tests.realtime_rooms import Counting

JOIN, ADD, FAIL = {"type": "join"}, {"type": "add", "n": 1}, {"type": "fail"}


class SharedBus(Bus):
    """The end of one process on a bus of several."""

    def __init__(self, processes):
        super().__init__()
        self.processes = processes
        self.processes.append(self)
        self.is_down = False

    def check(self):
        if self.is_down:
            raise BusError("down")

    async def subscribe(self, channel, handler):
        self.check()
        await super().subscribe(channel, handler)
        return self.processes[0].__dict__.get("frame", "")

    async def publish(self, channel, message):
        self.check()
        for bus in self.processes:
            await Bus.publish(bus, channel, message)

    async def claim(self, channel, lease):
        self.check()
        first = self.processes[0]
        if getattr(first, "owner", None) not in {None, self.process}:
            return None
        first.owner = self.process
        return getattr(first, "frame", "")

    async def commit(self, channel, lease, frame):
        self.check()
        first = self.processes[0]
        if first.owner != self.process:
            return False
        first.frame = frame
        await self.publish(channel, frame)
        return True

    async def release(self, channel):
        self.check()
        first = self.processes[0]
        if getattr(first, "owner", None) == self.process:
            first.owner = None


class Rooming(SimpleTestCase):
    def setUp(self):
        # As in open_sockets: the tests of a SimpleTestCase may not use the connections.
        self.enterContext(mock.patch("channels.db.close_old_connections"))

    async def enter(self, bus=None):
        self.clock = getattr(self, "clock", None) or ManualClock()
        rooms = Rooms(bus or Bus(), self.clock)
        return rooms, await rooms.enter(Counting, "a")

    async def joined(self, bus=None):
        rooms, room = await self.enter(bus)
        await room.join("ann")
        await room.send("ann", JOIN)
        await self.clock.advance(0.1)
        return rooms, room


class RoomTests(Rooming):
    async def test_a_room_starts_with_the_first_player_and_stops_after_the_last(self):
        rooms, room = await self.enter()
        await self.clock.advance(10)
        assert room.tick == 0
        await room.join("ann")
        await room.send("ann", JOIN)
        await self.clock.advance(1)
        assert (room.tick, room.state["players"]) == (10, {"ann": 0})
        await room.part("ann")
        await self.clock.advance(ABSENCE + 0.2)
        ticks = room.tick
        assert not room.state["players"]
        await self.clock.advance(10)
        assert room.tick == ticks
        assert rooms.rooms
        rooms.leave(room)
        assert not rooms.rooms

    async def test_a_room_without_guests_goes_on_until_it_is_idle(self):
        rooms, room = await self.joined()
        await room.part("ann")
        rooms.leave(room)
        await self.clock.advance(1)
        assert room.tick == 11
        assert rooms.rooms
        await self.clock.advance(2)
        assert not rooms.rooms

    async def test_at_most_one_late_step_is_made_up_for(self):
        _, room = await self.joined()
        self.clock.now += 0.75  # The process has not run for a while.
        await self.clock.advance(0)
        assert room.tick == 3
        await self.clock.advance(0.2)
        assert room.tick == 5

    async def test_the_same_seed_and_inputs_give_the_same_states(self):
        _, room = await self.joined()
        await room.send("ann", ADD)
        await self.clock.advance(0.1)
        replayed = play(Counting, [("ann", JOIN)], [("ann", ADD)], seed=room.seed)
        assert replayed[-1] == room.state

    async def test_a_step_that_fails_is_left_out_and_logged_once(self):
        _, room = await self.joined()
        with self.assertLogs("common.realtime.rooms", logging.ERROR) as logs:
            await room.send("ann", FAIL)
            await room.send("ann", ADD)
            await self.clock.advance(0.1)
            assert (room.tick, room.state["players"]) == (2, {"ann": 0})
            await room.send("ann", FAIL)
            await self.clock.advance(0.1)
        assert len(logs.records) == 1
        await room.send("ann", ADD)
        await self.clock.advance(0.1)
        assert room.state["players"] == {"ann": 1}

    async def test_a_room_that_only_fails_stops_without_guests(self):
        rooms, room = await self.joined()
        room.step = None
        with self.assertLogs("common.realtime.rooms", logging.ERROR):
            await room.part("ann")
            rooms.leave(room)
            await self.clock.advance(1)
        assert not rooms.rooms

    async def test_a_state_that_json_cannot_write_is_left_out(self):
        _, room = await self.joined()
        with self.assertLogs("common.realtime.rooms", logging.ERROR):
            await room.send("ann", {"type": "add", "n": 10**400})
            await room.send("ann", {"type": "add", "n": 0.5})  # OverflowError
            await self.clock.advance(0.1)
        assert room.state["players"] == {"ann": 0}

    async def test_an_error_after_a_step_is_logged_and_the_room_goes_on(self):
        _, room = await self.joined()
        calls = []

        def stepped(old, new):
            calls.append(new["steps"] - old["steps"])
            room.run_later(fail())
            raise RuntimeError("stepped")

        async def fail():
            raise RuntimeError("beside")

        room.stepped = stepped
        with self.assertLogs("common.realtime.rooms", logging.ERROR) as logs:
            await self.clock.advance(0.1)
            await asyncio.gather(*room.later, return_exceptions=True)
            del room.stepped
        assert calls == [1]
        assert {str(record.exc_info[1]) for record in logs.records} == {"stepped", "beside"}
        await self.clock.advance(1)
        assert room.tick > 5

    async def test_an_idle_room_wakes_with_its_state(self):
        _, room = await self.joined()
        await room.part("ann")
        await self.clock.advance(3)
        steps = room.state["steps"]
        await room.join("ann")
        await room.send("ann", JOIN)
        await self.clock.advance(0.1)
        assert room.state["steps"] == steps + 1

    async def test_work_beside_the_loop_is_awaited_at_the_end(self):
        rooms, room = await self.joined()
        done = []

        async def work():
            await asyncio.sleep(0.01)
            done.append(1)

        room.run_later(work())
        await rooms.stop()
        assert done == [1]
        ticks = room.tick
        await self.clock.advance(1)
        assert room.tick == ticks

    async def test_a_room_that_never_ran_stops(self):
        rooms, room = await self.enter()
        await rooms.stop()
        assert room.task is None

    async def test_without_a_clock_of_a_test_time_passes_by_itself(self):
        self.clock = Clock()
        rooms, room = await self.enter()
        room.rate = 100
        await room.send("ann", JOIN)
        await asyncio.sleep(0.1)
        assert room.tick
        await rooms.stop()

    def test_a_room_without_rules_is_an_error(self):
        for method, *args in (
            (Room.initial, None),
            (Room.step, None, {}, [], None),
            (Room.players, None, {}),
        ):
            with pytest.raises(NotImplementedError):
                method(*args)

    async def test_a_process_has_a_limit_of_rooms(self):
        rooms, _ = await self.enter()
        for number in range(MAX_ROOMS - 1):
            await rooms.enter(Counting, f"room-{number}")
        with pytest.raises(BusError, match="rooms"):
            await rooms.enter(Counting, "more")
        await rooms.enter(Counting, "a")


class ProcessTests(Rooming):
    """Rooms of two processes, each with its own guests."""

    async def test_one_process_owns_the_room_and_both_show_its_frames(self):
        processes = []
        _, ours = await self.joined(SharedBus(processes))
        _, theirs = await self.enter(SharedBus(processes))
        assert theirs.state == ours.state
        await theirs.join("bob")
        await theirs.send("bob", JOIN)
        await theirs.send("bob", ADD)
        await self.clock.advance(3)
        assert ours.state["players"] == {"ann": 0, "bob": 1}
        assert (theirs.tick, theirs.state) == (ours.tick, ours.state)
        assert theirs.owned_since is None
        assert not theirs.waiting
        await theirs.part("bob")
        await self.clock.advance(0.1)
        assert ours.state["players"] == {"ann": 0}

    async def test_another_process_goes_on_from_the_last_state_and_the_waiting_inputs(self):
        processes = []
        _, ours = await self.joined(SharedBus(processes))
        _, theirs = await self.enter(SharedBus(processes))
        ours.task.cancel()  # as if killed: it can no longer release the room
        await theirs.send("ann", ADD)
        processes[0].owner = None  # The lease has ended.
        await self.clock.advance(PATIENCE + 0.4)
        assert theirs.owned_since
        assert theirs.state["players"] == {"ann": 1}
        assert theirs.state["steps"] == theirs.tick == ours.tick

    async def test_a_process_that_has_lost_the_room_shows_nothing_of_its_own(self):
        processes = []
        _, ours = await self.joined(SharedBus(processes))
        _, theirs = await self.enter(SharedBus(processes))
        processes[0].owner = theirs.bus.process
        await ours.send("ann", ADD)
        before = ours.tick
        await self.clock.advance(0.15)
        assert (ours.tick, ours.owned_since) == (before, None)
        await self.clock.advance(1)
        assert ours.owner == theirs.bus.process
        assert ours.state == theirs.state
        assert ours.state["players"] == {"ann": 1}

    async def test_a_room_that_stops_leaves_the_state_to_the_other_process(self):
        processes = []
        rooms, ours = await self.joined(SharedBus(processes))
        _, theirs = await self.enter(SharedBus(processes))
        await rooms.stop()
        assert processes[0].owner is None
        await self.clock.advance(1)
        assert theirs.owned_since
        assert theirs.state["steps"] == theirs.tick > ours.tick

    async def test_a_room_that_the_bus_has_forgotten_begins_anew_for_all(self):
        processes = []
        rooms, ours = await self.joined(SharedBus(processes))
        _, theirs = await self.enter(SharedBus(processes))
        await ours.part("ann")
        await self.clock.advance(3)
        rooms.leave(ours)
        processes[0].frame = ""
        ours = await rooms.enter(Counting, "a")
        await ours.join("ann")
        await ours.send("ann", JOIN)
        await self.clock.advance(0.1)
        assert (theirs.tick, theirs.state) == (ours.tick, ours.state) == (1, ours.state)

    async def test_players_stay_while_their_process_hears_nothing(self):
        processes = []
        _, ours = await self.joined(SharedBus(processes))
        _, theirs = await self.enter(SharedBus(processes))
        await theirs.join("bob")
        await theirs.send("bob", JOIN)
        await self.clock.advance(0.1)
        processes[1].handlers.clear()
        await self.clock.advance(2 * ABSENCE)
        assert theirs.tick < ours.tick
        assert "bob" in ours.state["players"]

    async def test_inputs_that_missed_frames_may_have_taken_are_forgotten(self):
        processes = []
        await self.joined(SharedBus(processes))
        _, theirs = await self.enter(SharedBus(processes))
        theirs.waiting["lost"] = "ann", ADD
        theirs.tick -= 1
        await self.clock.advance(0.1)
        assert not theirs.waiting

    async def test_a_room_stands_still_while_the_bus_is_down_and_then_goes_on(self):
        bus = SharedBus([])
        rooms, room = await self.joined(bus)
        bus.is_down = True
        await self.clock.advance(2)
        assert room.tick == 1
        with pytest.raises(BusError):
            await room.send("ann", ADD)
        await room.part("ann")
        with pytest.raises(BusError):
            await rooms.enter(Counting, "b")
        assert len(rooms.rooms) == 1
        await rooms.stop()
        bus.is_down = False
        assert await rooms.enter(Counting, "b")

    async def test_a_room_that_could_not_open_opens_for_the_next_guest(self):
        bus = SharedBus([])
        rooms, room = await self.enter(bus)
        room.opened = asyncio.get_running_loop().create_future()
        room.opened.set_exception(BusError("down"))
        assert await rooms.enter(Counting, "a") is room
        await settle()
        assert room.opened.exception() is None

    async def test_an_old_room_that_closes_does_not_silence_the_new_one(self):
        rooms, room = await self.enter()
        rooms.leave(room)
        again = await rooms.enter(Counting, "a")
        assert again is not room
        await again.send("ann", JOIN)
        assert again.waiting

    async def test_no_message_starts_a_room_again_that_has_stopped(self):
        rooms, room = await self.joined()
        await rooms.stop()
        await room.send("ann", ADD)
        await self.clock.advance(1)
        assert (room.tick, room.task.done()) == (1, True)
