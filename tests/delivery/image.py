"""Interpret a Dockerfile without a container engine.

Each stage runs in one folder, which stands in for ``/app``. When the next stage begins, the folder
of the previous stage is renamed and a new one is created at the same path, because the files of a
virtual environment contain absolute paths. An instruction that this module does not interpret
raises an error.
"""

import json
import re
import shlex
import shutil
from fnmatch import translate
from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser

from tests.harness.pipelines import python
from tests.harness.project import Project

BASE = re.compile(r"python:(?P<python>\d+\.\d+)-slim(?: AS (?P<name>\w+))?")


def is_ignored(path: str, dockerignore: str) -> bool:
    """Return whether a line of the text ``dockerignore`` matches ``path`` or one of its folders."""
    parts = path.split("/")
    for pattern in re.findall(r"^[^#\n].*", dockerignore, re.M):
        assert not pattern.startswith(("!", "/")), pattern
        anywhere, _, rest = pattern.rpartition("**/")
        assert anywhere == "", pattern
        assert "/" not in rest, pattern
        names = parts if pattern.startswith("**/") else parts[:1]
        if any(re.match(translate(rest), name) for name in names):
            return True
    return False


class Image:
    """The image of ``project``, built in ``folder``.

    ``app`` is the folder that stands in for ``/app``, and ``user`` is the value of USER. ``run``
    runs a command in the image.
    """

    def __init__(self, project: Project, folder: Path):
        self.context, self.folder, self.app = project.path, folder, folder / "app"
        self.outside = dict(project.env)  # with the package index and cache of the tests
        self.stages: dict[str, Path] = {}
        self.stage = self.user = ""
        self.ignored = (self.context / ".dockerignore").read_text()
        dockerfile = (self.context / "Dockerfile").read_bytes()
        (folder / "Dockerfile").write_bytes(dockerfile)
        parser = DockerfileParser(str(folder / "Dockerfile"))
        for line in parser.structure:
            if line["instruction"] != "COMMENT":
                getattr(self, f"do_{line['instruction'].lower()}")(line["value"])

    def do_from(self, value: str) -> None:
        base = BASE.fullmatch(value)
        if self.app.exists():
            self.stages[self.stage] = self.app.rename(self.folder / f"stage-{self.stage}")
        self.stage = base["name"] or "last"
        version = python(base["python"])
        root = self.folder / f"python-{self.stage}"
        make = ["uv", "venv", "--quiet", "--seed", "--no-project", "--python", version, str(root)]
        Project(self.folder, self.outside).run(*make)
        self.env = {
            **self.outside,
            "PATH": f"{root}/bin:{self.outside['PATH']}",
            "UV_PYTHON": version,
        }

    def do_workdir(self, value: str) -> None:
        assert value == "/app"
        self.app.mkdir()

    def do_env(self, value: str) -> None:
        for assignment in shlex.split(value):
            name, equals, value = assignment.partition("=")
            assert equals
            self.env[name] = Template(self.local(value)).substitute(self.env)

    def do_run(self, value: str) -> None:
        assert "<<" not in value
        self.run("sh", "-c", re.sub(r"^--mount=type=cache,target=\S+ ", "", value))

    def do_copy(self, value: str) -> None:
        *sources, target = shlex.split(value)
        options = {}
        while sources[0].startswith("--"):
            name, _, options[name] = sources.pop(0).partition("=")
        assert options.keys() <= {"--from", "--chown"}
        for source in sources:
            if "--from" in options:
                inside = Path(source).relative_to("/app")
                self.copy(self.stages[options["--from"]] / inside, target, lambda path: False)
            else:
                self.copy(self.context / source, target, self.is_out_of_context)

    def is_out_of_context(self, path: Path) -> bool:
        return is_ignored(path.relative_to(self.context).as_posix(), self.ignored)

    def copy(self, source: Path, target: str, is_left_out) -> None:
        assert not is_left_out(source) or source == self.context, source
        if source.is_file():
            assert target.endswith("/")
            shutil.copy2(source, self.app / target)
            return

        def ignore(folder, names):
            return [name for name in names if is_left_out(Path(folder, name))]

        shutil.copytree(source, self.app / target, symlinks=True, dirs_exist_ok=True, ignore=ignore)

    def do_user(self, value: str) -> None:
        self.user = value

    def do_healthcheck(self, value: str) -> None:
        self.healthcheck = json.loads(value.removeprefix("CMD "))

    def do_cmd(self, value: str) -> None:
        self.command = json.loads(value)

    def local(self, text: str) -> str:
        """Return ``text`` with ``/app`` replaced by the path of ``app``."""
        return re.sub(r"/app\b", str(self.app), text)

    @property
    def container(self) -> Project:
        return Project(self.app, self.env)

    def run(self, *command: str, **options) -> str:
        return self.container.run(*command, **options)
