"""A pytest plugin: its last lines say what ran for how many combinations of answers, and how to bake a failed one."""

from collections import Counter

import pytest

COMMAND = "command"  # recorded by a test of a combination: the command that bakes it
FAULT = "fault"  # recorded by a test of a fault: a row of the table of faults
FAULTS = """
| fault | its answer | light load | slowest, s | down, s | log lines |
|---|---|---|---|---|---|"""
TREE = "tree"  # recorded where a test checked a tree that no other combination has
# The tests of combinations, and what each says of its combinations.
TESTS = {
    "test_a_combination_is_baked": "baked without leftovers",
    "test_a_combination_is_delivered": "passed hooks, suite, servers and deployment",
    "test_the_tree_of_a_combination_passes_static_checks": "passed the static checks",
    "test_nasty_text_is_only_text": "with nasty text passed",
}


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Summary(config))


class Summary:
    def __init__(self, config):
        self.config = config
        self.selected: dict[str, set[str]] = {name: set() for name in TESTS}
        self.reports = {}

    def pytest_collection_finish(self, session):
        self.select(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids):
        self.select(ids)

    def select(self, ids):
        for nodeid in ids:
            name = nodeid.partition("[")[0].rpartition("::")[2]
            if name in TESTS:
                self.selected[name].add(nodeid)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or not report.passed:
            self.reports[report.nodeid] = report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self):
        result = yield
        for name, says in TESTS.items():
            if nodeids := self.selected[name]:
                self.write(nodeids, says)
        properties = [dict(report.user_properties) for report in self.reports.values()]
        if rows := [row[FAULT] for row in properties if FAULT in row]:
            self.config.get_terminal_writer().line("\n".join([FAULTS, *rows]))
        return result

    def write(self, nodeids, says):
        write_line = self.config.get_terminal_writer().line
        reports = [self.reports[nodeid] for nodeid in nodeids if nodeid in self.reports]
        for report in reports:
            if report.failed:
                write_line(f"failed: {dict(report.user_properties).get(COMMAND, report.nodeid)}")
        outcomes = Counter(report.outcome for report in reports)
        counts = [f"{outcomes['passed']} of {len(nodeids)} combinations {says}"]
        trees = sum(TREE in dict(report.user_properties) for report in reports)
        if trees:
            counts[0] += f", {trees} trees once each"
        if outcomes["failed"]:
            counts.append(f"{outcomes['failed']} failed")
        if outcomes["skipped"]:
            reasons = {r.longrepr[2].removeprefix("Skipped: ") for r in reports if r.skipped}
            counts.append(f"{outcomes['skipped']} skipped ({', '.join(sorted(reasons))})")
        if not_run := len(nodeids) - len(reports):
            counts.append(f"{not_run} not run")
        write_line(", ".join(counts))
