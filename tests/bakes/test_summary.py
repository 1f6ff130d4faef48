"""The last lines of a run: what ran for how many combinations, and how to bake those that failed."""

import subprocess
import sys

import pytest

from tests.harness.project import TEMPLATE
from tests.harness.summary import TESTS

SUITE = """
import pytest
from tests.harness.summary import COMMAND, TESTS, TREE

@pytest.mark.parametrize("outcome", ["passed", "failed", "skipped"])
def test_a_combination_is_delivered(outcome, record_property):
    record_property(COMMAND, f"uvx cookiecutter . {outcome}")
    assert outcome != "failed"
    if outcome == "skipped":
        pytest.skip("no such Python")

@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_tree_of_a_combination_passes_static_checks(number, record_property):
    if number < 3:
        record_property(TREE, number)

def test_something_else():
    pass
"""


DELIVERED = TESTS["test_a_combination_is_delivered"]


@pytest.fixture
def last_lines(tmp_path, environment):
    """A function that runs a suite of combinations with pytest's options, and returns its last lines."""
    (tmp_path / "test_suite.py").write_text(SUITE)

    def last_lines(*options):
        command = ["pytest", "-p", "no:cacheprovider", "-p", "tests.harness.summary", *options]
        done = subprocess.run(
            [sys.executable, "-m", *command, str(tmp_path), f"--rootdir={tmp_path}", "-c/dev/null"],
            cwd=TEMPLATE,
            env=environment,
            capture_output=True,
            text=True,
        )
        return done.stdout.splitlines()[-3:]

    return last_lines


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_last_lines_count_what_ran_and_name_what_failed(last_lines, workers):
    assert last_lines(workers) == [
        "failed: uvx cookiecutter . failed",
        f"1 of 3 combinations {DELIVERED}, 1 failed, 1 skipped (no such Python)",
        "3 of 3 combinations passed the static checks, 2 trees once each",
    ]


def test_combinations_that_did_not_run_are_counted(last_lines):
    assert last_lines("-n0", "-x", "-k", "delivered")[-1].endswith("1 failed, 1 not run")


def test_a_run_without_combinations_counts_none(last_lines):
    assert "1 passed, 6 deselected" in last_lines("-n0", "-k", "else")[-1]
