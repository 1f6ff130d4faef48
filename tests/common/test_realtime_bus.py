"""The bus of several processes, on a real Redis server: REALTIME_TEST_URL."""

import asyncio
import logging
import os
import uuid
from contextlib import asynccontextmanager
from unittest import mock

import pytest

from common.realtime.bus import Bus, BusError, RedisBus, frame_key, from_settings
from common.testing import SimpleTestCase

URL = os.environ.get("REALTIME_TEST_URL", "")


async def eventually(condition):
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not happen")


@asynccontextmanager
async def buses(number=2):
    """Give the ends of several processes, and a channel of this test."""
    ends = [RedisBus(URL) for _ in range(number)]
    try:
        yield *ends, uuid.uuid4().hex
    finally:
        for bus in ends:
            await bus.close()


@pytest.mark.skipif(not URL, reason="REALTIME_TEST_URL is not set")
class RedisBusTests(SimpleTestCase):
    async def test_one_process_owns_a_room_until_it_releases_it(self):
        async with buses() as (ours, theirs, channel):
            assert await ours.claim(channel, 5000) == ""
            assert await ours.commit(channel, 5000, "frame 1")
            assert await theirs.claim(channel, 5000) is None
            assert not await theirs.commit(channel, 5000, "frame 2")
            await theirs.release(channel)
            assert await ours.claim(channel, 5000) == "frame 1"
            await ours.release(channel)
            assert await theirs.claim(channel, 5000) == "frame 1"

    async def test_a_lease_ends_unless_frames_renew_it(self):
        async with buses() as (ours, theirs, channel):
            await ours.claim(channel, 300)
            for _ in range(4):
                await asyncio.sleep(0.1)
                assert await ours.commit(channel, 300, "frame")
                assert await theirs.claim(channel, 300) is None
            await asyncio.sleep(0.35)
            assert await theirs.claim(channel, 300) == "frame"
            assert not await ours.commit(channel, 300, "late")

    async def test_the_owner_keeps_a_room_that_redis_has_forgotten(self):
        async with buses() as (ours, theirs, channel):
            await ours.claim(channel, 5000)
            await ours.commit(channel, 5000, "frame 1")
            await ours.redis.delete(f"{frame_key(channel)}:owner", frame_key(channel))
            assert await ours.commit(channel, 5000, "frame 2")
            assert await theirs.claim(channel, 5000) is None
            assert 4000 < await ours.redis.pttl(f"{frame_key(channel)}:owner") <= 5000

    async def test_who_subscribes_gets_the_last_frame_and_all_later_messages(self):
        async with buses() as (ours, theirs, channel):
            await ours.claim(channel, 5000)
            await ours.commit(channel, 5000, "frame 1")
            messages, others = [], []
            assert await theirs.subscribe(channel, messages.append) == "frame 1"
            assert await theirs.subscribe(f"{channel}-other", others.append) == ""
            await ours.commit(channel, 5000, "frame 2")
            await ours.publish(channel, "input")
            await eventually(lambda: len(messages) == 2)
            assert (messages, others) == (["frame 2", "input"], [])
            theirs.unsubscribe(channel, others.append)  # not the handler
            await ours.publish(channel, "more")
            await eventually(lambda: len(messages) == 3)
            theirs.unsubscribe(channel, messages.append)
            await ours.publish(channel, "lost")
            await ours.publish(f"{channel}-other", "seen")
            await eventually(lambda: others)
            assert len(messages) == 3

    async def test_rooms_may_open_while_the_first_one_connects(self):
        async with buses(1) as (ours, channel):

            async def subscribe(turns):
                for _ in range(turns):
                    await asyncio.sleep(0)
                return await ours.subscribe(f"{channel}-{turns}", print)

            assert await asyncio.gather(*map(subscribe, range(60))) == [""] * 60

    async def test_a_thousand_messages_may_be_sent_at_once(self):
        async with buses() as (ours, theirs, channel):
            messages = []
            await theirs.subscribe(channel, messages.append)
            await asyncio.gather(*(ours.publish(channel, str(n)) for n in range(1000)))
            await eventually(lambda: len(messages) == 1000)

    async def test_redis_forgets_a_room_that_nobody_plays(self):
        async with buses(1) as (ours, channel):
            await ours.claim(channel, 5000)
            await ours.commit(channel, 5000, "frame")
            assert 3500 < await ours.redis.ttl(frame_key(channel)) <= 3600
            assert 4000 < await ours.redis.pttl(f"{frame_key(channel)}:owner") <= 5000

    async def test_a_lost_connection_is_made_again_and_logged_once(self):
        async with buses() as (ours, theirs, channel):
            messages = []
            await theirs.subscribe(channel, messages.append)
            with self.assertLogs("common.realtime.bus", logging.WARNING) as logs:
                await ours.redis.client_kill_filter(_type="pubsub")
                await eventually(lambda: theirs.is_down)
                await eventually(lambda: theirs.pubsub and not theirs.confirmed)
                await theirs.publish(channel, "a")
                await eventually(lambda: messages)
            lines = [record.getMessage() for record in logs.records]
            assert len(lines) == 2
            assert lines[-1] == "Redis: answers again"

    async def test_a_connection_that_is_lost_without_a_word_is_made_again(self):
        with mock.patch("common.realtime.bus.SILENCE", 0.1):
            async with buses(1) as (ours, channel):
                messages = []
                await ours.subscribe(channel, messages.append)
                lost = ours.pubsub
                await asyncio.sleep(0.5)
                assert ours.pubsub is lost  # Redis answers.
                with self.assertLogs("common.realtime.bus", logging.WARNING):
                    lost.connection._writer.transport.pause_reading()
                    await eventually(lambda: ours.pubsub not in {None, lost})
                await eventually(lambda: not ours.is_down)
                await ours.publish(channel, "a")
                await eventually(lambda: messages == ["a"])

    async def test_an_error_while_the_lost_connections_are_closed_does_not_end_the_bus(self):
        async with buses(1) as (ours, channel):
            await ours.subscribe(channel, print)
            pool = ours.redis.connection_pool
            with (
                mock.patch.object(pool, "disconnect", side_effect=TimeoutError) as disconnect,
                self.assertLogs("common.realtime.bus", logging.WARNING),
            ):
                await ours.redis.client_kill_filter(_type="pubsub")
                await eventually(lambda: disconnect.called and ours.pubsub)
            assert await ours.subscribe(f"{channel}-more", print) == ""

    async def test_a_message_that_cannot_be_handled_does_not_stop_the_others(self):
        async with buses(1) as (ours, channel):
            messages = []

            def handle(text):
                messages.append(text)
                raise ValueError(text)

            await ours.subscribe(channel, handle)
            with self.assertLogs("common.realtime.bus", logging.ERROR):
                for text in ("a", "b"):
                    await ours.publish(channel, text)
                await eventually(lambda: len(messages) == 2)

    async def test_a_confirmation_that_comes_too_late_does_nothing(self):
        async with buses(1) as (ours, channel):
            late = ours.confirmed[channel] = asyncio.get_running_loop().create_future()
            late.cancel()
            ours.handle({"type": "subscribe", "channel": channel, "data": 1})
            assert not ours.confirmed

    async def test_the_settings_choose_the_bus(self):
        assert type(from_settings()) is Bus
        with self.settings(REALTIME_URL=URL):
            bus = from_settings()
        assert type(bus) is RedisBus
        await bus.close()


class UnreachableTests(SimpleTestCase):
    async def test_a_server_that_does_not_answer_is_one_error_and_one_line(self):
        pytest.importorskip("redis")
        bus = RedisBus("redis://127.0.0.1:1/0")
        with self.assertLogs("common.realtime.bus", logging.WARNING) as logs:
            for _ in range(2):
                with pytest.raises(BusError):
                    await bus.publish("a", "message")
            with pytest.raises(BusError):
                await bus.subscribe("a", print)
        assert len(logs.records) == 1
        await bus.close()
