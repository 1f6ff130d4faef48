"""Test cases and assertions for the tests of a service. Only tests may import this package."""

from common.testing.cases import LiveServerTestCase, SimpleTestCase, TestCase, TransactionTestCase
from common.testing.integrity import raises_integrity_error
from common.testing.middleware import MiddlewareTestCase

__all__ = [
    "LiveServerTestCase",
    "MiddlewareTestCase",
    "SimpleTestCase",
    "TestCase",
    "TransactionTestCase",
    "raises_integrity_error",
]
