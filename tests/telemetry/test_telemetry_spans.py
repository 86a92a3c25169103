"""Spans tell of their start and end, what they took, and which span they are in."""

import asyncio
import contextvars
import inspect
import threading

import pytest

from limpet import telemetry

CHECKOUT = ("shop", "checkout")


@pytest.fixture(autouse=True)
def attached(heard):
    telemetry.attach_many("h", [(*CHECKOUT, end) for end in ("start", "stop", "exception")], heard)
    telemetry.attach_many("i", [("inner", end) for end in ("start", "stop", "exception")], heard)


def test_start_and_stop_of_a_block(heard) -> None:
    with telemetry.span(CHECKOUT, {"cart": "ada"}) as span:
        span.measurements["items"] = 3
        span.metadata["coupon"] = "x"
        assert telemetry.current_span() is span
    assert telemetry.current_span() is None
    (start, begun, about), (stop, ended, told) = heard
    assert (start, stop) == ((*CHECKOUT, "start"), (*CHECKOUT, "stop"))
    assert set(begun) == {"monotonic_time", "system_time"}
    assert set(ended) == {"monotonic_time", "duration", "items"}
    assert ended["duration"] == ended["monotonic_time"] - begun["monotonic_time"]
    context = span.context
    assert about == {
        "cart": "ada",
        "telemetry_span_context": context,
        "telemetry_parent_span_context": None,
    }
    assert told == {**about, "coupon": "x"}


def test_an_exception_is_told_and_raised_on(heard) -> None:
    error = KeyError("total")
    with pytest.raises(KeyError) as caught, telemetry.span(CHECKOUT, {"cart": "ada"}):
        raise error
    assert caught.value is error
    event, measurements, metadata = heard[1]
    assert event == (*CHECKOUT, "exception")
    assert set(measurements) == {"monotonic_time", "duration"}
    assert (metadata["kind"], metadata["reason"], metadata["cart"]) == ("KeyError", error, "ada")
    assert metadata["stacktrace"].tb_frame.f_code.co_name == "test_an_exception_is_told_and_raised_on"
    assert telemetry.current_span() is None


def plain(value):
    telemetry.current_span().metadata["value"] = value
    if value == "bad":
        raise ValueError(value)
    return value


async def coroutine(value):
    await asyncio.sleep(0)
    return plain(value)


def run(made):
    return asyncio.run(made) if inspect.iscoroutine(made) else made


@pytest.mark.parametrize("function", [plain, coroutine])
def test_each_call_of_a_decorated_function_is_a_span(heard, function) -> None:
    decorated = telemetry.span(CHECKOUT, {"by": "decorator"})(function)
    assert decorated.__name__ == function.__name__
    assert inspect.iscoroutinefunction(decorated) == inspect.iscoroutinefunction(function)
    assert run(decorated("one")) == "one"
    assert run(decorated("two")) == "two"
    with pytest.raises(ValueError, match="bad"):
        run(decorated("bad"))
    assert [event[-1] for event, _, _ in heard] == ["start", "stop"] * 2 + ["start", "exception"]
    assert [told.get("value") for _, _, told in heard] == [None, "one", None, "two", None, "bad"]
    assert len({told["telemetry_span_context"] for _, _, told in heard}) == 3


def test_a_decorated_function_may_call_itself(heard) -> None:
    @telemetry.span(CHECKOUT)
    def count(left: int) -> int:
        return 1 + count(left - 1) if left else 0

    assert count(2) == 2
    contexts = [told["telemetry_span_context"] for _, _, told in heard]
    parents = [told["telemetry_parent_span_context"] for _, _, told in heard]
    assert contexts == contexts[:3] + contexts[2::-1]
    assert parents[:3] == [None, *contexts[:2]]


def test_a_decorated_generator_is_one_span_and_never_around_who_takes_its_values(heard) -> None:
    @telemetry.span(("inner",))
    def numbers():
        got = yield 1
        yield got
        return "done"

    made = numbers()
    assert heard == []
    with telemetry.span(CHECKOUT) as span:
        assert next(made) == 1
        assert telemetry.current_span() is span
    assert made.send(5) == 5
    with pytest.raises(StopIteration) as end:
        next(made)
    assert end.value.value == "done"
    assert heard.names() == ["shop.checkout.start", "inner.start", "shop.checkout.stop", "inner.stop"]
    left = numbers()
    next(left)
    left.close()
    assert heard[-1][0] == ("inner", "exception")
    assert heard[-1][2]["kind"] == "GeneratorExit"


def test_an_async_generator_is_refused_with_what_to_do() -> None:
    async def numbers():
        yield 1

    with pytest.raises(TypeError, match="put `with span"):
        telemetry.span(CHECKOUT)(numbers)


def test_async_with(heard) -> None:
    async def main() -> None:
        async with telemetry.span(CHECKOUT) as span:
            await asyncio.sleep(0)
            span.measurements["n"] = 1

    asyncio.run(main())
    assert heard[1][1]["n"] == 1


def parents(heard) -> dict:
    """Name given as metadata -> name of the span around it."""
    names = {told["telemetry_span_context"]: told["name"] for _, _, told in heard}
    return {told["name"]: names.get(told["telemetry_parent_span_context"]) for _, _, told in heard}


def test_tasks_know_the_span_that_made_them_and_do_not_disturb_each_other(heard) -> None:
    async def inner(name: str, mine: asyncio.Event, other: asyncio.Event) -> None:
        with telemetry.span(("inner",), {"name": name}):
            mine.set()
            await other.wait()
            with telemetry.span(("inner",), {"name": f"{name}'s"}):
                await asyncio.sleep(0)

    async def main() -> None:
        one, two = asyncio.Event(), asyncio.Event()
        with telemetry.span(CHECKOUT, {"name": "outer"}) as span:
            await asyncio.gather(inner("a", one, two), inner("b", two, one))
            assert telemetry.current_span() is span
            await asyncio.to_thread(lambda: telemetry.span(("inner",), {"name": "thread"}).__enter__())

    asyncio.run(main())
    assert parents(heard) == {
        "outer": None,
        "a": "outer",
        "b": "outer",
        "a's": "a",
        "b's": "b",
        "thread": "outer",
    }


def test_a_thread_begins_with_no_span(heard) -> None:
    def work() -> None:
        with telemetry.span(("inner",), {"name": "thread"}):
            pass

    with telemetry.span(CHECKOUT, {"name": "outer"}):
        thread = threading.Thread(target=work, **no_context())
        thread.start()
        thread.join()
    assert parents(heard) == {"outer": None, "thread": None}


def no_context() -> dict:
    """Python 3.14 may let threads inherit their context; here they begin with an empty one."""
    return (
        {"context": contextvars.Context()}
        if "context" in inspect.signature(threading.Thread).parameters
        else {}
    )


def test_left_in_another_context_it_still_ends(heard) -> None:
    span = telemetry.span(CHECKOUT)
    contextvars.copy_context().run(span.__enter__)
    span.__exit__(None, None, None)
    assert heard.names() == ["shop.checkout.start", "shop.checkout.stop"]


def test_one_that_runs_is_not_entered_again(heard) -> None:
    span = telemetry.span(CHECKOUT)
    with span, pytest.raises(RuntimeError, match="is running already"):
        span.__enter__()
    with span:
        pass
    assert heard.names() == ["shop.checkout.start", "shop.checkout.stop"] * 2


def test_a_context_that_is_given_is_kept(heard) -> None:
    """As in BEAM's telemetry: a span that goes on in another process keeps its name."""
    with telemetry.span(CHECKOUT, {"telemetry_span_context": "from afar"}), telemetry.span(("inner",)):
        pass
    assert heard[0][2]["telemetry_span_context"] == "from afar"
    assert heard[1][2]["telemetry_parent_span_context"] == "from afar"


def test_a_handler_that_comes_in_the_middle_hears_the_end_with_its_duration() -> None:
    got = []
    with telemetry.span(("late",)):
        telemetry.attach("late", ("late", "stop"), lambda *told: got.append(told[1]["duration"]))
    assert got[0] >= 0


@pytest.mark.parametrize("name", ["shop.checkout", (), ("shop", None)])
def test_a_name_that_can_be_none_is_refused(name) -> None:
    with pytest.raises(TypeError, match="tuple of text"):
        telemetry.span(name)
