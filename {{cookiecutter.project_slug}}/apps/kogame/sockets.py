"""The room and the consumer of Kogame: they apply the rules of ``engine``, and save scores."""

import random
from collections.abc import Collection
from typing import Any
from uuid import uuid4

from django.urls import re_path

from apps.kogame import engine
from common.realtime.consumers import RoomConsumer
from common.realtime.rooms import Input, Room


class Kogame(Room):
    rate = engine.RATE

    def initial(self) -> Any:
        return engine.initial()

    def step(self, state: Any, inputs: list[Input], rng: random.Random) -> Any:
        return engine.step(state, inputs, rng)

    def players(self, state: Any) -> Collection[str]:
        return [*state["snakes"]]

    def stepped(self, old: Any, new: Any) -> None:
        for death in new["deaths"]:
            if death["score"]:
                self.run_later(save_score(death["name"], death["score"], self.name))


async def save_score(name: str, score: int, room: str) -> None:
    # jinja: if cookiecutter.background_jobs
    from apps.kogame import tasks

    save = tasks.save_score.aenqueue
    # jinja: else
    from apps.kogame.models import Score

    save = Score.objects.acreate
    # jinja: endif
    await save(id=str(uuid4()), name=name, score=score, room=room)


class KogameConsumer(RoomConsumer):
    room_class = Kogame

    def clean(self, message: dict[str, Any]) -> dict[str, Any]:
        match message:
            case {"type": "join", "name": str(text)} if (
                0 < len(name := text.strip()) <= 16 and name.isprintable()
            ):
                return {"type": "join", "name": name, "seq": message["seq"]}
            case {"type": "turn", "to": str(to)} if to in engine.DIRECTIONS:
                return {"type": "turn", "to": to, "seq": message["seq"]}
        raise ValueError('use "join" with a "name" of 1 to 16 characters, or "turn" with "to"')


websocket_urlpatterns = [
    re_path(r"^ws/kogame/(?P<room>[a-z0-9-]{1,32})/$", KogameConsumer.as_asgi())
]
