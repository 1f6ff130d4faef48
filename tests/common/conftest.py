"""Leave out the tests of options that this bake was not made with."""

from pathlib import Path

COMMON = Path(__file__).parents[1] / "common"
OPTIONAL = {
    "test_postgresql.py": "postgresql",
    "test_s3.py": "static_files/s3.py",
    "test_whitenoise.py": "static_files/whitenoise.py",
}
collect_ignore = [test for test, piece in OPTIONAL.items() if not (COMMON / piece).exists()]
