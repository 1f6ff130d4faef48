"""``.cruft.json``: the template, the commit and the answers that made a service."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from commands import UpdateError

NAME = ".cruft.json"
# A folder of this machine means nothing in another clone of the service. Do not record it.
URL = re.compile(r"(?!file:)[a-z+]+://.+|[\w.-]+@[\w.-]+:.+")


@dataclass(frozen=True)
class Record:
    """What ``.cruft.json`` says, in the format of cruft."""

    state: dict[str, object]
    template: str
    commit: str
    answers: dict[str, object]


def read(service: Path) -> Record:
    """Return the record of a service. Raise ``UpdateError`` if it is missing or unreadable."""
    path = service / NAME
    try:
        state = json.loads(path.read_text())
        context = state["context"]["cookiecutter"]
        answers = {name: value for name, value in context.items() if not name.startswith("_")}
        return Record(state, state["template"], state["commit"], answers)
    except FileNotFoundError:
        raise UpdateError(
            f"{path} is missing: it says which commit and which answers made this service."
            " docs/updating.md of the template tells how to write it."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UpdateError(f"{path} is not what cruft or cookiecutter wrote: {error!r}") from error


def template_of(record: Record, given: str | None) -> str:
    """Return the template to record: the URL that was given, or else the one that is recorded."""
    return given if given and URL.fullmatch(given) else record.template


def write(
    rendering: Path, record: Record, template: str, commit: str, checkout: str | None
) -> None:
    """Complete the record that a rendering has: keep what only the service's own record knows."""
    path = rendering / NAME
    state = record.state | json.loads(path.read_text())
    state |= {"commit": commit, "checkout": checkout}
    state["template"] = template
    state["context"]["cookiecutter"] |= {"_template": template, "_commit": commit}
    text = json.dumps(state, ensure_ascii=False, indent=2, separators=(",", ": "))
    path.write_text(f"{text}\n")
