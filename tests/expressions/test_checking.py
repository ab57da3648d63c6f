"""What is wrong in a condition is said at once, in words, at its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.expressions.checking import MAX_LENGTH
from gateway.expressions.complaint import BadExpression, Complaint
from gateway.expressions.expression import compile_expression
from gateway.feeds.kinds import ListKind

LISTS = {
    "blocked": ListKind.NETWORKS,
    "asns": ListKind.ASNS,
    "embargo": ListKind.COUNTRIES,
    "partners": ListKind.ACCOUNTS,
    "disposable": ListKind.DOMAINS,
}

WRONG = {
    # Syntax.
    "": ["1:1: is empty: leave it out, or write `true`"],
    " \n": ["1:1: is empty: leave it out, or write `true`"],
    "account.known &&": ["1:17: ends where a value is missing"],
    "(account.known": ["1:15: `(` is not closed: `)` is missing"],
    "account.known)": ["1:14: `)` closes nothing"],
    '"NO" in ["NO"': ["1:14: `[` is not closed: `]` is missing"],
    'account.tier = "a"': ["1:14: `=`: to compare, write `==`"],
    'account.tier === "a"': ["1:14: `===`: to compare, write `==`"],
    'account.tier <> "a"': ["1:14: `<>`: write `!=`"],
    "account.known & captcha.passed | true": ["1:15: `&`: write `&&`", "1:32: `|`: write `||`"],
    "account.known and captcha.passed": ["1:15: `and`: write `&&`"],
    "account.known\n  OR captcha.passed": ["2:3: `OR`: write `||`"],
    "true && not account.known": ["1:9: `not`: write `!`"],
    'account.tier not in ["a"]': ["1:14: `not in`: write `!(... in ...)`"],
    'account.tier is "a"': ["1:14: `is`: to compare, write `==`"],
    'account.tier == "a': ["1:17: text without its closing quote"],
    "account.tier == “a”": [
        '1:17: `“` is a typographic quote: write `"`',
        '1:19: `”` is a typographic quote: write `"`',
    ],
    r'account.tier == "\d"': [
        r"1:17: an escape that there is not: write `\\` for a backslash, or r'...' for text without escapes"
    ],
    "request.input_tokens > 10k": ["1:24: `10k` is no number: write it out"],
    "request.input_tokens > 10000000000000000000": ["1:24: a number of more than 64 bits"],
    'account.tier == "a" "b"': ['1:21: before `"b"` an operator is missing, such as `&&`'],
    "&& account.known": ["1:1: `&&` stands where a value is missing"],
    "account.known #": ["1:15: `#` means nothing here"],
    "if account.known": ["1:1: `if` is a reserved word: write `condition ? yes : no`"],
    "has(claims)": ["1:5: `has` asks for a field: it is written as `has(claims.name)`"],
    "(" * 40 + "true" + ")" * 40: ["1:1: is nested deeper than 32"],
    "true\x00 && false": ["1:5: U+0000 is no character"],
    'account.tier == "a"\n&& account.id == "\ud800"': ["2:19: U+D800 is no character"],
    "true" + " " * MAX_LENGTH: ["1:1: has 8004 characters, and at most 8000 are allowed"],
    # Names.
    'account.teir == "a"': ["1:1: unknown variable `account.teir`: did you mean `account.tier`?"],
    'account.teir.startsWith("a")': ["1:1: unknown variable `account.teir`: did you mean `account.tier`?"],
    'acount.tier == "é" && account.teir == "x"': [
        "1:1: unknown variable `acount.tier`: did you mean `account.tier`?",
        "1:23: unknown variable `account.teir`: did you mean `account.tier`?",
    ],
    '"é😀" == account.teir': ["1:9: unknown variable `account.teir`: did you mean `account.tier`?"],
    'country == "NO"': ["1:1: unknown variable `country`: did you mean `client.country`?"],
    "xyzzy.plugh": ["1:1: unknown variable `xyzzy.plugh`"],
    'client == "a"': [
        "1:1: `client` is no value: there are client.address, client.country, client.asn, client.network_kinds,"
        " client.private, client.ja4"
    ],
    "account.tier.x": ["1:13: `account.tier` (text) has no field `x`"],
    'account.tier.startWith("a")': ["1:14: there is no function `startWith`: did you mean `startsWith`?"],
    "math.greatest(1, 2) == 2": ["1:6: there is no function `math.greatest`"],
    "timestamp == time.now": ['1:1: `timestamp` is a function: it is written as `timestamp("2026-11-22T00:00:00Z")`'],
    'account.tier.startsWith("a", "b")': ['1:14: `startsWith` is written as `text.startsWith("...")`'],
    "type(account.tier) == string": [
        "1:1: there is no function `type`",
        "1:23: `string` is a function: it is written as `string(value)`",
    ],
    # Types.
    "account.tier": ["1:1: must be true or false, and is `account.tier` (text)"],
    "claims.admin": ["1:1: must be true or false, and is `claims.admin` (anything): compare it, such as `== true`"],
    "size(account.tier)": ["1:1: must be true or false, and is a whole number"],
    "account.tier == 1": ['1:14: `account.tier` (text) is compared to `1` (a whole number): write "1"'],
    "1 == account.tier": ['1:3: `1` (a whole number) is compared to `account.tier` (text): write "1"'],
    'account.tier == "a"\n  && account.id == 2': [
        '2:17: `account.id` (text) is compared to `2` (a whole number): write "2"'
    ],
    'request.input_tokens > "5"': [
        '1:22: `request.input_tokens` (a whole number) is compared to `"5"` (text): write 5'
    ],
    "request.input_tokens > 5.0": [
        "1:22: `request.input_tokens` (a whole number) is compared to `5.0` (a number with a point): write 5"
    ],
    'time.now > "2026-11-22"': [
        '1:10: `time.now` (a time) is compared to `"2026-11-22"` (text): write timestamp("2026-11-22")'
    ],
    'account.age < "24h"': ['1:13: `account.age` (a duration) is compared to `"24h"` (text): write duration("24h")'],
    "account.age < 24": [
        '1:13: `account.age` (a duration) is compared to `24` (a whole number): write duration("24h")'
    ],
    "account.known == 1": [
        "1:15: `account.known` (true or false) is compared to `1` (a whole number): "
        "write account.known or !account.known"
    ],
    "account.tier == null": [
        "1:14: `account.tier` (text) is compared to `null` (null): there is no null, "
        "a missing value is the empty value of its type"
    ],
    'request.features == "tools"': [
        '1:18: `request.features` (a list of text) is compared to `"tools"` (text): write "tools" in request.features'
    ],
    'client.country == ["NO"]': ["1:16: `client.country` (text) is compared to a list of text: write `in`"],
    'request.features in "tools"': [
        '1:18: `in` looks in a list, which stands on its right: write "tools" in request.features'
    ],
    'request.features.contains("tools")': ['1:18: a list has no `contains`: write "tools" in request.features'],
    'client.country in "NO"': ['1:16: `in` looks in a list, and `"NO"` (text) is none: write ["NO"]'],
    "account.tier && true": [
        "1:14: `&&` needs what is true or false, not `account.tier` (text): compare it with something"
    ],
    "account.known ? 1 : 'a'": ["1:15: the two answers of `? :` are a whole number and text: they must be of one type"],
    'account.tier + 1 == "a1"': ["1:14: `+` cannot join `account.tier` (text) and `1` (a whole number)"],
    "account.tier.exists(x, true)": ["1:1: `account.tier` (text) is no list"],
    'account.tier in ["a", 1]': ["1:23: a whole number in a list that begins with text: all must be of one type"],
    # Lists.
    "client.country in lists.embrgo": ["1:19: there is no list `embrgo` in feeds.yaml: did you mean `embargo`?"],
    "client.country in lists.xyzzy": [
        "1:19: there is no list `xyzzy` in feeds.yaml: there are asns, blocked, disposable, embargo, partners"
    ],
    "client.country in lists.blocked": [
        "1:1: `lists.blocked` holds networks: it is asked for client.address, not for client.country"
    ],
    "client.asn in lists.embargo": [
        "1:1: `lists.embargo` holds countries: it is asked for client.country or account.signup_country or"
        " account.billing_country, not for client.asn"
    ],
    '"NO" in lists.embargo': [
        "1:1: `lists.embargo` holds countries: it is asked for client.country or account.signup_country or"
        " account.billing_country"
    ],
    "account.tier in lists.partners": [
        "1:1: `lists.partners` holds accounts: it is asked for account.id or account.organisation, not for account.tier"
    ],
    "account.id in lists.disposable": [
        "1:1: `lists.disposable` holds domains: it is asked for account.email_domain, not for account.id"
    ],
    "request.items in lists.asns": ["1:1: `lists.asns` holds asns: it is asked for client.asn, not for request.items"],
    "lists.embargo.size() > 1": ["1:1: `lists.embargo` can only stand on the right of `in`"],
    'lists.embargo.exists(c, c == "NO")': ["1:1: `lists.embargo` can only stand on the right of `in`"],
    # What nothing can be.
    'client.country == "norway"': [
        '1:19: a country is its two-letter code (ISO 3166-1 alpha-2), such as NO, not "norway"'
    ],
    'client.country in ["NO", "UK", "us", "NK", "QQ", "QB"]': [
        '1:26: no country has the code "UK": did you mean `GB`?',
        '1:32: a country is two capital letters: did you mean `US`, not "us"?',
        '1:38: no country has the code "NK": did you mean `KP`?',
        '1:50: no country has the code "QB" (ISO 3166-1 alpha-2)',
    ],
    '"Tools" in request.features': ['1:1: there is no feature "Tools": did you mean `tools`?'],
    'key.features.exists(f, f == "tols")': ['1:29: there is no feature "tols": did you mean `tools`?'],
    'request.features == ["tool"]': ['1:22: there is no feature "tool": did you mean `tools`?'],
    '"satellite" in client.network_kinds': [
        '1:1: there is no network kind "satellite": there are hosting, vpn, tor, residential_proxy, relay'
    ],
    '"post" != request.method': ['1:1: there is no method "post": did you mean `POST`?'],
    'request.route == "chat.completion"': [
        '1:18: there is no route "chat.completion": did you mean `chat.completions`?'
    ],
    'request.dialect == "gemini"': ['1:20: there is no dialect "gemini": there are openai, anthropic'],
    'account.email_domain == "me@Example.com"': [
        '1:25: a domain is in lower case and without `@`, not "me@Example.com": did you mean `example.com`?'
    ],
    "time.weekday == 0": ["1:17: time.weekday is never 0: it is 1 (Monday) to 7 (Sunday)"],
    "time.hour in [22, 24]": ["1:19: time.hour is never 24: it is 0 to 23"],
    'time.date == "22.11.2026"': ['1:14: a date is written as 2026-11-22, not "22.11.2026"'],
    r'account.tier == "\u0000"': ["1:17: text with the character U+0000: nothing ever has it"],
    # What fails each time, and what costs too much.
    'account.age < duration("7d")': [
        '1:24: no duration: "7d". It is written as "90s", "15m" or "24h"; there are no days'
    ],
    'time.now < timestamp("2026-11-22")': ['1:22: no time: "2026-11-22". It is written as "2026-11-22T00:00:00Z"'],
    'time.now.getHours("Berlin") == 1': ['1:19: no time zone: "Berlin". It is written as "Europe/Berlin" or "+02:00"'],
    'request.model.matches("(")': ["1:23: no regular expression (RE2): missing ): ("],
    'request.model.matches("(?=a)")': ["1:23: no regular expression (RE2): invalid perl operator: (?="],
    "request.model.matches(request.path)": ["1:15: the pattern of `matches` must be written out"],
    "request.model.matches('" + "a" * 257 + "')": ["1:15: a pattern of 257 characters: at most 256 are allowed"],
    "request.model.matches('([ab]{1,40}){20}x')": [
        "1:15: a pattern that stands for 801 characters: at most 256 are allowed, so repeat less"
    ],
    "key.models.exists(m, tags.exists(t, t == m))": [
        "1:27: a loop over a list in a loop over a list: only one is allowed"
    ],
    "tags.filter(t, true).exists(t, t == 'a')": ["1:22: loops go over a variable or over what is written in brackets"],
    "key.models.exists(tags, tags == 'a')": ["1:12: `tags` has a meaning already: give the item another name"],
    "tags.exists(t, t in [" + ", ".join(["'a'"] * 70) + "])": [
        "1:6: what is asked of each item has 75 parts, and at most 64 are allowed"
    ],
    "account.tier in [" + ", ".join(["'a'"] * 1000) + "]": [
        "1:1: has 1003 parts, and at most 1000 are allowed: put what is looked up in a list of feeds.yaml"
    ],
}


@pytest.mark.parametrize(("text", "expected"), WRONG.items(), ids=[text[:40] for text in WRONG])
def test_what_is_wrong_is_said_at_its_place(text: str, expected: list[str]) -> None:
    """All of it and nothing else, in the order of the text."""
    with pytest.raises(BadExpression) as found:
        compile_expression(text, LISTS)

    assert [f"{line}:{column}: {message}" for line, column, message in found.value.complaints] == expected


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "account.known // why\n  && true",
        'account.tier == "" || client.country == ""',
        'client.country in ["XK", "EU", "ZZ"]',
        'request.method in ["GET", "HEAD"] && request.dialect != "openai"',
        'has(claims.plan) && claims.plan == "pro"',
        'claims.groups.exists(g, g == "staff") || "x" in claims',
        'client.network_kinds.exists(k, k in ["vpn", "tor"])',
        '["a", "b"].all(p, request.model.startsWith(p))',
        "request.features.filter(f, f != 'tools').size() > 1",
        "client.address in lists.blocked && client.asn in lists.asns && account.organisation in lists.partners",
        "account.billing_country in lists.embargo && account.email_domain in lists.disposable",
        'time.now.getHours("Europe/Berlin") in [1, 2]',
        'request.model.matches(r"^m-\\d+$") && account.email_domain.endsWith(".edu")',
        "account.`tier` == 'free'",
        'account.tier in ["' + '", "'.join(f"t{number}" for number in range(300)) + '"]',
    ],
)
def test_what_is_right_is_taken(text: str) -> None:
    """No false alarm."""
    assert compile_expression(text, LISTS).text == text


@given(st.text(alphabet="abcl.ist_ ()[]{}\"'&|!=<>+-*/%?:,01\\\n#é", max_size=40))
def test_any_text_is_a_condition_or_has_complaints(text: str) -> None:
    """Whatever is written, there is an answer, with places within the text or just behind it."""
    complaints: tuple[Complaint, ...] = ()
    try:
        assert compile_expression(text, LISTS).tree.type == "bool"
    except BadExpression as bad:
        complaints = bad.complaints or (Complaint(0, 0, ""),)
    lines = text.split("\n")
    for line, column, message in complaints:
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
        assert message
