"""Ships what has been ordered. TERM and INT end it after the order at hand."""

import signal
import threading
from types import FrameType

from bookshop import observed, settings, shop
from bookshop.database import Database


class Worker:
    def __init__(self, database: Database, *, every: float = 1.0) -> None:
        self.database = database
        self.every = every
        self.shipped = 0
        self.failed = 0
        self.current: int | None = None
        """The order at hand."""
        self._stop = threading.Event()

    def __repr__(self) -> str:
        return f"<Worker shipped={self.shipped} failed={self.failed} current={self.current}>"

    def run(self) -> None:
        while not self._stop.is_set():
            self.work()
            self._stop.wait(self.every)

    def work(self) -> int:
        """Ships all pending orders; how many were handled."""
        with self.database.session() as session:
            numbers = shop.pending(session)
        handled = 0
        for self.current in numbers:
            if self._stop.is_set():
                break
            with observed.span("shipping") as told:
                with self.database.session() as session:
                    state = shop.ship(session, self.current)
                if told:
                    told.metadata["state"] = state
            if state is not None:
                handled += 1
                self.shipped += state == "shipped"
                self.failed += state != "shipped"
                print(f"order {self.current}: {state}", flush=True)
        self.current = None
        return handled

    def stop(self) -> None:
        self._stop.set()


worker: Worker | None = None
"""The one of this process."""


def main() -> None:
    global worker  # noqa: PLW0603  (an operator looks at it from the console)
    loaded = settings.load()
    worker = Worker(Database(loaded.database_url, pool_size=1), every=loaded.worker_every)

    def stop(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    end = observed.worker(worker.database)
    print(f"worker ready, looks for orders every {worker.every:g}s", flush=True)
    worker.run()
    end()
    worker.database.close()
    print(f"worker ends: {worker!r}", flush=True)


if __name__ == "__main__":
    main()
