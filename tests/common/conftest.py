"""Leave out the tests of options that this bake was not made with. Fixtures of several modules."""

from pathlib import Path

import pytest

from common_tests.startapp_helpers import Service

COMMON = Path(__file__).parents[1] / "common"
OPTIONAL = {
    **{path.name: "jobs" for path in Path(__file__).parent.glob("test_jobs*.py")},
    **{path.name: "realtime" for path in Path(__file__).parent.glob("test_realtime*.py")},
    "test_postgresql.py": "postgresql",
    "test_s3.py": "static_files/s3.py",
    "test_whitenoise.py": "static_files/whitenoise.py",
}
collect_ignore = [test for test, piece in OPTIONAL.items() if not (COMMON / piece).exists()]


@pytest.fixture
def service(settings, tmp_path):
    settings.BASE_DIR = tmp_path / "service"
    settings.BASE_DIR.mkdir()
    return Service(settings.BASE_DIR)
