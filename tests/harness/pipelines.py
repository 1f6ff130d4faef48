"""Read CI files and run their jobs as the provider does, each job in a new clone."""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from string import Template
from typing import Any

import yaml

from tests.harness.project import COMMIT, Project, find_python

GITHUB = ".github/workflows/ci.yml"
GITLAB = ".gitlab-ci.yml"
UPDATE = ".github/workflows/update.yml"


@dataclass(frozen=True)
class Job:
    """A CI job: the script and variables of each shell, and the paths of its artifacts."""

    name: str
    needs: list[str]  # names of other jobs
    python: str  # version, such as "3.13"
    shells: list[tuple[str, dict[str, str]]]
    artifacts: list[str] = field(default_factory=list)

    def run(self, clone: Project) -> str:
        """Run the scripts in ``clone`` and return their output.

        Raise ``AssertionError`` if a script fails.
        """
        output = ""
        for number, (script, variables) in enumerate(self.shells):
            path = clone.path.parent / f"{self.name}{number}.sh"
            path.write_text(script)
            env = {
                name: Template(value).substitute(CI_PROJECT_DIR=clone.path)
                for name, value in variables.items()
            }
            # Use the user's uv cache instead of the cache that the provider keeps.
            env.pop("UV_CACHE_DIR", None)
            env |= {"CI": "true", "UV_PYTHON": python(self.python)}
            output += Project(clone.path, {**clone.env, **env}).run("bash", "-e", str(path))
        return output


def python(version: str) -> str:
    """Return the path of a Python of this version, or of the running one if uv finds none."""
    return find_python(version) or sys.executable


def assert_known(mapping: dict[str, Any], keys: str) -> None:
    """Assert that ``mapping`` has no other keys: an unknown key could skip or change a job."""
    assert mapping.keys() <= {*keys.split()}, f"unknown keys: {mapping.keys() - {*keys.split()}}"


def github_jobs(folder: Path) -> list[Job]:
    """Return the jobs of the workflow in ``folder``, each after the jobs that it needs."""
    workflow = yaml.safe_load((folder / GITHUB).read_text())
    events = workflow.pop(True)  # "on" is a YAML boolean
    assert re.fullmatch(r"\d+ \d+ \* \* \d", events.pop("schedule")[0]["cron"])
    assert events == {"push": None, "pull_request": None}
    assert_known(workflow, "name permissions concurrency env jobs")
    jobs = []
    for name in TopologicalSorter(
        {name: job.get("needs", []) for name, job in workflow["jobs"].items()}
    ).static_order():
        job = workflow["jobs"][name]
        assert_known(job, "name needs runs-on timeout-minutes env steps")
        checkout, uv, *steps = job["steps"]
        assert checkout["uses"].startswith("actions/checkout@")
        assert uv["uses"].startswith("astral-sh/setup-uv@")
        shells, artifacts = [], []
        for step in steps:
            assert_known(step, "name run env uses with")
            variables = {**workflow["env"], **job.get("env", {}), **step.get("env", {})}
            if "run" in step:
                shells.append((step["run"], variables))
            else:
                assert step["uses"].startswith("actions/upload-artifact@")
                artifacts += step["with"]["path"].splitlines()
        version = workflow["env"]["UV_PYTHON"]
        jobs.append(Job(name, job.get("needs", []), version, shells, artifacts))
    return jobs


def gitlab_jobs(folder: Path) -> list[Job]:
    """Return the jobs of the pipeline in ``folder`` that each commit runs, in the order of their stages."""
    pipeline = yaml.safe_load((folder / GITLAB).read_text())
    assert pipeline.pop("update-template")["rules"]
    stages, default, variables = (pipeline.pop(key) for key in ("stages", "default", "variables"))
    assert_known(default, "image interruptible cache before_script")
    jobs = []
    for name, job in sorted(pipeline.items(), key=lambda item: stages.index(item[1]["stage"])):
        assert_known(job, "stage needs variables script coverage artifacts")
        script = "\n".join(["set -o pipefail", *default["before_script"], *job["script"]])
        shells = [(script, {**variables, **job.get("variables", {})})]
        version = re.fullmatch(r"python:(\d+\.\d+)", default["image"])[1]
        earlier = stages[: stages.index(job["stage"])]
        needs = [other for other in pipeline if pipeline[other]["stage"] in earlier]
        needs = job.get("needs", needs)
        artifacts = job.get("artifacts", {}).get("paths", [])
        jobs.append(Job(name, needs, version, shells, artifacts))
    return jobs


def commit(project: Project) -> None:
    """Lock and commit ``project``, as a developer does after baking."""
    project.run("uv", "lock", "--quiet")
    project.track()
    project.run(*COMMIT, "--message=first")


def run_all(jobs: list[Job], project: Project) -> Iterator[tuple[Job, Project, str]]:
    """Run each job in a new clone of ``project``; yield the job, the clone and the output."""
    # All clones use one path, as at a provider, so that Python can reuse compiled files.
    folder = project.path.parent / "clone"
    for job in jobs:
        project.run("git", "clone", "--quiet", str(project.path), str(folder))
        clone = Project(folder, project.env)
        output = job.run(clone)
        assert clone.run("git", "status", "--porcelain") == "", job.name
        for artifact in job.artifacts:
            assert (folder / artifact).exists(), artifact
        yield job, clone, output
        shutil.rmtree(folder)
