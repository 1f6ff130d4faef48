import pytest

from common.management.commands.startapp import add_app


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A: list = [\n\t'a',\n]\nB = 1\n", "A: list = [\n\t'a',\n\t'x',\n]\nB = 1\n"),
        ("A = [\r\n  'a',  # \r\n]\r\n", "A = [\r\n  'a',  # \r\n  'x',\r\n]\r\n"),
        ("A = [\r\n  'a',\r\n]\r\n", "A = [\r\n  'a',\r\n  'x',\r\n]\r\n"),
        ("A = [\n 'a', 'b',\n]\nA += [\n 'c',\n]", "A = [\n 'a', 'b',\n 'x',\n]\nA += [\n 'c',\n]"),
        ("A = [\n 'a',\n # end\n\n]\n", "A = [\n 'a',\n 'x',\n # end\n\n]\n"),
        ("A = [\n *B,\n 'a',\n]\n", "A = [\n *B,\n 'a',\n 'x',\n]\n"),
        ("A = [\n 'a',  # example\n]\n", "A = [\n 'a',  # example\n 'x',\n]\n"),
        ("A = [\n 'x',\n 'a',\n]", "A = [\n 'x',\n 'a',\n]"),
        ("A = ['x.apps.XConfig']", "A = ['x.apps.XConfig']"),
        ("A = [\n 'xy.apps',\n]", "A = [\n 'xy.apps',\n 'x',\n]"),
    ],
)
def test_the_new_line_looks_like_the_line_before(before, after):
    before, after = (
        text.replace("A", "INSTALLED_APPS").replace("'x'", '"x"').encode()
        for text in (before, after)
    )
    assert add_app(before, "x") == after
