"""``common.logins``: limits on guesses, and lines in the log. Servers are in tests/delivery/test_logins.py."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep
from unittest.mock import patch

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate, get_user_model, login
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import AbstractUser
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client, RequestFactory

from common import logins

DEAD = {"BACKEND": f"{__name__}.DeadCache"}


class DeadCache(LocMemCache):
    def add(self, *args, **kwargs):
        raise ConnectionError("redis://:secret@host does not respond")

    decr = delete = add


@pytest.fixture(autouse=True)
def backend(settings):
    settings.AUTHENTICATION_BACKENDS = ["common.logins.LimitingBackend"]
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_user("ada", password="correct", is_staff=True)


@pytest.fixture
def hashes(monkeypatch):
    """Return a list with an entry for each hash that is computed."""
    computed, encode = [], MD5PasswordHasher.encode

    def counted(*args):
        computed.append(1)
        return encode(*args)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return computed


def from_address(address, **headers):
    return RequestFactory(REMOTE_ADDR=address).post("/", headers=headers)


WRONG = "wrong"


def attempt(password=WRONG, username="ada", address="10.0.0.1", **headers):
    return authenticate(from_address(address, **headers), username=username, password=password)


def fail(times, **options):
    for _ in range(times):
        assert attempt(**options) is None


def test_a_correct_password_is_refused_after_five_failures_and_no_hash_is_computed(ada, hashes):
    fail(4)
    assert attempt("correct") == ada
    fail(5)
    hashes.clear()
    assert attempt("correct") is None
    assert attempt("wrong") is None
    assert hashes == []


def test_success_clears_the_failures_of_the_user_and_keeps_those_of_the_address(ada, hashes):
    for number in range(98):
        fail(1, username=f"nobody{number}")
    for _ in range(3):
        assert attempt("correct") == ada
    fail(1)
    assert attempt("correct") == ada
    fail(1)
    hashes.clear()
    assert attempt("correct") is None
    assert hashes == []


def test_a_user_is_locked_out_at_one_address_only(ada):
    fail(6)
    assert attempt("correct") is None
    assert attempt("correct", address="10.0.0.2") == ada
    assert attempt("correct", username="ADA") is None


def test_an_address_has_a_hundred_failures_for_all_names_together(ada, hashes):
    for number in range(100):
        fail(1, username=f"nobody{number}")
    hashes.clear()
    assert attempt("correct") is None
    assert hashes == []
    assert attempt("correct", address="10.0.0.2") == ada


def test_an_address_over_its_limit_fills_the_cache_with_no_more_names(db):
    for number in range(100):
        fail(1, username=f"nobody{number}")
    before = len(cache._cache)
    fail(20, username="another")
    assert len(cache._cache) == before


def test_refused_attempts_of_one_user_do_not_lock_the_address(ada):
    fail(120, username="robot")
    assert attempt("correct") == ada


def test_the_window_ends_fifteen_minutes_after_the_first_failure(ada, monkeypatch):
    fail(1)
    expiries = cache._expire_info
    before = dict(expiries)
    fail(8)
    assert expiries == before
    with patch("time.time", return_value=max(before.values()) - 1):
        assert attempt("correct") is None
    with patch("time.time", return_value=max(before.values()) + 1):
        assert attempt("correct") == ada


def test_a_counter_that_expires_between_two_steps_is_no_error(ada, caplog):
    with patch.object(LocMemCache, "add"):
        assert attempt("correct") == ada
    assert caplog.records == []


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("", "", True),
    ],
)
def test_ipv6_addresses_count_as_their_network_and_mapped_ones_as_ipv4(db, one, other, is_same):
    keys = [logins.counters(from_address(address), "ada") for address in (one, other)]
    assert (keys[0] == keys[1]) is is_same


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("1.1.1.1", "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("6.6.6.6,2001:db8::1 ", "2001:db8::1"),
        ("1.1.1.1:4711", "10.0.0.1"),
        ("1.1.1.1,", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("", "10.0.0.1"),
        (None, "10.0.0.1"),
    ],
)
def test_the_address_is_the_last_entry_of_the_header_if_that_is_one(settings, forwarded, expected):
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    request = from_address("10.0.0.1", **headers)
    assert logins.client_address(request) == "10.0.0.1"
    settings.CLIENT_ADDRESS_HEADER = "X-Forwarded-For"
    assert logins.client_address(request) == expected


def test_no_header_is_trusted_by_default(ada):
    for number in range(6):
        fail(1, **{"x-forwarded-for": f"1.1.1.{number}"})
    assert attempt("correct") is None


def test_without_a_request_nothing_is_counted_and_the_failure_is_logged(ada, caplog):
    for _ in range(101):
        assert authenticate(username="ada", password="wrong") is None
    assert authenticate(username="ada", password="correct") == ada
    assert "Login failed: user 'ada', address ''" in caplog.text
    assert authenticate(HttpRequest(), username="ada", password="correct") == ada


def test_credentials_without_a_name_or_a_password_are_not_counted(ada):
    for credentials in ({"token": "a"}, {"username": "ada"}, {"password": "a"}):
        for _ in range(101):
            assert authenticate(from_address("10.0.0.1"), **credentials) is None
    assert attempt("correct") == ada


def test_the_name_may_be_given_as_the_username_field(ada):
    with patch.object(get_user_model(), "USERNAME_FIELD", "email"):
        for _ in range(6):
            authenticate(from_address("10.0.0.1"), email="ada@example.com", password="wrong")
    assert attempt("correct", username="ada@example.com") is None


def test_the_log_names_user_and_address_and_never_the_password(ada, caplog):
    fail(6, password="s3cret")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["Login failed: user 'ada', address '10.0.0.1'"] * 6
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "s3cret" not in caplog.text


def test_names_forge_no_lines_and_do_not_fill_the_log(db, caplog):
    name = "ada\r\n2026-01-01 INFO\x1b[2J\u2028\u202e" + "x" * 100_000
    fail(1, username=name)
    (record,) = caplog.records
    line = record.getMessage()
    assert line.isprintable()
    assert len(line) < 300


def test_a_name_that_is_no_text_of_a_database_is_counted_as_well(db):
    assert len({*logins.counters(from_address("10.0.0.1"), "\ud800")}) == 2


def test_a_guesser_is_told_nothing_different(ada):
    client, pages = Client(), []
    for password in ["wrong"] * 6 + ["correct"]:
        page = client.post("/admin/login/", {"username": "ada", "password": password})
        pages.append((page.status_code, page.context["form"].errors))
    assert pages == pages[:1] * 7
    other = Client(REMOTE_ADDR="10.0.0.2")
    page = other.post("/admin/login/?next=/admin/", {"username": "ada", "password": "correct"})
    assert page.status_code == 302
    assert other.get("/admin/").status_code == 200


def test_a_user_may_be_logged_in_without_naming_a_backend(ada, rf):
    client = Client()
    request = rf.get("/")
    request.session = client.session
    login(request, ada)
    client.force_login(ada)
    assert client.get("/admin/").status_code == 200


def test_async_code_has_the_same_limits(ada):
    async def attempt_async(password):
        return await aauthenticate(from_address("10.0.0.1"), username="ada", password=password)

    attempt = async_to_sync(attempt_async)
    assert attempt("correct") == ada
    assert [attempt("wrong") for _ in range(5)] == [None] * 5
    assert attempt("correct") is None


def test_users_log_in_while_the_cache_is_dead_and_the_log_says_so(ada, settings, caplog):
    settings.CACHES = {"default": DEAD}
    fail(6)
    assert attempt("correct") == ada
    assert "Login attempts are not counted: the cache raised ConnectionError" in caplog.text
    assert "redis:" not in caplog.text


def test_an_error_of_the_database_counts_as_no_failure(ada):
    manager = get_user_model()._default_manager
    with patch.object(type(manager), "get_by_natural_key", side_effect=OperationalError):
        for _ in range(6):
            with pytest.raises(OperationalError):
                attempt("correct")
    fail(4)
    down = patch.object(type(manager), "get_by_natural_key", side_effect=OperationalError)
    with down, pytest.raises(OperationalError):
        attempt("correct")
    fail(1)
    assert attempt("correct") is None


def in_threads(count, function):
    """Call ``function`` in ``count`` threads that start at the same time; return the results."""
    barrier = Barrier(count, timeout=20)

    def run(number):
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(count) as pool:
        return [*pool.map(run, range(count), timeout=60)]


@pytest.fixture
def users(monkeypatch):
    """Take users from memory, so that threads need no database."""
    user = get_user_model()(username="ada")
    user.set_password("correct")
    manager = type(get_user_model()._default_manager)
    monkeypatch.setattr(manager, "get_by_natural_key", lambda self, name: user)
    return user


def test_of_twenty_guesses_at_once_only_five_are_checked(users, hashes):
    assert in_threads(20, lambda number: attempt()) == [None] * 20
    assert len(hashes) == 5


def test_one_password_is_checked_at_a_time_and_the_others_wait(users, monkeypatch):
    running, most = [], []

    def check_password(self, password):
        running.append(1)
        most.append(len(running))
        sleep(0.05)
        running.pop()
        return password == "correct"

    monkeypatch.setattr(AbstractUser, "check_password", check_password)
    results = in_threads(8, lambda number: attempt("correct", address=f"10.0.1.{number}"))
    assert results == [users] * 8
    assert max(most) == 1


def test_a_login_that_waits_too_long_is_refused_and_does_not_count(users, monkeypatch, caplog):
    fail(4)
    monkeypatch.setattr(logins, "MAX_WAIT", 0.01)
    with logins.hashing:
        fail(3)
    assert caplog.text.count("Login refused: too many at the same time") == 3
    fail(1)
    assert attempt("correct") is None


def test_a_success_in_another_thread_meanwhile_is_no_error(users, monkeypatch, caplog):
    check = logins.ModelBackend.authenticate

    def forgotten(*args, **kwargs):
        cache.clear()
        return check(*args, **kwargs)

    monkeypatch.setattr(logins.ModelBackend, "authenticate", forgotten)
    assert attempt("correct") == users
    assert caplog.records == []
