"""Answers of a service, checked against the questions of a release."""

from collections.abc import Iterable, Mapping

from commands import UpdateError

TRUE, FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


def given_answers(items: Iterable[str], questions: Mapping[str, object]) -> dict[str, object]:
    """Return the answers that ``NAME=VALUE`` texts give. Raise ``UpdateError`` for each wrong one."""
    answers: dict[str, object] = {}
    problems = []
    for item in items:
        name, separator, value = item.partition("=")
        asked = questions.get(name)
        if not separator or name not in questions:
            problems.append(
                f"--answer {item!r}: write NAME=VALUE with one of: {', '.join(questions)}"
            )
        elif isinstance(asked, list) and value not in asked:
            problems.append(f"--answer {item!r}: the choices are {', '.join(asked)}")
        elif isinstance(asked, bool) and value.lower() not in TRUE + FALSE:
            problems.append(f"--answer {item!r}: the choices are true, false")
        else:
            answers[name] = value.lower() in TRUE if isinstance(asked, bool) else value
    if problems:
        raise UpdateError("\n".join(problems))
    return answers
