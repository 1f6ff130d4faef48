"""The CI files are valid, and each command in them runs in a new bake as at the provider."""

import json
import re
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from tests.harness.pipelines import (
    GITHUB,
    GITLAB,
    UPDATE,
    Job,
    commit,
    github_jobs,
    gitlab_jobs,
    run_all,
)
from tests.harness.project import SOURCE, TEMPLATE, Project

DEPENDABOT = ".github/dependabot.yml"
RENOVATE = "renovate.json"
ARTIFACTS = ["staticfiles/", "staticfiles.json", "build/sbom.cdx.json"]


def tool(name):
    return str(Path(sysconfig.get_path("scripts"), name))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("github-workflows", TEMPLATE / GITHUB),
        ("github-workflows", SOURCE / GITHUB),
        ("github-workflows", SOURCE / UPDATE),
        ("gitlab-ci", SOURCE / GITLAB),
        ("dependabot", SOURCE / DEPENDABOT),
        ("renovate", SOURCE / RENOVATE),
    ],
)
def test_ci_files_follow_the_schemas_of_their_providers(environment, schema, path):
    command = ["-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    Project(TEMPLATE, environment).run(sys.executable, *command)


@pytest.mark.parametrize(
    ("ci_provider", "expected"),
    [("github", {GITHUB, UPDATE, DEPENDABOT}), ("gitlab", {GITLAB, RENOVATE})],
)
def test_a_bake_has_only_the_files_of_its_provider(bake_only, ci_provider, expected):
    path = bake_only(ci_provider=ci_provider).path
    assert {
        name for name in (GITHUB, UPDATE, DEPENDABOT, GITLAB, RENOVATE) if (path / name).exists()
    } == expected


def test_renovate_finds_the_versions_that_are_in_no_lock_file():
    [manager] = json.loads((SOURCE / RENOVATE).read_text())["customManagers"]
    [pattern] = manager["matchStrings"]
    found = {
        (path, *match)
        for path in manager["managerFilePatterns"]
        for match in re.findall(pattern.replace("?<", "?P<"), (SOURCE / path).read_text())
    }
    assert {(path, name) for path, name, _ in found} == {
        ("Dockerfile", "uv"),
        (GITLAB, "uv"),
        (GITLAB, "pip-audit"),
    }


def test_zizmor_finds_no_problem_in_the_workflows(environment):
    options = ["--offline", "--pedantic", "--strict-collection", "--no-ignores"]
    files = [GITHUB, *(f"{SOURCE.name}/{name}" for name in (GITHUB, UPDATE, DEPENDABOT))]
    Project(TEMPLATE, environment).run(tool("zizmor"), *options, *files)


@pytest.mark.parametrize("path", [TEMPLATE / GITHUB, SOURCE / GITHUB, SOURCE / UPDATE])
def test_each_action_is_pinned_by_commit_and_names_its_version(path):
    uses = re.findall(r"uses: (.+)", path.read_text())
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_github_and_gitlab_run_the_same_commands_with_the_same_versions():
    def lines(jobs):
        return {
            job.name: re.findall(r"^uvx? .+", "\n".join(script for script, _ in job.shells), re.M)
            for job in jobs
        }

    github, gitlab = github_jobs(SOURCE), gitlab_jobs(SOURCE)
    assert lines(github) == lines(gitlab)
    assert [job.artifacts for job in github] == [job.artifacts for job in gitlab]
    needs = [[], [], [], [], ["lint", "test", "migrations"]]
    assert [job.needs for job in github] == [job.needs for job in gitlab] == needs
    dockerfile = (SOURCE / "Dockerfile").read_text()
    pythons = {*re.findall(r"^FROM python:([\d.]+)-slim", dockerfile, re.M)}
    assert pythons == {job.python for job in github + gitlab}
    uvs = re.findall(r"uv==([\d.]+)", dockerfile + (SOURCE / GITLAB).read_text())
    workflows = (SOURCE / GITHUB).read_text() + (SOURCE / UPDATE).read_text()
    uvs += re.findall(r'setup-uv@.*\n +with:\n +version: "(.+)"', workflows)
    assert {*re.findall(r'UV_PYTHON: "(.+)"', workflows)} == pythons
    assert len(uvs) == 8
    assert len({*uvs}) == 1


@pytest.fixture
def updates():
    """Return the jobs that propose an update: of GitHub and of GitLab."""
    github = yaml.safe_load((SOURCE / UPDATE).read_text())["jobs"]["update-template"]
    return github, yaml.safe_load((SOURCE / GITLAB).read_text())["update-template"]


def test_updates_are_proposed_weekly_and_by_hand(updates):
    events = yaml.safe_load((SOURCE / UPDATE).read_text())[True]  # "on" is a YAML boolean
    assert events.keys() == {"schedule", "workflow_dispatch"}
    assert re.fullmatch(r"\d+ \d+ \* \* \d", events["schedule"][0]["cron"])
    assert [*events["workflow_dispatch"]["inputs"]] == ["to"]
    scheduled, by_hand = updates[1]["rules"]
    assert scheduled == {"if": '$CI_PIPELINE_SOURCE == "schedule" && $UPDATE_TEMPLATE == "true"'}
    assert (by_hand["when"], by_hand["allow_failure"]) == ("manual", True)


def test_only_the_workflow_of_updates_can_write_and_only_what_it_needs(updates):
    assert updates[0]["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert ": write" not in (SOURCE / GITHUB).read_text()
    assert yaml.safe_load((SOURCE / UPDATE).read_text())["permissions"] == {}


@pytest.mark.parametrize("to", ["", "v1.1.0", 'v1 "; touch owned; $(touch owned)'])
def test_both_providers_pass_the_wanted_release_as_one_argument(updates, environment, tmp_path, to):
    github, gitlab = updates
    [command] = gitlab["script"]
    [step] = [step for step in github["steps"] if "run" in step]
    assert (step["run"], step["env"]["UPDATE_TO"]) == (command, "${{ inputs.to }}")
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    uv.chmod(0o755)
    path = f"{tmp_path}:{environment['PATH']}"
    printed = Project(tmp_path, environment).run("bash", "-ec", command, PATH=path, UPDATE_TO=to)
    expected = ["run", "--locked", "manage.py", "update_template", "--propose"]
    assert printed.splitlines() == [*expected, *(["--to", to] if to else [])]
    assert [*tmp_path.iterdir()] == [uv]


def test_update_template_has_the_options_that_ci_passes(updates):
    command = updates[1]["script"][0]
    assert '"update_template"' in (SOURCE / "manage.py").read_text()
    updater = (TEMPLATE / "updater/update.py").read_text()
    for option in re.findall("--[a-z]+", command.partition("update_template")[2]):
        assert f'"{option}"' in updater


def attributes(project, *paths):
    lines = project.run("git", "check-attr", "linguist-generated", "--", *paths).splitlines()
    return [line.endswith(": set") for line in lines]


def test_diffs_fold_common_in_a_service_and_show_it_in_the_template(bake_only, environment):
    project = bake_only()
    project.track()
    paths = ["common/testing/cases.py", "uv.lock", "apps/users/models.py"]
    assert attributes(project, *paths) == [True, True, False]
    template = Project(TEMPLATE, environment)
    assert attributes(template, f"{SOURCE.name}/common/signals.py") == [False]


# Changes that each job must reject: a file, the text to append to it, and the expected output.
BROKEN = {
    "lint": [
        ("apps/unformatted.py", "x=1\n", "Failed"),
        ("apps/mistyped.py", 'x: int = ""\n', "Incompatible types"),
    ],
    "test": [("apps/test_broken.py", "import no_such_module\n", "no_such_module")],
    "migrations": [
        ("apps/users/models.py", "\n\nclass Pet(models.Model):\n    pass\n", "Create model Pet")
    ],
    "audit": [],
    "build": [
        ("static/css/site.css", "a { background: url(gone.png) }\n", "gone.png"),
        ("config/settings/production.py", "SECURE_SSL_REDIRECT = False\n", "security.W008"),
    ],
}


@pytest.mark.long
def test_github_jobs_pass_in_a_new_bake_and_fail_after_a_breaking_change(bake, environment, osv):
    project = Project(bake().path, {**environment, **osv.variables})
    commit(project)
    ran = []
    for job, clone, _ in run_all(github_jobs(project.path), project):
        ran.append(job.name)
        for path, code, message in BROKEN[job.name]:
            with (clone.path / path).open("a") as file:
                file.write(code)
            clone.run("git", "add", "--all")
            with pytest.raises(AssertionError, match=message):
                job.run(clone)
            clone.run("git", "reset", "--quiet", "--hard")
        if job.name == "audit":
            locked = {*re.findall(r'^name = "(.+)"', (clone.path / "uv.lock").read_text(), re.M)}
            assert osv.asked >= {"django", "pytest", "sentry-sdk", "opentelemetry-sdk"}
            assert osv.asked < locked
            osv.holes.add("django")
            with pytest.raises(AssertionError, match=r"django .*GHSA-of-the-test"):
                job.run(clone)
        if job.name == "build":
            sbom = json.loads((clone.path / "build/sbom.cdx.json").read_text())
            assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.5")
            names = {component["name"] for component in sbom["components"]}
            assert names >= {"django", "gunicorn", "sentry-sdk", "opentelemetry-sdk"}
            assert not names & {"pytest", "ruff"}
    assert ran == ["lint", "test", "migrations", "audit", "build"]
    assert job.artifacts == ARTIFACTS


@pytest.mark.long
def test_gitlab_jobs_pass_in_a_new_bake(bake, environment, osv, tmp_path):
    Project(tmp_path, environment).run("uv", "venv", "--quiet", "--seed", "--no-project", "image")
    image = {**environment, **osv.variables, "PATH": f"{tmp_path}/image/bin:{environment['PATH']}"}
    answers = {"ci_provider": "gitlab", "database": "postgresql", "static_files": "s3"}
    project = Project(bake(**answers).path, image)
    commit(project)
    pipeline = yaml.safe_load((project.path / GITLAB).read_text())
    outputs = {}
    for job, clone, output in run_all(gitlab_jobs(project.path), project):
        outputs[job.name] = output
        [cached] = pipeline["default"]["cache"]["paths"]
        assert pipeline["variables"]["UV_CACHE_DIR"] == f"$CI_PROJECT_DIR/{cached.rstrip('/')}"
        clone.run("git", "check-ignore", "--quiet", cached)

    assert [*outputs] == ["lint", "test", "migrations", "audit", "build"]
    assert job.artifacts == ARTIFACTS
    assert re.search(pipeline["test"]["coverage"].strip("/"), outputs["test"], re.M)[1] == "100"
    # Without this file, the commands have used the uv of this machine.
    assert (tmp_path / "image/bin/uv").exists()


@pytest.mark.parametrize("line", ["false", "no-such-command", "false\ntrue", "$UNSET/command"])
def test_a_job_stops_and_fails_at_its_first_failing_line(environment, tmp_path, line):
    folder = tmp_path / "clone"
    folder.mkdir()
    job = Job("job", [], "3.13", [("true", {}), (line, {}), ("touch went-on", {})])
    with pytest.raises(AssertionError, match=r"^exit \d+, not 0"):
        job.run(Project(folder, environment))
    assert not (folder / "went-on").exists()


@pytest.mark.parametrize(
    ("read", "name", "old", "new"),
    [
        (github_jobs, GITHUB, "    needs:", "    if: false\n    needs:"),
        (github_jobs, GITHUB, "  push:\n  pull_request:", "  workflow_dispatch:"),
        (github_jobs, GITHUB, "      - run:", "      - continue-on-error: true\n        run:"),
        (gitlab_jobs, GITLAB, "  stage: build\n", "  stage: build\n  when: manual\n"),
        (gitlab_jobs, GITLAB, "  stage: build\n", "  stage: build\n  allow_failure: true\n"),
    ],
)
def test_reading_a_pipeline_that_could_skip_or_ignore_a_job_raises_an_error(
    tmp_path, read, name, old, new
):
    text = (SOURCE / name).read_text()
    assert old in text
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(old, new))
    with pytest.raises(AssertionError):
        read(tmp_path)
