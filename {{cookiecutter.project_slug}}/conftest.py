"""Plugins of pytest for the whole suite; fixtures belong into the tests of each app."""

pytest_plugins = [
    "common.testing.plugin",
    # jinja: if cookiecutter.database == "postgresql"
    "common.postgresql.xdist",
    # jinja: endif
]
