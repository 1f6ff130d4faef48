"""Mail the owners of abandoned carts, once for each cart: ``manage.py remind_abandoned_carts``.

An example of a job that reads all sessions, and changes some, while visitors use them.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.core.mail import EmailMessage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.shop import cart
from apps.users.models import User
from common.sessions import SessionGone, edit_session, live_sessions

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Mail each user who left products in the cart, once for each cart."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after",
            type=int,
            default=24,
            metavar="HOURS",
            help="How long a cart must be unchanged to count as abandoned; by default 24.",
        )

    def handle(self, *, after: int, **options: Any) -> None:
        since = timezone.now() - timedelta(hours=after)
        seen, sent, failed = 0, 0, 0
        try:
            for session_key, data in live_sessions():
                seen += 1
                try:
                    if cart.is_abandoned(data, since) and remind(session_key, data):
                        sent += 1
                except Exception:
                    # Log the user and not the session key, which is as secret as a password.
                    logger.exception("User %s could not be reminded.", data.get(USER_KEY))
                    failed += 1
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped after {seen} sessions, {sent} reminders: run it again for the others.",
                returncode=130,
            ) from None
        self.stdout.write(f"{seen} sessions, {sent} reminders.")
        if failed:
            raise CommandError(f"{failed} failed, see the log: the next run tries them again.")


def remind(session_key: str, data: dict[str, Any]) -> bool:
    """Mark the cart and send the mail; return False if the cart was changed or marked meanwhile.

    The mark is saved before the mail is sent, and removed if sending fails. So the session is not
    locked while the mail server answers, and a crash in between means no mail instead of two.
    """
    message = reminder(data)
    if message is None:
        return False
    try:
        with edit_session(session_key) as session:
            if session.get(cart.SESSION_KEY) != data[cart.SESSION_KEY]:
                return False
            marked = cart.mark_reminded(session)
    except SessionGone:
        return False
    try:
        message.send()
    except BaseException:
        with suppress(SessionGone), edit_session(session_key) as session:
            if session.get(cart.SESSION_KEY) == marked:
                session[cart.SESSION_KEY] = data[cart.SESSION_KEY]
        raise
    return True


def reminder(data: dict[str, Any]) -> EmailMessage | None:
    """Return the mail; None if the user has no address or the products are no longer sold."""
    pk: Any = data.get(USER_KEY)
    user = User.objects.filter(pk=pk, is_active=True).exclude(email="").first()
    lines = cart.lines(data) if user else []
    if not user or not lines:
        return None
    left = [f"- {count} x {product.name}" for product, count in lines]
    return EmailMessage(
        subject=f"You have left something in your cart at {settings.PROJECT_NAME}",
        body="\n".join(["It is still there:", "", *left, ""]),
        to=[user.email],
    )
