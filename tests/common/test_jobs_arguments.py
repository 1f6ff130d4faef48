"""Arguments that JSON or a database would change, annotations, and the decorators of tasks."""

import enum
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured

from common.jobs import TaskContext, periodic, retry, task
from common.jobs.backend import default_backend
from common.jobs.models import Job
from common.testing import TestCase
from common.testing.jobs import run_jobs
from common_tests.job_tasks import attempt, give

REFUSED = [
    float("nan"),
    [{"a": float("inf")}],
    "a\0b",
    "\\\0",
    {"a\0": 1},
    {1: 2},
    {"a": [{None: 1}]},
    (1, 2),
    [(1,)],
    "\ud800",
    b"a",
    {1},
    Decimal(1),
    datetime.now(UTC),
    object(),
]
ACCEPTED = [
    None,
    True,
    0,
    -1.5,
    2**70,
    "ü\U0001f600\n",
    r"\u0000",
    r"a\\u0000",
    [],
    {},
    [{"": [1]}],
]


class ArgumentTests(TestCase):
    def test_values_that_would_not_arrive_are_refused_by_the_name_of_the_parameter(self):
        for value in REFUSED:
            for args, kwargs in [([value], {}), ([], {"value": value})]:
                with self.subTest(value), pytest.raises(ValueError) as caught:  # noqa: PT011 -- see below
                    give.enqueue(*args, **kwargs)
                message = str(caught.value)
                assert f"value={value!r} of common_tests.job_tasks.give would not" in message
        with pytest.raises(ValueError, match=r"more=\(nan,\)"):
            give.enqueue(1, float("nan"))
        with pytest.raises(ValueError, match="'a': nan"):
            give.enqueue(a=float("nan"))
        assert not Job.objects.exists()

    def test_values_that_are_nested_too_deeply_are_refused(self):
        with (
            mock.patch("common.jobs.backend.json.dumps", side_effect=RecursionError),
            pytest.raises(ValueError, match="would not arrive"),
        ):
            give.enqueue(1)

    def test_values_of_json_arrive_as_they_are(self):
        results = [give.enqueue(value) for value in ACCEPTED]
        assert run_jobs() == len(ACCEPTED)
        for result, value in zip(results, ACCEPTED, strict=True):
            returned = give.get_result(result.id).return_value
            assert (type(returned), returned) == (type(value), value)

    def test_arguments_that_do_not_fit_the_signature_are_refused(self):
        for args, kwargs in [([], {}), ([1, 2], {}), ([1], {"number": 1}), ([], {"nmber": 1})]:
            with self.subTest(args), pytest.raises(TypeError):
                attempt.enqueue(*args, **kwargs)
        assert not Job.objects.exists()


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "hint",
    [
        *(str, int, float, bool, None, list, Any, list[int], dict[str, list[Any]], TaskContext),
        *(int | None, "list[str] | None", Literal["a", "b"]),
    ],
)
def test_annotations_of_json_are_accepted(hint):
    task(annotated(hint))


@pytest.mark.parametrize(
    "hint",
    [Job, datetime, Decimal, bytes, tuple, Colour, dict[int, str], list[Job], int | Job, set[str]],
)
def test_other_annotations_are_refused_by_name(hint):
    with pytest.raises(ImproperlyConfigured, match="written: 'value' is annotated .*"):
        task(annotated(hint))


def annotated(hint):
    def written(context, value, *, other: int = 1) -> list[int] | None: ...

    written.__qualname__ = "written"
    written.__annotations__["value"] = hint
    return written


def test_a_return_value_that_json_cannot_hold_is_refused_before_the_task_runs():
    function = annotated(int)
    function.__annotations__["return"] = datetime
    with pytest.raises(ImproperlyConfigured, match="written: 'return' is annotated"):
        task(function)


def test_a_name_that_is_not_imported_at_run_time_is_named_with_its_task():
    with pytest.raises(ImproperlyConfigured, match="written: name 'Missing' is not defined"):
        task(annotated("Missing"))


@pytest.mark.parametrize(
    "options", [{"times": -1}, {"times": 1.5}, {"delay": -1}, {"max_delay": float("inf")}]
)
def test_retries_that_cannot_be_are_refused(options):
    with pytest.raises(ImproperlyConfigured, match="use a whole number of times"):
        retry(**options)


@pytest.mark.parametrize("decorator", [retry(), periodic(timedelta(days=1))])
def test_a_decorator_above_task_is_refused(decorator):
    with pytest.raises(ImproperlyConfigured, match="put @retry and @periodic under @task"):
        decorator(task(annotated(int)))


def test_a_context_without_annotation_does_not_exempt_the_next_parameter():
    with pytest.raises(ImproperlyConfigured, match="'value'"):
        task(takes_context=True)(annotated(Job))


def test_the_check_reports_tasks_modules_that_are_not_valid():
    where = "common.jobs.backend.autodiscover_modules"
    with mock.patch(where, side_effect=ImproperlyConfigured("a.b: the parameter")):
        (error,) = default_backend().check()
    assert (error.id, error.msg) == ("common.E003", "a.b: the parameter")
    assert default_backend().check() == []


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 2.0), (2, 4.0), (5, 32.0), (11, 2048.0), (12, 3600), (9999, 3600)]
)
def test_the_delay_before_a_retry_is_random_and_grows_to_its_maximum(attempt, longest):
    with mock.patch("common.jobs.random.uniform", return_value=1.25) as uniform:
        assert retry().seconds(attempt) == 1.25
    uniform.assert_called_once_with(0, longest)


@pytest.mark.parametrize(
    ("policy", "now", "start"),
    [
        (periodic(timedelta(days=1)), "2031-05-07 00:00:00", "2031-05-07 00:00:00"),
        (
            periodic(timedelta(days=1), at=timedelta(hours=3)),
            "2031-05-07 02:59",
            "2031-05-06 03:00",
        ),
        (
            periodic(timedelta(days=1), at=timedelta(hours=3)),
            "2031-05-07 03:00",
            "2031-05-07 03:00",
        ),
        (periodic(timedelta(minutes=15)), "2031-05-07 10:44:59", "2031-05-07 10:30"),
        (periodic(timedelta(weeks=1)), "2031-05-11 23:59", "2031-05-05 00:00"),  # a Monday
        (periodic(timedelta(hours=1)), "1999-05-07 10:30", "1999-05-07 10:00"),
    ],
)
def test_a_period_starts_at_a_multiple_of_its_length(policy, now, start):
    begin = policy.start(datetime.fromisoformat(f"{now}+00:00"))
    assert begin == datetime.fromisoformat(f"{start}+00:00")


def test_a_period_below_a_second_is_refused():
    with pytest.raises(ImproperlyConfigured, match=r"microseconds=999.*seconds=1"):
        periodic(timedelta(microseconds=999))
