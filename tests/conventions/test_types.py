"""The types that mypy infers for the pieces of common, and the mistakes that it rejects."""

import re

CODE = """
from typing import Any

from django.core.signals import request_started
from django.db.models.signals import post_save
from django.http import HttpRequest

from apps.users.models import Profile, User
from common.signals import suspending_receiver
from common.testing import MiddlewareTestCase, TestCase, raises_integrity_error


@suspending_receiver(post_save, sender=User)
def greet(sender: type[User], instance: User, **kwargs: Any) -> int:
    return instance.pk


@suspending_receiver([post_save, request_started], weak=False)
async def agreet(sender: object, **kwargs: Any) -> None: ...


reveal_type(greet)  # def (sender: type[User], instance: User, **kwargs: Any) -> int
reveal_type(agreet)  # def (sender: object, **kwargs: Any) -> Coroutine[Any, Any, None]
greet(User, Profile())  # Argument 2 to "greet" has incompatible type "Profile"; expected "User"
suspending_receiver("post_save")  # incompatible type "str"; expected "Signal | Sequence[Signal]"
suspending_receiver(post_save)(1)  # cannot be "int"


class ProfileTests(TestCase):
    def test_one_each(self) -> None:
        with self.assertIntegrityError(fields=["user"]) as caught:
            reveal_type(caught.exception)  # IntegrityError
        with raises_integrity_error(constraint="one_each") as caught:
            reveal_type(caught.exception)  # IntegrityError
        reveal_type(self.assertIntegrityError(Profile.objects.create, user=None))  # None
        self.assertIntegrityError(constraint=1)  # No overload variant
        raises_integrity_error(feilds=["user"])  # Unexpected keyword argument "feilds"


class GreetingTests(MiddlewareTestCase):
    def test_request(self) -> None:
        request = self.make_request("/", session={"a": 1})
        reveal_type(request)  # HttpRequest
        reveal_type(self.assertPassesThrough(request))  # HttpResponseBase
        reveal_type(self.assertShortCircuits(request, status_code=403))  # HttpResponseBase
        run = self.run_middleware(request, mode="async")
        reveal_type(run.view_calls)  # list[HttpRequest]
        reveal_type(run.mode)  # Literal['sync'] | Literal['async']
        self.run_middleware(request, mode="asnyc")  # incompatible type "Literal['asnyc']"
        self.make_request(metod="POST")  # Unexpected keyword argument "metod"
        self.assertShortCircuits(request, status_code="403")  # incompatible type "str"; expected "int | None"
"""


def test_mypy_reports_each_line_with_a_comment_and_no_other(bake):
    project = bake()
    (project.path / "apps/typed.py").write_text(CODE)
    reported: dict[int, str] = {}
    for line in project.uv("mypy", status=1).splitlines():
        if found := re.match(r"apps/typed\.py:(\d+): (?:note|error): (.*)", line):
            number, text = found.groups()
            reported[int(number)] = reported.get(int(number), "") + re.sub(
                r"\b[a-z_]+\.(?=[\w.]*[A-Z])", "", text
            )
    expected = {
        number: line.rpartition("  # ")[2]
        for number, line in enumerate(CODE.splitlines(), 1)
        if "  # " in line
    }
    assert reported.keys() == expected.keys()
    for number, text in expected.items():
        assert text in reported[number]
