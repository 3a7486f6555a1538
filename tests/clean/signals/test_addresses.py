import pytest

from clean.signals.addresses import enclosing, find_emails, find_ips


def emails(text: str) -> list[str]:
    return [text[start:stop] for start, stop in find_emails(text)]


def ips(text: str) -> list[str]:
    return [text[start:stop] for start, stop in find_ips(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# Ann <ann.o-b+py_1@mail.co.uk>, 2020\n", ["ann.o-b+py_1@mail.co.uk"]),
        ("x = 'ann@mail.org, bob@mail.org.'\n", ["ann@mail.org", "bob@mail.org"]),
        ("'''\n:author: ann@MAIL.ORG\n'''\n", ["ann@MAIL.ORG"]),
        ("x = b'mailto:ann@mail.org'\n", ["ann@mail.org"]),
        ("x = 'a\\nann@mail.org'\n", ["ann@mail.org"]),
        ("x = 'a\\x41ann@mail.org'\n", ["ann@mail.org"]),
        ("x = 'a\\tann@mail.org'\n", ["ann@mail.org"]),
        ("x = f'{y} ann@mail.org'\n", ["ann@mail.org"]),
    ],
)
def test_emails_in_strings_and_comments(text: str, found: list[str]) -> None:
    assert emails(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "x = a@b.com\n",
        "@pytest.mark.slow\ndef f(): ...\n",
        "# ann@example.com bob@sub.example.org eve@mail.test me@localhost a@b.invalid\n",
        "# ann@foo.com noreply@mail.org no-reply@mail.org do_not_reply@mail.org\n",
        "# git@github.com:ann/repo.git, ann@host.org:/srv, https://ann@mail.org/x\n",
        "# https://ann:pw@mail.org/x ssh://git@mail.org\n",
        "x = '%s@mail.org' % y, '{}@mail.org', f'{y}@mail.org', '$U@mail.org'\n",
        "# a@b.dot(c), W@x.T, icon@2x.png, name@1.2.3, @mail.org, a@-b.org, m@module.py\n",
        "# aes128-gcm@openssh.com\n",
        "# " + "a" * 65 + "@mail.org\n",
    ],
)
def test_what_is_no_address_of_a_person(text: str) -> None:
    assert emails(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 'http://93.184.216.34:80/'\n", ["93.184.216.34"]),
        ("# ask 93.184.216.34, or 151.101.1.69.\n", ["93.184.216.34", "151.101.1.69"]),
        (
            "x = 'a\\n93.184.216.34\\t2a00:1450:4001:81b::200e'\n",
            ["93.184.216.34", "2a00:1450:4001:81b::200e"],
        ),
        ("x = '2a00:1450:4001:81b::200e'\n", ["2a00:1450:4001:81b::200e"]),
        ("x = '[2a00:1450:4001:81b:0:0:0:200e]:80'\n", ["2a00:1450:4001:81b:0:0:0:200e"]),
    ],
)
def test_public_addresses(text: str, found: list[str]) -> None:
    assert ips(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "x = 93.184\n",
        "x = y[93.184:216.34]\n",
        "# 10.1.22.33 127.0.0.1 192.168.10.20 172.20.30.40 169.254.10.20 100.64.20.30\n",
        "# 192.0.2.44 198.51.100.44 203.0.113.44 224.20.30.40 255.255.255.0 0.10.20.30\n",
        "# 8.8.8.8 8.8.4.4 1.1.1.1 208.67.222.222\n",
        "# 93.184.216.0 93.184.0.0/16 93.184.216.34/24\n",
        "__version__ = '21.30.41.52'\n",
        "# release 21.30.41.52, firmware v1 21.30.41.52, x>=21.30.41.52 x == 21.30.41.52\n",
        "# package-21.30.41.52.tar.gz Chrome/21.30.41.52 v21.30.41.52 1.2.13.4 3.1.4.1\n",
        "# OID 2.15.29.17, 1.23.46.14.12, 1.3.6.1.4.1.311, 300.1.22.33, 021.30.41.52\n",
        "x = ObjectIdentifier('2.15.29.17')\n",
        "# ::1 fe80::1 2001:db8::44 2001:4860:4860::8888 2a00:1450::/32 12:34:56 a[::2]\n",
        "# 2021:10:11 11:12:13, 2020:: 2a00:1450:4001::\n",
    ],
)
def test_what_is_no_address_of_a_machine(text: str) -> None:
    assert ips(text) == []


def test_the_enclosing_span() -> None:
    spans = [(0, 5), (7, 9)]
    assert enclosing(spans, (1, 5)) == (0, 5)
    assert enclosing(spans, (7, 8)) == (7, 9)
    for outside in ((5, 7), (4, 6), (4, 9), (9, 10)):
        assert enclosing(spans, outside) is None
    assert enclosing([], (0, 1)) is None
