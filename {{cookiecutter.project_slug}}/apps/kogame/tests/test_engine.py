"""How to test the rules of a game: call ``step`` with a state, without server, clock or database."""

import json
import random

import pytest

from apps.kogame.engine import AWAY, DIRECTIONS, MOST_SNAKES, initial, step

WIDTH, HEIGHT = 16, 12


def cells(*points):
    return [y * WIDTH + x for x, y in points]


def snake(to, *points, name="Ann", score=0):
    body = cells(*points)
    return {"name": name, "hue": 0, "body": body, "dir": to, "score": score, "seq": 0}


def board(food=(), **snakes):
    return initial() | {"size": [WIDTH, HEIGHT], "snakes": snakes, "food": cells(*food)}


def play(state, *inputs, seed=1):
    return step(state, inputs, random.Random(seed))  # noqa: S311 -- no secret


ANN = snake("right", (5, 3), (4, 3), (3, 3), (2, 3))
JOIN, LEAVE = {"type": "join", "name": "Ann"}, {"type": "leave"}
TURN = {to: {"type": "turn", "to": to, "seq": 7} for to in DIRECTIONS}


def test_a_player_who_joins_gets_a_snake_far_from_the_others_and_with_another_hue():
    ben = play(board(ann=ANN), ("ben", {"type": "join", "name": "Ben"}))["snakes"]["ben"]
    assert (ben["name"], len(ben["body"])) == ("Ben", 4)
    assert ben["body"][0] % WIDTH > 9  # Ann's is at 5
    assert 90 < ben["hue"] < 270  # and hers is 0


def test_a_player_who_joins_a_full_room_gets_none():
    crowd = play(initial(), *[(str(n), JOIN) for n in range(MOST_SNAKES + 1)])
    assert [*crowd["snakes"]] == [str(n) for n in range(MOST_SNAKES)]


def test_a_new_snake_has_its_back_to_the_nearest_wall():
    for seed in range(50):
        new = play(board(), ("ann", JOIN), seed=seed)["snakes"]["ann"]
        y, x = divmod(new["body"][1], WIDTH)  # where it began, a step ago
        walls = {"right": x, "left": WIDTH - 1 - x, "down": y, "up": HEIGHT - 1 - y}
        assert walls[new["dir"]] == min(walls.values())


def test_a_snake_moves_and_turns():
    assert play(board(ann=ANN))["snakes"]["ann"]["body"] == cells((6, 3), (5, 3), (4, 3), (3, 3))
    turned = play(board(ann=ANN), ("ann", TURN["up"]))["snakes"]["ann"]
    assert (turned["body"], turned["seq"]) == (cells((5, 2), (5, 3), (4, 3), (3, 3)), 7)


def test_a_snake_cannot_turn_onto_its_neck_even_by_two_quick_turns():
    turned = play(board(ann=ANN), ("ann", TURN["up"]), ("ann", TURN["left"]))
    assert turned["snakes"]["ann"]["dir"] == "up"


def test_a_snake_that_eats_grows_and_there_is_new_food():
    fed = play(board(food=[(6, 3)], ann=ANN))
    assert fed["snakes"]["ann"] == ANN | {"body": cells((6, 3)) + ANN["body"], "score": 1}
    assert len(fed["food"]) == 3


def test_a_wall_is_deadly_and_the_snake_becomes_food():
    dead = play(board(ann=snake("left", (0, 5), (1, 5), (2, 5), (3, 5), score=2)))
    assert dead["deaths"] == [{"player": "ann", "name": "Ann", "score": 2}]
    assert dead["food"] == cells((0, 5), (2, 5))
    assert play(dead)["deaths"] == []


def test_a_snake_that_hits_another_dies_by_it_and_head_to_head_both_die():
    ben = snake("up", (6, 2), (6, 3), (6, 4), (6, 5), name="Ben")
    assert [death["by"] for death in play(board(ann=ANN, ben=ben))["deaths"]] == ["Ben"]
    ben = snake("up", (6, 4), (6, 5), (6, 6), (6, 7), name="Ben")
    assert [death["by"] for death in play(board(ann=ANN, ben=ben))["deaths"]] == ["Ben", "Ann"]


def test_the_snake_of_a_player_who_left_waits_and_goes_on_when_the_player_is_back():
    away = play(play(board(ann=ANN), ("ann", LEAVE)), ("ann", LEAVE))
    assert away["snakes"]["ann"] == ANN | {"away": 1}
    assert play(away, ("ann", JOIN))["snakes"] == play(board(ann=ANN))["snakes"]


def test_the_snake_of_a_player_who_stays_away_dies():
    state = board(ann=ANN | {"away": 0}) | {"tick": AWAY - 2}
    assert play(state)["deaths"] == []
    assert play(play(state))["deaths"] == [{"player": "ann", "name": "Ann", "score": 0}]


@pytest.mark.parametrize("seed", range(20))
def test_in_any_game_no_cell_is_used_twice_and_the_same_inputs_give_the_same_game(seed):
    rng, state = random.Random(seed), board()  # noqa: S311 -- no secret
    messages = [JOIN, JOIN, LEAVE, {"type": "unknown"}, *TURN.values()]
    for tick in range(100):
        inputs = [(rng.choice("abcdef"), rng.choice(messages)) for _ in range(rng.randrange(4))]
        before = json.dumps(state)
        new = play(state, *inputs, seed=tick)
        assert json.dumps(state) == before  # A step does not change it.
        assert play(json.loads(before), *inputs, seed=tick) == new
        used = new["food"] + [cell for snake in new["snakes"].values() for cell in snake["body"]]
        assert len({*used} & {*range(WIDTH * HEIGHT)}) == len(used)
        state = new
