"""Measure the time of a bake and of its first suite, and the size of the default bake.

uv run benchmarks/bake.py
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
SOURCE = TEMPLATE / "{{cookiecutter.project_slug}}"
RUNS = 5


def seconds(command: list[str], folder: Path, env: dict[str, str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start, done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        config = home / "cookiecutter.yaml"
        config.write_text(f"replay_dir: {home / 'replay'}\n")
        env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        env["COOKIECUTTER_CONFIG"] = str(config)
        bake = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "--output-dir"]

        folders = [home / f"run{number}" for number in range(RUNS)]
        bakes = [seconds([*bake, str(folder)], home, env)[0] for folder in folders]
        print(f"bake, median of {RUNS}: {statistics.median(bakes):.2f} s")

        suite = ["uv", "run", "pytest"]
        for label, cache, folder in [
            ("warm up", {}, folders[0]),
            ("warm", {}, folders[1]),
            ("cold", {"UV_CACHE_DIR": str(home / "uv-cache")}, folders[2]),
        ]:
            took, output = seconds(suite, folder / "my-service", {**env, **cache})
            if label != "warm up":
                total = took + statistics.median(bakes)
                print(f"bake and first suite, {label} uv cache: {total:.1f} s")
        print(f"suite: {output.strip().splitlines()[-1].strip('= ')}")

        for label in ("warm up", "warm"):
            seconds([*bake, str(home / label), "database=postgresql"], home, env)
            took, output = seconds(suite, home / label / "my-service", env)
        print(f"first suite on PostgreSQL, including server start: {took:.1f} s")
        print(f"suite: {output.strip().splitlines()[-1].strip('= ')}")

        project = folders[3] / "my-service"
        files = [path for path in project.rglob("*") if path.is_file()]
        lines = sum(len(path.read_text().splitlines()) for path in files if path.suffix == ".py")
        print(f"files: {len(files)}, lines of Python: {lines}")
        seconds(["uv", "sync", "--quiet"], project, env)
        _, listed = seconds(["uv", "pip", "list", "--format=freeze"], project, env)
        print(f"packages: {len(listed.splitlines())}")

    _, listed = seconds(["git", "ls-files", "-z", SOURCE.name], TEMPLATE, dict(os.environ))
    texts = [(TEMPLATE / name).read_text() for name in listed.split("\0") if name]
    counts = [len(re.findall(r"^\s*# jinja:", text, re.M)) for text in texts]
    print(f"'# jinja:' lines: {sum(counts)} in {sum(map(bool, counts))} files")


if __name__ == "__main__":
    main()
