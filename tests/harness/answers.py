"""The sets of answers that the tests bake. They come from ``cookiecutter.json``, so a new question is covered at once."""

import itertools
import json
import random
import shlex
from functools import cache

from tests.harness.project import TEMPLATE

Answers = dict[str, object]

QUESTIONS = {
    name: default
    for name, default in json.loads((TEMPLATE / "cookiecutter.json").read_text()).items()
    if not name.startswith("_")
}
CHOICES = {
    name: [default, not default] if isinstance(default, bool) else default
    for name, default in QUESTIONS.items()
    if not isinstance(default, str)
}


def every() -> list[Answers]:
    """Return every combination of answers to the questions that have choices, the defaults first."""
    return [
        dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())
    ]


@cache
def covering_array(strength: int) -> list[Answers]:
    """Return few combinations, the defaults first, in which any ``strength`` answers occur together.

    Each row is the one that adds most; among several such rows chance decides. The smallest of 200
    attempts is returned, always the same one, because the seed is fixed.
    """
    rows = every()
    tuples: dict[object, int] = {}  # each tuple of answers, and its bit

    def bits(row: Answers) -> int:
        chosen = itertools.combinations(row.items(), min(strength, len(row)))
        return sum(1 << tuples.setdefault(answers, len(tuples)) for answers in chosen)

    covered_by = [bits(row) for row in rows]
    everything = (1 << len(tuples)) - 1
    random_order = random.Random(strength)

    def attempt() -> list[int]:
        numbers, missing = [0], everything & ~covered_by[0]
        while missing:
            gains = [(covered & missing).bit_count() for covered in covered_by]
            best = [number for number, gain in enumerate(gains) if gain == max(gains)]
            numbers.append(random_order.choice(best))
            missing &= ~covered_by[numbers[-1]]
        return numbers

    smallest = min((attempt() for _ in range(200)), key=len)
    return [rows[number] for number in smallest]


# What ``--answers`` may say: how many answers occur together in the combinations whose suites, servers and
# deployment run. Every combination is baked in any case.
STRENGTHS = {"pairs": 2, "all": 3}

# Free text that has broken templates. Each slug would shadow a module if packages were named after it.
NASTY = [
    {
        "project_slug": "class",
        "project_name": 'It\'s "quoted"',
        "description": "'''triple''' and \"\"\"more\"\"\"",
    },
    {
        "project_slug": "test",
        "project_name": "back\\slash \\",
        "description": "\\n is not \\u0041 nor \\",
    },
    {
        "project_slug": "django",
        "project_name": "# not a comment",
        "description": "# jinja, {not} a <%= tag %>",
    },
    {
        "project_slug": "pytest",
        "project_name": "$HOME 100 % `id`",
        "description": "%s %(name)s ${x} $(id)",
    },
    {
        "project_slug": "email",
        "project_name": "<script>alert(1)</script>",
        "description": "a & b &amp; <!-- c -->",
    },
    {"project_slug": "config", "project_name": "👨‍👩‍👧‍👦 family", "description": "🎉"},
    {"project_slug": "users", "project_name": "سرویس ما", "description": "نیم\u200cفاصله"},
    {
        "project_slug": "common",
        "project_name": "no-break\u00a0space",
        "description": "\u00a0soft\u00adhyphen\u200b",
    },
    {"project_slug": "apps", "project_name": "  blanks  ", "description": " around both "},
    {"project_slug": "a", "project_name": "x" * 200, "description": "\\" * 200},
    {"project_slug": "packaging", "project_name": "null", "description": "- [ ] yaml: {a: 1}"},
    {"project_slug": "a" + "-_" * 24 + "9", "project_name": "C#", "description": "| table | row |"},
]


def nasty() -> list[Answers]:
    """Return each nasty text with a combination of its own, so that the text meets many answers."""
    rows = itertools.cycle(covering_array(2))
    return [{**text, **next(rows)} for text in NASTY]


def name_of(answers: Answers) -> str:
    """Return a short, readable id for a test."""
    if "project_slug" in answers:
        return f"nasty-{answers['project_slug']}"[:24]
    return "-".join(
        f"{name}={value}" if isinstance(value, bool) else str(value)
        for name, value in answers.items()
    )


def command_of(answers: Answers) -> str:
    """Return the command that bakes a project with these answers, from the root of the template."""
    words = [f"{name}={value}" for name, value in answers.items()]
    return shlex.join(["uvx", "cookiecutter", ".", "--no-input", "--output-dir", "..", *words])
