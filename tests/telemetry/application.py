"""Telemetry in one go, for each Python that it serves: prints what came of it, as JSON."""

import asyncio
import gc
import json
import os
import sys
import threading

from limpet import telemetry
from limpet.telemetry import asyncio as lag
from limpet.telemetry import dispatch, logging
from limpet.telemetry import gc as collections

STOP = ("shop", "sale", "stop")
found: dict[str, object] = {}
heard: list[object] = []


def hear(event, measurements, _metadata, _config):
    heard.append([*event, *sorted(measurements)])


def fail(*_told):
    raise ValueError("no total")


telemetry.execute(STOP, {"cents": 1})
telemetry.attach_many("hear", [STOP, ("shop", "sale", "start")], hear)
telemetry.attach("fail", STOP, fail)
telemetry.execute(STOP, {"cents": 1})
telemetry.execute(STOP, {"cents": 1})
found["failures"] = [failure[:6] for failure in telemetry.failures()]
telemetry.detach("fail")
found["attached"] = len(telemetry.list_handlers())
telemetry.metrics(
    [
        telemetry.counter("shop.sale.stop.count", tags=["kind"]),
        telemetry.distribution("shop.sale.stop.cents", buckets=[1, 10]),
        telemetry.summary("shop.sale.stop.left"),
    ]
)


async def sell(kind):
    async with telemetry.span(("shop", "sale"), {"kind": kind}) as span:
        await asyncio.sleep(0)
        span.measurements["cents"] = 7
        span.measurements["left"] = 1


async def main():
    with telemetry.span(("around",)) as around:
        await asyncio.gather(sell("a"), sell("b"))
        assert telemetry.current_span() is around
    late = asyncio.Event()
    telemetry.attach("late", lag.LOOP, lambda *_told: late.set())
    end = lag.watch_lag(every="1ms")
    await late.wait()
    end()


asyncio.run(main())
found["heard"] = heard
found["snapshot"] = telemetry.snapshot()

ended = threading.Event()
telemetry.attach("gc", collections.PAUSE, lambda *_told: ended.set())
end = collections.install(every="1ms")
while not ended.wait(0.01):
    gc.collect()
end()

stop_logging = logging.install()
telemetry.attach("log", logging.RECORD, lambda *told: found.setdefault("logged", dict(told[2])))
__import__("logging").getLogger("shop").error("x")
stop_logging()

polled = threading.Event()
poll = telemetry.poll(polled.set, every="1ms")
assert polled.wait(30)
reader, writer = os.pipe()
if not (child := os.fork()):
    polled.clear()
    in_child = [family["samples"] for family in telemetry.snapshot()], polled.wait(30)
    os.write(writer, json.dumps(in_child).encode())
    os._exit(0)
os.waitpid(child, 0)
os.close(writer)
with open(reader) as said:
    found["child"] = json.load(said)
poll.stop()
for handler in {handler.id for handler in telemetry.list_handlers()}:
    telemetry.detach(handler)
assert dispatch.execute.__code__ is dispatch._silence
json.dump(found, sys.stdout)
