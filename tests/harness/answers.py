"""The answer sets that the suite bakes. Read from ``cookiecutter.json``, so that a new question is covered at once."""

import itertools
import json
import shlex

from allpairspy import AllPairs

from tests.harness.project import TEMPLATE

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


def every() -> list[dict[str, object]]:
    """Return every combination of answers to the questions that have choices, the defaults first."""
    return [
        dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())
    ]


def with_text(sets: list[dict[str, object]]) -> list[dict[str, object]]:
    """Give all sets but the first, the defaults, free text that has broken templates."""
    texts = itertools.cycle(NASTY)
    return [sets[0], *({**next(texts), **answers} for answers in sets[1:])]


def pairwise() -> list[dict[str, object]]:
    """Return the defaults, and combinations that bring any two answers together at least once."""
    rows = AllPairs([*CHOICES.values()])
    sets = [dict(zip(CHOICES, row, strict=True)) for row in rows]
    defaults = every()[0]
    return [defaults, *(answers for answers in sets if answers != defaults)]


# Free text that has broken templates, each with a slug that would shadow a module if packages were named after it.
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


# What ``--answers`` may say.
SETS = {"pairwise": lambda: with_text(pairwise()), "all": lambda: with_text(every())}


def name_of(answers: dict[str, object]) -> str:
    """Return a short, readable id for a test."""
    chosen = [
        f"{name}={value}" if isinstance(value, bool) else str(value)
        for name, value in answers.items()
        if name in CHOICES
    ]
    return "-".join(chosen) or f"nasty-{answers['project_slug']}"[:24]


def command_of(answers: dict[str, object]) -> str:
    """Return the command that bakes a project with these answers, from the root of the template."""
    words = [f"{name}={value}" for name, value in answers.items()]
    return shlex.join(["uvx", "cookiecutter", ".", "--no-input", "--output-dir", "..", *words])
