"""Light load on a server: what visitors notice while a test makes something fail."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

INTERVAL = 0.05  # seconds from one request to the next
TIMEOUT = 20.0


@dataclass
class Load:
    """What the requests got: a count of statuses and names of exceptions, and the longest wait.

    ``outage`` is the number of seconds from the first request that got no answer or a 5xx to the end of the last.
    """

    statuses: Counter[int | str] = field(default_factory=Counter)
    slowest: float = 0.0
    failures: list[tuple[float, float]] = field(default_factory=list, repr=False)

    @property
    def outage(self) -> float:
        return self.failures[-1][1] - self.failures[0][0] if self.failures else 0.0

    def add(self, status: int | str, start: float) -> None:
        end = time.monotonic()
        self.statuses[status] += 1
        self.slowest = max(self.slowest, end - start)
        if isinstance(status, str) or status >= 500:
            self.failures.append((start, end))


def status_of(url: str, timeout: float = TIMEOUT) -> int | str:
    """Return the status of ``url``, requested like a proxy that terminates HTTPS, or the name of an exception.

    A redirect is not followed.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        path = f"{parts.path or '/'}?{parts.query}"
        connection.request("GET", path, headers={"X-Forwarded-Proto": "https"})
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def fault_row(fault: str, answer: object, load: Load, lines: int) -> str:
    """Return a row of the table of faults.

    ``answer`` is what the faulty request got, and ``lines`` the number of lines in the log, without the
    one line of each request. A test records the row as the property "fault", and the last lines of a
    run show the table.
    """
    statuses = ", ".join(
        f"{count} x {status}" for status, count in sorted(load.statuses.items(), key=str)
    )
    return f"| {fault} | {answer} | {statuses} | {load.slowest:.1f} | {load.outage:.1f} | {lines} |"


def lines_of(log: str) -> int:
    """Return the number of lines of ``log`` that are not the line of a request."""
    return sum(" common.request: " not in line for line in log.splitlines())


@contextmanager
def light_load(url: str, threads: int = 2) -> Iterator[Load]:
    """Request ``url`` about twenty times a second during the block; yield the ``Load``.

    Several threads take turns, so one slow answer does not hide what other visitors get.
    """
    load, lock, stop = Load(), threading.Lock(), threading.Event()

    def send(delay: float) -> None:
        stop.wait(delay)
        while not stop.is_set():
            start = time.monotonic()
            status = status_of(url)
            with lock:
                load.add(status, start)
            stop.wait(max(0.0, threads * INTERVAL - (time.monotonic() - start)))

    senders = [threading.Thread(target=send, args=(i * INTERVAL,)) for i in range(threads)]
    for sender in senders:
        sender.start()
    try:
        yield load
    finally:
        stop.set()
        for sender in senders:
            sender.join()
