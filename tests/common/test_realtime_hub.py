"""The hub: patches, snapshots, and clients that do not read."""

import asyncio
import json
import random

from common.realtime import hub
from common.realtime.hub import Client, Hub, diff
from common.testing import SimpleTestCase


def merge(target, patch):
    """Apply a JSON merge patch, as RFC 7386 defines it."""
    target = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value) if isinstance(value, dict) else value
    return target


def any_state(rng, depth=3):
    values = [0, 1, 1.5, "", "a", True, [], [1, {"a": None}], {}]
    return {
        key: any_state(rng, depth - 1) if depth and rng.random() < 0.5 else rng.choice(values)
        for key in rng.sample("abcde", rng.randrange(6))
    }


class Browser:
    """A socket that takes messages, or that waits while it is ``stuck``."""

    def __init__(self):
        self.messages = []
        self.can_read = asyncio.Event()
        self.can_read.set()
        self.aborts = 0
        self.client = Client(self.take, self.abort)

    async def take(self, message):
        await self.can_read.wait()
        self.messages.append(json.loads(message["text"]))

    def abort(self):
        self.aborts += 1


async def published(hub, *states):
    for state in states:
        hub.publish(hub.tick + 1, state)
        await asyncio.sleep(0)


class DiffTests(SimpleTestCase):
    def test_a_patch_makes_the_new_state_of_the_old_one(self):
        rng = random.Random(1)
        for _ in range(2000):
            old, new = any_state(rng), any_state(rng)
            assert merge(old, diff(old, new)) == new, (old, new)

    def test_a_patch_holds_only_what_changes(self):
        old = {"a": {"x": 1, "y": [1]}, "b": 1, "c": 2}
        assert diff(old, old) == {}
        assert diff({"a": 1, "b": False}, {"a": True, "b": 0}) == {"a": True, "b": 0}
        assert diff(old, {"a": {"x": 1, "y": [2]}, "c": 2}) == {"a": {"y": [2]}, "b": None}


class HubTests(SimpleTestCase):
    async def test_a_new_client_gets_a_snapshot_and_then_patches(self):
        hub, browser = Hub({"a": 0}), Browser()
        hub.clients.add(browser.client)
        await published(hub, {"a": 1, "b": 1}, {"a": 2, "b": 1})
        assert browser.messages == [
            {"tick": 1, "state": {"a": 1, "b": 1}},
            {"tick": 2, "patch": {"a": 2}},
        ]

    async def test_all_get_a_snapshot_when_a_frame_is_missing(self):
        hub, browser = Hub({}), Browser()
        hub.clients.add(browser.client)
        await published(hub, {"a": 1})
        hub.publish(7, {"a": 2})
        await asyncio.sleep(0)
        assert browser.messages[-1] == {"tick": 7, "state": {"a": 2}}

    async def test_a_client_that_does_not_read_costs_the_others_nothing_and_gets_the_latest_state(
        self,
    ):
        hub, slow, quick = Hub({}), Browser(), Browser()
        hub.clients |= {slow.client, quick.client}
        slow.can_read.clear()
        await published(hub, *({"a": n} for n in range(100)))
        slow.can_read.set()
        await asyncio.sleep(0)
        await published(hub, {"a": 100}, {"a": 101})
        assert [message["tick"] for message in quick.messages] == [*range(1, 103)]
        assert slow.messages == [
            {"tick": 1, "state": {"a": 0}},
            {"tick": 101, "state": {"a": 100}},
            {"tick": 102, "patch": {"a": 101}},
        ]
        assert not slow.aborts

    async def test_a_client_that_does_not_read_for_too_long_is_ended(self):
        browser = Browser()
        browser.can_read.clear()
        with self.subTest(stall=0):
            hub.MAX_STALL, before = -1, hub.MAX_STALL
            self.addCleanup(setattr, hub, "MAX_STALL", before)
            assert browser.client.offer("{}")
            await asyncio.sleep(0)
            assert not browser.client.offer("{}")
        assert browser.aborts == 1
        browser.client.close()
        await asyncio.sleep(0)
        assert browser.client.task.cancelled()

    async def test_a_socket_that_is_lost_disturbs_nobody(self):
        async def fail(message):
            raise ConnectionResetError

        async def fail_later(message):
            await asyncio.sleep(0)
            raise ConnectionResetError

        hub, browser = Hub({}), Browser()
        hub.clients |= {Client(fail, int), Client(fail_later, int), browser.client}
        await published(hub, {"a": 1}, {"a": 2})
        assert len(browser.messages) == 2

    async def test_a_client_may_ask_for_a_snapshot(self):
        hub, browser = Hub({"a": 0}), Browser()
        hub.send_snapshot(browser.client)
        await asyncio.sleep(0)
        assert browser.messages == [{"tick": 0, "state": {"a": 0}}]
