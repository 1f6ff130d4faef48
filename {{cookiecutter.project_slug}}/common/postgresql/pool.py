"""What bounds the wait for a connection of Django's pool during an outage.

The settings of production put it into ``OPTIONS["pool"]``. Importing this module closes the pool at
exit: on Python 3.13, a process with an open pool takes 20 seconds longer to exit (psycopg #954).
"""

import atexit
import select
from typing import Any

import psycopg
from django import db
from psycopg.pq import ExecStatus
from psycopg_pool import ConnectionPool

connection: Any = db.connection  # django-stubs do not know its pool.
CHECK_TIMEOUT = 1000  # milliseconds
FAIL_FAST_TIMEOUT = 0.1  # seconds


@atexit.register
def close() -> None:
    connection.close_pool()


def fail_fast(pool: ConnectionPool[Any]) -> None:
    """Let requests wait only briefly from now on, because the pool cannot connect.

    If each waited for the whole timeout, requests would arrive faster than they fail.
    """
    pool.timeout = FAIL_FAST_TIMEOUT


class Connection(psycopg.Connection[Any]):
    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        """Bound the wait for the empty query, by which the pool checks a connection.

        psycopg would wait without a limit for a server that hangs. If the check fails, the pool makes
        a new connection.
        """
        if query != "":
            return super().execute(query, *args, **kwargs)
        try:
            self._ping()
        except psycopg.OperationalError:
            self.close()
            connection.pool.drain()  # What ended this connection has ended the others, too.
            raise
        connection.pool.timeout = connection.settings_dict["OPTIONS"]["pool"]["timeout"]
        return None

    def _ping(self) -> None:
        self.pgconn.send_query(b"")
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        if not poll.poll(CHECK_TIMEOUT):
            fail_fast(connection.pool)
            raise psycopg.OperationalError("the database does not respond")
        while result := self.pgconn.get_result():
            if result.status != ExecStatus.EMPTY_QUERY:
                raise psycopg.OperationalError("the database has closed the connection")
