import pytest

from common.management.commands.startapp import SETTINGS, add_element


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
        ("A = ['apps.x.apps.XConfig']", "A = ['apps.x.apps.XConfig']"),
        ("A = [\n 'apps.xy',\n]", "A = [\n 'apps.xy',\n 'x',\n]"),
    ],
)
def test_the_new_line_looks_like_the_line_before(before, after):
    before, after = (
        text.replace("A", "INSTALLED_APPS").replace("'x'", '"apps.x"').encode()
        for text in (before, after)
    )
    _, variable, element = SETTINGS
    assert add_element(before, "x", variable, element) == after
