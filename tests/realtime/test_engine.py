"""The rules of Kogame keep their invariants for any inputs, on small boards, where snakes meet often."""

import copy
import json
import random
import runpy
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.project import SOURCE

# Unlike an import, this leaves no __pycache__ in the template.
engine = SimpleNamespace(**runpy.run_path(str(SOURCE / "apps/kogame/engine.py")))

messages: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(dict, type=st.just("join"), name=st.text(max_size=3), seq=st.integers(1, 9)),
    st.builds(
        dict, type=st.just("turn"), to=st.sampled_from([*engine.DIRECTIONS]), seq=st.integers(1, 9)
    ),
    st.sampled_from([{"type": "leave"}, {"type": "other"}]),
)
inputs = st.lists(st.tuples(st.sampled_from("abcdef"), messages), max_size=6)
sizes = st.tuples(st.integers(4, 14), st.integers(4, 14)).map(list)
# A game of long pauses lets players stay away for too long.
games = st.lists(st.tuples(inputs, st.sampled_from([1, 1, 1, 5, engine.AWAY])), max_size=25)


def steps(size, game, seed):
    """Yield each state of a game, the inputs, the next state and the random numbers of the step."""
    state = engine.initial() | {"size": size}
    for pushed, pause in game:
        for given_inputs in [pushed, *[[]] * (pause - 1)]:
            number = f"{seed}:{state['tick']}"
            new = engine.step(state, given_inputs, random.Random(number))
            yield state, given_inputs, new, number
            state = new


def cells(state):
    return [cell for snake in state["snakes"].values() for cell in snake["body"]] + state["food"]


@settings(max_examples=200, deadline=None, database=None)
@given(sizes, games, st.integers())
def test_no_cell_is_used_twice_and_each_snake_is_a_line_as_long_as_its_score(size, game, seed):
    width, height = size
    for _, _, state, _ in steps(size, game, seed):
        assert len({*cells(state)} & {*range(width * height)}) == len(cells(state))
        for snake in state["snakes"].values():
            assert len(snake["body"]) == engine.LENGTH + snake["score"]
            points = [divmod(cell, width) for cell in snake["body"]]
            for (y, x), (next_y, next_x) in pairwise(points):
                assert abs(y - next_y) + abs(x - next_x) == 1


@settings(max_examples=100, deadline=None, database=None)
@given(sizes, games, st.integers())
def test_a_step_changes_no_old_state_and_is_the_same_after_a_round_trip_through_json(
    size, game, seed
):
    for old, given_inputs, new, number in steps(size, game, seed):
        before = copy.deepcopy(old)
        stored = json.loads(json.dumps(old))
        assert engine.step(stored, given_inputs, random.Random(number)) == new
        engine.step(old, given_inputs, random.Random())
        assert old == before


@settings(max_examples=200, deadline=None, database=None)
@given(sizes, games, st.integers())
def test_a_snake_moves_one_cell_or_waits_or_is_among_the_deaths(size, game, seed):
    for old, _, new, _ in steps(size, game, seed):
        dead = {death["player"] for death in new["deaths"]}
        assert dead.isdisjoint(new["snakes"])
        assert {*old["snakes"]} <= {*new["snakes"]} | dead
        for player in old["snakes"].keys() & new["snakes"].keys():
            before, after = old["snakes"][player], new["snakes"][player]
            moved = after["body"] if "away" in after else after["body"][1:]
            assert moved == before["body"][: len(moved)]
