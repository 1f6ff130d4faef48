"""The rules of Kogame: ``step`` returns the next state of a board, and does not change the old one.

It needs no Django, event loop or clock, so a test can call it directly. The same state, inputs and
random numbers give the same result in each process. A cell is the number ``y * width + x``.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NotRequired, TypedDict

RATE = 12  # steps a second
SIZE = [48, 32]  # columns and rows
LENGTH = 4  # cells of a new snake
MOST_SNAKES = 20
FOOD = 3  # cells of food for each snake
AWAY = 15 * RATE  # ticks until the snake of a player who has left dies
CHOICES = 16  # places and hues of which a new snake gets the best
DIRECTIONS = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}


class Snake(TypedDict):
    name: str
    hue: int  # degrees
    body: list[int]  # cells, the head first
    dir: str
    score: int
    seq: int  # of the last input of the player; 0 after the player has left
    away: NotRequired[int]  # the tick when the player left


class Death(TypedDict):
    player: str
    name: str
    score: int
    by: NotRequired[str]  # the name of the other snake that this one hit


class State(TypedDict):
    size: list[int]
    snakes: dict[str, Snake]  # by player
    food: list[int]
    deaths: list[Death]  # of this tick
    tick: int


def initial() -> State:
    return {"size": SIZE, "snakes": {}, "food": [], "deaths": [], "tick": 0}


def step(state: State, inputs: Iterable[tuple[str, dict[str, Any]]], rng: random.Random) -> State:
    """Return the state one tick later. Ignore inputs that are impossible now, such as late turns."""
    snakes = {player: snake.copy() for player, snake in state["snakes"].items()}
    new: State = {**state, "snakes": snakes, "deaths": [], "tick": state["tick"] + 1}
    for player, message in inputs:
        _accept(new, player, message, rng)
    _move(new)
    _remove_dead(new)
    taken = _taken(new)
    free = [cell for cell in range(math.prod(new["size"])) if cell not in taken]
    missing = FOOD * len(new["snakes"]) - len(new["food"])
    new["food"] += rng.sample(free, max(0, min(missing, len(free))))
    return new


def _accept(new: State, player: str, message: dict[str, Any], rng: random.Random) -> None:
    if message["type"] == "join" and player not in new["snakes"]:
        _spawn(new, player, message["name"], rng)
    if not (snake := new["snakes"].get(player)):
        return
    snake["seq"] = message.get("seq", 0)
    if message["type"] == "join":
        snake.pop("away", None)
    elif message["type"] == "leave":
        snake.setdefault("away", new["tick"])
    elif message["type"] == "turn" and _ahead(new, snake, message["to"]) != snake["body"][1]:
        # The last possible turn of a tick counts. Each is compared with the body and not with "dir":
        # otherwise two turns in one tick could turn the snake onto its own neck.
        snake["dir"] = message["to"]


def _spawn(new: State, player: str, name: str, rng: random.Random) -> None:
    """Add a snake, far from the others and with a distinct hue, unless the board is full."""
    snakes = new["snakes"].values()
    if len(snakes) < MOST_SNAKES and (places := [*islice(_places(new, rng), CHOICES)]):
        _, direction, body = max(places, key=lambda place: place[0])
        hue = max(
            rng.sample(range(360), CHOICES),
            key=lambda hue: min(
                (abs((hue - snake["hue"] + 180) % 360 - 180) for snake in snakes), default=0
            ),
        )
        new["snakes"][player] = Snake(name=name, hue=hue, body=body, dir=direction, score=0, seq=0)


def _places(new: State, rng: random.Random) -> Iterator[tuple[float, str, list[int]]]:
    """Yield free places, the nearest wall behind them: distance to others, direction and body."""
    width, height = new["size"]
    others = [divmod(n, width) for snake in new["snakes"].values() for n in snake["body"]]
    taken = _taken(new)
    for head in rng.sample(range(width * height), width * height):
        y, x = divmod(head, width)
        walls = [(x, "right"), (width - 1 - x, "left"), (y, "down"), (height - 1 - y, "up")]
        space, direction = min(walls)
        dx, dy = DIRECTIONS[direction]
        body = [head - n * (dy * width + dx) for n in range(LENGTH)]
        if space >= LENGTH - 1 and taken.isdisjoint(body):
            yield min((math.dist((y, x), other) for other in others), default=0), direction, body


def _taken(new: State) -> set[int]:
    return {*new["food"]}.union(*(snake["body"] for snake in new["snakes"].values()))


def _ahead(new: State, snake: Snake, direction: str) -> int:
    """Return the next cell of the head, or its present cell at a wall."""
    (width, height), head, (dx, dy) = new["size"], snake["body"][0], DIRECTIONS[direction]
    x, y = head % width + dx, head // width + dy
    return y * width + x if 0 <= x < width and 0 <= y < height else head


def _move(new: State) -> None:
    """Move all snakes. A head at a wall stays, so its cell is twice in the body, as after a hit."""
    for snake in new["snakes"].values():
        if "away" not in snake:
            head = _ahead(new, snake, snake["dir"])
            eats = head in new["food"]
            snake["body"] = [head, *snake["body"][: None if eats else -1]]
            snake["score"] += eats
    heads = [snake["body"][0] for snake in new["snakes"].values()]
    new["food"] = [cell for cell in new["food"] if cell not in heads]


def _remove_dead(new: State) -> None:
    """Turn snakes into food whose head hit a wall or a snake, or whose player left AWAY ticks ago."""
    snakes, new["snakes"] = new["snakes"], {}
    count = Counter(cell for snake in snakes.values() for cell in snake["body"])
    for player, snake in snakes.items():
        head, since = snake["body"][0], snake.get("away")
        if (count[head] == 1) if since is None else (new["tick"] - since < AWAY):
            new["snakes"][player] = snake
            continue
        new["food"] += snake["body"][1::2]  # without the head, which may be on another snake
        death = Death(player=player, name=snake["name"], score=snake["score"])
        for other, hit in snakes.items():
            if other != player and head in hit["body"]:
                death["by"] = hit["name"]
        new["deaths"].append(death)
