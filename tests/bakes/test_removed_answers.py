"""A question or choice that went away has an entry in removed.json, which changes the answers of services."""

import json

import pytest

from releases import last_release, parse, removals
from removed import Entry, apply_removals, removed_answers, unexplained
from tests.harness.answers import QUESTIONS
from tests.harness.project import TEMPLATE

ENTRIES = json.loads((TEMPLATE / "updater/removed.json").read_text())


def entry(question, choice, becomes, since="2.0.0"):
    return Entry(question=question, choice=choice, becomes=becomes, since=since, reason="Why.")


def renamed(old, new, since="2.0.0"):
    return entry(old, None, {"question": new}, since)


def test_the_last_release_has_no_question_or_choice_that_went_away_unexplained(monkeypatch):
    monkeypatch.delenv("GIT_DIR", raising=False)  # set if a hook of git runs the tests
    last = last_release(TEMPLATE)
    assert last is None or removals(TEMPLATE, last)[1] == []


def is_sound(item, entries, questions):
    """Return whether the entry has its keys, names something removed and leads to what exists."""
    if item.keys() != Entry.__annotations__.keys() or not (parse(item["since"]) and item["reason"]):
        return False
    before: object = [item["choice"]] if item["choice"] is not None else []
    if item["choice"] is None and item["question"] in questions:
        before = "text"  # A question for text that has choices now.
    old = {item["question"]: before}
    return bool(removed_answers(old, questions)) and not unexplained(old, questions, entries)


def test_each_entry_names_something_removed_and_leads_to_a_question_or_choice():
    assert [item for item in ENTRIES if not is_sound(item, ENTRIES, QUESTIONS)] == []


@pytest.mark.parametrize(
    ("item", "sound"),
    [
        (entry("ci", "a", "b"), True),
        (entry("ci", "a", None), True),
        (entry("ci", None, None), True),
        (entry("gone", None, None), True),
        (renamed("gone", "ci"), True),
        (renamed("gone", "typo"), False),
        (entry("ci", "a", "typo"), False),
        (entry("ci", "b", None), False),
        (entry("name", None, None), False),
        (entry("ci", "a", "b", since="2.0"), False),
        ({"question": "gone", "choice": None}, False),
    ],
)
def test_an_entry_is_judged_by_the_questions_that_exist(item, sound):
    assert is_sound(item, [item], {"ci": ["b", "c"], "name": "text"}) == sound


@pytest.mark.parametrize(
    ("old", "new", "removed"),
    [
        ({"ci": ["a", "b"]}, {"ci": ["b", "a", "c"]}, []),
        ({"ci": ["a", "b"]}, {"ci": ["b"]}, [("ci", "a")]),
        ({"ci": ["a", "b"]}, {}, [("ci", None)]),
        ({"ci": ["a", "b"]}, {"ci": "any text"}, []),
        ({"ci": "any text"}, {"ci": ["a", "b"]}, [("ci", None)]),
        ({"shop": True}, {"shop": ["true", "small"]}, [("shop", "false")]),
        ({"shop": True}, {"shop": False}, []),
        ({"_django": {}, "__prompts__": {}, "__checked": ""}, {}, []),
    ],
)
def test_removed_are_the_answers_that_a_release_does_not_allow_any_more(old, new, removed):
    assert removed_answers(old, new) == removed


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        ([entry("ci", "a", "b")], []),
        ([entry("ci", "a", None)], []),
        ([entry("ci", "b", "c")], [("ci", "a")]),
        ([entry("ci", "a", "d")], [("ci", "d")]),
        ([entry("ci", "a", "d"), entry("ci", "d", "c")], []),
        ([entry("ci", "a", "d"), entry("ci", "d", "a")], [("ci", "a")]),
    ],
)
def test_a_choice_is_explained_if_the_entries_lead_to_one_that_exists(entries, missing):
    assert unexplained({"ci": ["a", "b"]}, {"ci": ["b", "c"]}, entries) == missing


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        ([entry("old", None, None)], []),
        ([renamed("old", "typo")], [("typo", None)]),
        ([renamed("old", "new")], [("new", "a")]),
        ([renamed("old", "new"), entry("new", "a", "b")], []),
        ([renamed("old", "mid"), renamed("mid", "new"), entry("new", "a", "b")], []),
    ],
)
def test_a_question_is_explained_if_its_new_name_and_its_choices_exist(entries, missing):
    assert unexplained({"old": ["a", "b"]}, {"new": ["b", "c"]}, entries) == missing


@pytest.mark.parametrize(
    ("before", "entries", "after"),
    [
        ({"ci": "b"}, [entry("ci", "b", "c")], {"ci": "b"}),
        ({"ci": "a"}, [entry("ci", "a", "b")], {"ci": "b"}),
        ({"ci": "x"}, [entry("ci", "y", "b", "10.0.0"), entry("ci", "x", "y", "9.0.0")], {"ci": "b"}),
        ({"ci": True}, [entry("ci", "true", "c")], {"ci": "c"}),
        ({"old": "b"}, [renamed("old", "ci")], {"ci": "b"}),
        ({"old": "a"}, [renamed("old", "mid", "1.0.0"), renamed("mid", "ci"), entry("ci", "a", "c", "3.0.0")], {"ci": "c"}),
        ({"old": "b", "ci": "c"}, [renamed("old", "ci")], {"ci": "c"}),
        ({"old": "b"}, [entry("old", None, None)], {}),
        ({"old": "b"}, [entry("old", "b", None, "1.0.0"), entry("old", None, None)], {}),
        ({"ci": "b", "_extensions": ["x"]}, [], {"ci": "b", "_extensions": ["x"]}),
    ],
)  # fmt: skip
def test_entries_change_the_answers_that_are_not_allowed_any_more(before, entries, after):
    kept = dict(before)
    answers, lines = apply_removals(before, entries, {"ci": ["b", "c"], "_extensions": []})
    assert answers == after
    assert before == kept
    assert bool(lines) == (after != before)


def test_each_applied_entry_is_explained_in_one_line():
    entries = [renamed("old", "mid", "1.0.0"), entry("mid", "a", "b"), entry("gone", None, None)]
    _, lines = apply_removals({"old": "a", "gone": "x"}, entries, {"mid": ["b"]})
    assert lines == [
        "old: now called mid (since 1.0.0: Why.)",
        "mid: 'a' is now 'b' (since 2.0.0: Why.)",
        "gone: 'x' dropped (since 2.0.0: Why.)",
    ]


def test_a_choice_that_nothing_replaces_asks_the_user_to_choose():
    entries = [renamed("old", "ci", "3.0.0"), entry("old", "a", None, "2.0.0")]
    with pytest.raises(ValueError, match="choice") as error:
        apply_removals({"old": "a"}, entries, {"ci": ["b", "c"]})
    assert str(error.value) == (
        "ci: 'a' is not a choice (since 2.0.0: Why.). Choose one of 'b', 'c': --answer ci=…"
    )
    assert apply_removals({"ci": "c"}, entries, {"ci": ["b", "c"]})[0] == {"ci": "c"}
