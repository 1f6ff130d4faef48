"""What tests import: test cases and assertions of ``common``. Only tests may import it."""

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
