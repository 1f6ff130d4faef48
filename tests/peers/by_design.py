"""The tests of Django that have another outcome on our pieces, by suite, each with the reason."""

CASE = "staticfiles_tests.test_storage.TestCollectionManifestStorage"
MANIFEST = {
    f"{CASE}.test_manifest_exists": "The manifest is in the project root, not in STATIC_ROOT.",
    f"{CASE}.test_manifest_hash_v1": "The test's own manifest is in STATIC_ROOT, which is not read.",
}
BY_DESIGN: dict[str, dict[str, str]] = {
    "sessions": {},
    "signals": {},
    "static_files": MANIFEST,
    "testing": {},
    "whitenoise": MANIFEST,
}
