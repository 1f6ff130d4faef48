"""Questions and choices that a release removed, and what becomes of the answers of a service.

``removed.json`` has an entry for each removed question or choice:

    {"question": "ci_provider", "choice": "gitlab", "becomes": "github", "since": "2.0.0", "reason": "…"}

- ``"choice": null`` means the whole question. The choices of a boolean question are "true" and "false".
- ``becomes`` is the choice that replaces a choice, or null: then the user must choose.
  For a question it is ``{"question": "new_name"}``, or null: then nothing replaces it.
"""

import json
from collections.abc import Sequence
from typing import TypedDict


class Entry(TypedDict):
    question: str
    choice: str | None
    becomes: str | dict[str, str] | None
    since: str
    reason: str


def removed_answers(old: dict[str, object], new: dict[str, object]) -> list[tuple[str, str | None]]:
    """Return the questions of ``old``, with None, and the choices that ``new`` does not have.

    Both are contents of ``cookiecutter.json``. A question for text that now has choices counts as removed.
    """
    removed: list[tuple[str, str | None]] = []
    for question, value in old.items():
        if question.startswith("_"):
            continue
        before, now = _choices(value), _choices(new.get(question))
        if question not in new or (before is None and now is not None):
            removed.append((question, None))
        elif before is not None and now is not None:
            removed += [(question, choice) for choice in before if choice not in now]
    return removed


def unexplained(
    old: dict[str, object], new: dict[str, object], entries: Sequence[Entry]
) -> list[tuple[str, str | None]]:
    """Return the removed questions and choices from which ``entries`` do not lead to ``new``.

    An entry whose ``becomes`` is not in ``new`` needs another entry: the chain is followed to its end.
    """
    missing: list[tuple[str, str | None]] = []
    for question, choice in removed_answers(old, new):
        entry = next(
            (e for e in entries if (e["question"], e["choice"]) == (question, choice)), None
        )
        if entry is None:
            missing.append((question, choice))
            continue
        becomes = entry["becomes"]
        others = [other for other in entries if other is not entry]  # so that a circle ends
        if isinstance(becomes, dict):
            missing += unexplained({becomes["question"]: old[question]}, new, others)
        elif becomes is not None:
            missing += unexplained({question: [becomes]}, new, others)
    return missing


def apply_removals(
    answers: dict[str, object], entries: Sequence[Entry], new: dict[str, object]
) -> tuple[dict[str, object], list[str]]:
    """Return the answers for ``new``, and a line for each entry that changed them.

    Entries apply in the order of their releases, and only to answers that ``new`` does not allow.
    So add the answers that the user gives first. Raise ``ValueError`` if the user must choose.
    """
    answers, lines, reasons = dict(answers), list[str](), dict[str, str]()
    for entry in sorted(entries, key=lambda entry: [int(n) for n in entry["since"].split(".")]):
        question, choice, becomes = entry["question"], entry["choice"], entry["becomes"]
        value = answers.get(question)
        concerned = question in answers and choice in (None, _text(value))
        if not concerned or _is_allowed(question, value, new):
            continue
        why = f"(since {entry['since']}: {entry['reason']})"
        if isinstance(becomes, dict):
            target = becomes["question"]
            answers.setdefault(target, answers.pop(question))
            if question in reasons:
                reasons[target] = reasons.pop(question)
            lines.append(f"{question}: now called {target} {why}")
        elif choice is None:
            del answers[question]
            lines.append(f"{question}: {value!r} dropped {why}")
        elif becomes is None:
            reasons[question] = f" {why}"
        else:
            answers[question] = becomes
            lines.append(f"{question}: {value!r} is now {becomes!r} {why}")
    _require_choices(answers, new, reasons)
    return answers, lines


def _require_choices(
    answers: dict[str, object], new: dict[str, object], reasons: dict[str, str]
) -> None:
    """Raise ``ValueError`` for an answer that is none of the choices. cookiecutter refuses bad booleans."""
    for question, value in answers.items():
        if question.startswith("_"):
            continue
        if isinstance(new.get(question), list) and not _is_allowed(question, value, new):
            choices = ", ".join(map(repr, _choices(new[question]) or ()))
            raise ValueError(
                f"{question}: {value!r} is not a choice{reasons.get(question, '')}."
                f" Choose one of {choices}: --answer {question}=…"
            )


def _choices(value: object) -> list[str] | None:
    """Return the choices of a question with this value in ``cookiecutter.json``; None for text."""
    if isinstance(value, bool):
        return ["true", "false"]
    return [_text(choice) for choice in value] if isinstance(value, list) else None


def _is_allowed(question: str, value: object, new: dict[str, object]) -> bool:
    if question not in new:
        return False
    choices = _choices(new[question])
    return choices is None or _text(value) in choices


def _text(answer: object) -> str:
    return json.dumps(answer) if isinstance(answer, bool) else str(answer)
