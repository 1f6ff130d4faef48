"""A pytest plugin: counts the combinations of answers that keep their promises, in the last line of the run."""

import pytest

PROPERTY = "combination"  # a recorded property: the command that bakes it


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Combinations(config))


class Combinations:
    def __init__(self, config):
        self.config = config
        self.selected = set()
        self.reports = {}

    def pytest_collection_finish(self, session):
        self.select(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids):
        self.select(ids)

    def select(self, ids):
        self.selected |= {name for name in ids if "::test_a_combination_" in name}

    def pytest_runtest_logreport(self, report):
        if report.nodeid in self.selected and (report.when == "call" or not report.passed):
            self.reports[report.nodeid] = report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self):
        result = yield
        if self.selected:
            self.write()
        return result

    def write(self):
        write_line = self.config.get_terminal_writer().line
        by_outcome: dict[str, list[pytest.TestReport]] = {"passed": [], "failed": [], "skipped": []}
        for report in self.reports.values():
            by_outcome[report.outcome].append(report)
        for report in by_outcome["failed"]:
            write_line(f"failed: {dict(report.user_properties).get(PROPERTY, report.nodeid)}")
        counts = [f"{len(by_outcome['passed'])} of {len(self.selected)} combinations passed"]
        if failed := by_outcome["failed"]:
            counts.append(f"{len(failed)} failed")
        if skipped := by_outcome["skipped"]:
            reasons = {report.longrepr[2].removeprefix("Skipped: ") for report in skipped}
            counts.append(f"{len(skipped)} skipped ({', '.join(sorted(reasons))})")
        if not_run := len(self.selected) - len(self.reports):
            counts.append(f"{not_run} not run")
        write_line(", ".join(counts))
