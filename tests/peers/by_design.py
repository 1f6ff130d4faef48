"""The tests of Django that have another outcome on our pieces, by suite, each with the reason."""

CASE = "staticfiles_tests.test_storage.TestCollectionManifestStorage"
MANIFEST = {
    f"{CASE}.test_manifest_exists": "The manifest is in the project root, not in STATIC_ROOT.",
    f"{CASE}.test_manifest_hash_v1": "The test's own manifest is in STATIC_ROOT, which is not read.",
}
RECORDING = "tasks.test_dummy_backend.DummyBackendTestCase"
RUNNING = "tasks.test_immediate_backend.ImmediateBackendTestCase"
STATUS = "The test changes a result in memory, but the row is the job."
ARGUMENT = "The error is a ValueError, and names the argument and what to use."
JOBS = {
    f"{RECORDING}.test_refresh_result": STATUS,
    f"{RECORDING}.test_refresh_result_async": STATUS,
    f"{RUNNING}.test_cannot_get_result": "Results can be read.",
    f"{RUNNING}.test_cannot_pass_run_after": "Jobs can wait.",
    f"{RUNNING}.test_cannot_refresh_result": "Results can be read again.",
    f"{RUNNING}.test_throws_keyboard_interrupt": "A task that raises it has failed: else it would run for ever.",
    f"{RUNNING}.test_complex_return_value": "The TypeError has the words of the json module.",
    "tasks.test_tasks.TaskTestCase.test_enqueue_with_invalid_argument": ARGUMENT,
    "tasks.test_tasks.TaskTestCase.test_aenqueue_with_invalid_argument": ARGUMENT,
}
BY_DESIGN: dict[str, dict[str, str]] = {
    "jobs": JOBS,
    "sessions": {},
    "signals": {},
    "static_files": MANIFEST,
    "testing": {},
    "whitenoise": MANIFEST,
}
