"""What an update prints of the changelog."""

import re

from notes import news
from tests.harness.project import TEMPLATE

OLD = """# Changelog

## Unreleased

- Add one thing
  on two lines.

### To do when you update

- Do it.

## 1.0.0 – 2026-01-01

- Start.

### To do when you update

Nothing.
"""
NEW = OLD.replace(
    "## Unreleased\n",
    """## Unreleased

### To do when you update

Nothing.

## 1.2.0 – 2026-03-01

- Add a third thing.

### To do when you update

Nothing.

## 1.1.0 – 2026-02-01

- Add another thing
  that needs lines:

      indented.
""",
).replace("- Do it.", "- Do it.\n- Do more.")


def test_only_what_the_service_does_not_have_is_news_the_oldest_release_first():
    assert [(release.title, release.changes, release.to_do) for release in news(OLD, NEW)] == [
        (
            "1.1.0 – 2026-02-01",
            ["- Add another thing\n  that needs lines:\n\n      indented."],
            ["- Do more."],
        ),
        ("1.2.0 – 2026-03-01", ["- Add a third thing."], []),
    ]


def test_each_line_of_the_changelog_of_this_template_is_news_for_a_service_without_one():
    text = (TEMPLATE / "CHANGELOG.md").read_text()
    bullets = [bullet for release in news("", text) for bullet in release.changes + release.to_do]
    listed = "\n".join(bullets).splitlines()
    assert listed == [line for line in text.splitlines() if re.match("- |  ", line)]
