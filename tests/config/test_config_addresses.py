"""What the configuration accepts as an address, the probes and the listeners can use."""

import socket

from hypothesis import given
from hypothesis import strategies as st

from limpet_supervisor.config.forms import address, served, url
from limpet_supervisor.config.read import Reader, Refused
from limpet_supervisor.runtime.addresses import parse_address, parse_url
from support.configuration import CALM

HOSTS = r"(\[[0-9a-f:.%g]{0,6}\]|[a-z0-9.é@ _-]{0,6})"


def accepts(form, text: str) -> bool:
    try:
        form(Reader({}, {}), text, ())
    except Refused:
        return False
    return True


@CALM
@given(st.from_regex(rf"{HOSTS}:?[0-9]{{0,6}}|unix:[/@a]?.{{0,120}}", fullmatch=True))
def test_addresses(text: str) -> None:
    if accepts(address, text):
        parse_address(text)


@CALM
@given(st.from_regex(rf"https?://{HOSTS}:?[0-9]{{0,6}}[/?#]?[a-zé?#@ /]{{0,6}}", fullmatch=True))
def test_urls(text: str) -> None:
    if accepts(url, text):
        parse_url(text)


@CALM
@given(st.from_regex(rf"(localhost|{HOSTS}|\[fe80::1%e\]):[0-9]{{1,5}}|unix:[/@a].{{0,20}}", fullmatch=True))
def test_where_the_node_serves_no_name_has_to_be_asked_for(text: str) -> None:
    if accepts(served, text):
        found = parse_address(text)
        assert found.family != socket.AF_UNSPEC or found.host == "localhost"


def test_the_usual_ones_are_accepted() -> None:
    for text in ("127.0.0.1:80", "[::1]:80", "localhost:1", "unix:/run/x"):
        assert accepts(served, text)
    for text in ("example.com:80", "[fe80::1%eth0]:80"):
        assert not accepts(served, text)
    for text in ("127.0.0.1:80", "[::1]:80", "localhost:1", "db_1.internal:65535", "unix:/run/x", "unix:@x"):
        assert accepts(address, text)
    for text in ("http://localhost", "http://[::1]:80/a?b=c", "http://h:1?x", "http://h/#x"):
        assert accepts(url, text)
