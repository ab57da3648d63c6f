"""Every file in bad/ is wrong, and its first lines say where and why; every file in good/ is right."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.expressions.expression import Expression
from gateway.feeds.kinds import ListKind
from gateway.quantities import Count, Duration, Money, Name, Secret, Size
from gateway.rules.check import check, read_as
from gateway.rules.problems import Problem, Problems
from gateway.rules.read import parse, read

HERE = Path(__file__).parent
ENVIRONMENT = {"SET": "from the environment", "EMPTY": ""}


class Measure(enum.Enum):
    REQUESTS = "requests"
    TOKENS = "tokens"


class Limit(BaseModel):
    name: str
    capacity: Count


class Wait(BaseModel):
    kind: Literal["wait"]
    seconds: Duration


class Block(BaseModel):
    kind: Literal["block"]


class Bounds(BaseModel):
    low: int | None = None
    high: int | None = None

    @model_validator(mode="after")
    def has_one(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("one of `low` and `high` must be there")
        return self


class Sample(BaseModel):
    """A bit of everything. It forbids nothing itself: check does."""

    model_config = ConfigDict(extra="ignore")

    name: Name = "sample"
    measure: Measure = Measure.REQUESTS
    modes: tuple[Literal["deny", "allow"], ...] = ()
    limits: tuple[Limit, ...] = ()
    plans: dict[Name, Limit] = Field(default_factory=dict)
    penalty: Annotated[Wait | Block, Field(discriminator="kind")] = Block(kind="block")
    bounds: Bounds | None = None
    rate: float = 1.0
    exact: bool = True
    window: Duration = 1.0
    size: Size = 1
    count: Count = 1
    price: Money = 0.0
    secret: Secret | None = None
    countries: frozenset[str] = frozenset()


def problems_of(path: Path) -> list[str]:
    try:
        check(read(path), Sample, ENVIRONMENT)
    except Problems as found:
        return [f"{problem.line}:{problem.column}: {problem.message}" for problem in found.problems]
    return []


@pytest.mark.parametrize("path", sorted((HERE / "bad").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_wrong_is_said_with_its_place(path: Path) -> None:
    """All problems of a file, each at its line and column, in order; nothing else."""
    head = path.read_bytes().decode("utf-8", "replace").splitlines()
    expected = [line.removeprefix("# expect: ") for line in head if line.startswith("# expect: ")]

    assert problems_of(path) == expected


@pytest.mark.parametrize("path", sorted((HERE / "good").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_right_passes(path: Path) -> None:
    """A good file has no problem."""
    assert problems_of(path) == []


def test_yaml_1_2_is_what_is_read() -> None:
    """Norway is a country, `on` and `12:30` are text, and a list becomes what the model has."""
    text = b"countries: [NO, on, y, 12:30]\nmeasure: tokens\ncount: 1_000\nlimits: [{name: a, capacity: 10k}]\n"
    sample = check(parse(Path("x.yaml"), text), Sample)

    assert sample.countries == {"NO", "on", "y", "12:30"}
    assert sample.measure is Measure.TOKENS
    assert sample.count == 1000
    assert sample.limits == (Limit(name="a", capacity=10_000),)


def test_an_alias_is_the_same_value_again() -> None:
    """An anchor can be used many times, and a problem in it is said once for each use that the model sees."""
    text = b"limits: [&a {name: a, capacity: 1}, *a, *a]\n"

    assert len(check(parse(Path("x.yaml"), text), Sample).limits) == 3


def test_a_secret_is_never_shown() -> None:
    """Not by repr, and not in a problem of the same file."""
    sample = check(parse(Path("x.yaml"), b"secret: ${SET}\n"), Sample, ENVIRONMENT)

    assert sample.secret is not None
    assert sample.secret.get_secret_value() == "from the environment"
    assert "from the environment" not in repr(sample)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${SET}", "from the environment"),
        ("${SET:-other}", "from the environment"),
        ("${NOT_SET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${NOT_SET:-}", ""),
        ("plain", "plain"),
        ("a$b", "a$b"),
    ],
)
def test_a_secret_comes_from_where_it_says(written: str, value: str) -> None:
    """A variable, its default, or the text itself."""
    sample = check(parse(Path("x.yaml"), f"secret: '{written}'\n".encode()), Sample, ENVIRONMENT)

    assert sample.secret is not None
    assert sample.secret.get_secret_value() == value


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """Without the newline at its end; a directory or bytes that are no text are a problem at its place."""
    (tmp_path / "good").write_text("s3cret\n")
    (tmp_path / "bad").write_bytes(b"\xff")
    text = f"secret: file://{tmp_path}/good\n".encode()
    sample = check(parse(Path("x.yaml"), text), Sample)

    assert sample.secret is not None
    assert sample.secret.get_secret_value() == "s3cret"
    for name in ("bad", ""):
        with pytest.raises(Problems, match="`secret`: file"):
            check(parse(Path("x.yaml"), f"secret: file://{tmp_path}/{name}\n".encode()), Sample)


def test_only_secrets_read_the_environment() -> None:
    """Everywhere else `${SET}` is text like any other."""
    sample = check(parse(Path("x.yaml"), b"limits: [{name: '${SET}', capacity: 1}]\n"), Sample, ENVIRONMENT)

    assert sample.limits[0].name == "${SET}"


class Pair(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.low > self.high:
            lines = [
                InitErrorDetails(type=PydanticCustomError("order", "is above `high`"), loc=("low",), input=None),
                InitErrorDetails(type=PydanticCustomError("order", "is below `low`"), loc=("high",), input=None),
            ]
            raise ValidationError.from_exception_data("Pair", lines)
        return self


class Pairs(BaseModel):
    pairs: tuple[Pair, ...]


def test_a_validator_may_find_several_things() -> None:
    """A ValidationError raised inside a validator is taken apart, each line at its own place."""
    with pytest.raises(Problems) as found:
        check(parse(Path("x.yaml"), b"pairs:\n- {low: 2, high: 1}\n"), Pairs)

    assert [str(problem) for problem in found.value.problems] == [
        "x.yaml:2:9: `low` is above `high`",
        "x.yaml:2:18: `high` is below `low`",
    ]


def test_a_problem_reads_as_editors_read_it() -> None:
    """`path:line:column: message`, and many come in the order of files and lines."""
    later = Problem(Path("b.yaml"), 1, 1, "x")
    earlier = Problem(Path("a.yaml"), 2, 10, "y")

    assert str(Problems([later, earlier])) == "a.yaml:2:10: y\nb.yaml:1:1: x"


class Conditional(BaseModel):
    """A file with conditions, and no secret."""

    when: Expression | None = None
    rules: tuple[Rule, ...] = ()


class Rule(BaseModel):
    when: Expression


Conditional.model_rebuild()


def test_a_problem_in_a_condition_has_its_own_place() -> None:
    """All that is wrong in all conditions, each where it stands in the file, however the text is written."""
    text = b"""\
when: account.teir == "free" && foo(1)
rules:
  - when: 'client.country == "norway"'
  - when: >-
      account.tier == "free" &&
      client.country in lists.embrgo
  - when: "\\"a\\" == account.tier && account.id == 1"
  - when: ""
  - when: 1
"""
    with pytest.raises(Problems) as found:
        check(parse(Path("x.yaml"), text), Conditional, lists={"embargo": ListKind.COUNTRIES})

    assert [str(problem) for problem in found.value.problems] == [
        "x.yaml:1:7: unknown variable `account.teir`: did you mean `account.tier`?",
        "x.yaml:1:33: there is no function `foo`",
        'x.yaml:3:30: a country is its two-letter code (ISO 3166-1 alpha-2), such as NO, not "norway"',
        "x.yaml:6:25: there is no list `embrgo` in feeds.yaml: did you mean `embargo`?",
        'x.yaml:7:48: `account.id` (text) is compared to `1` (a whole number): write "1"',
        "x.yaml:8:11: `when` is empty: leave it out, or write `true`",
        "x.yaml:9:11: `when` must be text: write it in quotes",
    ]
    assert found.value.problems[3].shown().splitlines() == [
        "x.yaml:6:25: there is no list `embrgo` in feeds.yaml: did you mean `embargo`?",
        "    6 |       client.country in lists.embrgo",
        "      |                         ^",
    ]


def test_conditions_are_made() -> None:
    """What is right becomes an Expression, that knows the lists it asks."""
    text = b"when: client.country in lists.embargo\n"
    made = check(parse(Path("x.yaml"), text), Conditional, lists={"embargo": ListKind.COUNTRIES})

    assert made.when is not None
    assert made.when.lists == {"embargo"}


def test_a_line_that_may_hold_a_secret_is_not_shown() -> None:
    """Files of a shape that has a secret are shown without their lines: a misspelt key may be that of the secret."""
    with pytest.raises(Problems) as secret:
        check(parse(Path("x.yaml"), b"sekret: xyzzy\n"), Sample)
    with pytest.raises(Problems) as plain:
        check(parse(Path("x.yaml"), b"whne: xyzzy\n"), Conditional)

    assert "xyzzy" not in secret.value.problems[0].shown()
    assert plain.value.problems[0].shown().endswith("    1 | whne: xyzzy\n      | ^")


@pytest.mark.parametrize(
    ("line", "column", "shown"),
    {
        "wide characters": ("名前: x", 5, "    1 | 名前: x\n      |       ^"),
        "a tab": ("a\tb", 3, "    1 | a b\n      |   ^"),
        "an escape for the terminal": ("a\x9b31mb", 6, "    1 | a\ufffd31mb\n      |      ^"),
        "half of a character": ("a\udcffb", 3, "    1 | a\ufffdb\n      |   ^"),
        "a long line": ("x" * 300 + "y", 301, "    1 | " + "x" * 109 + "y\n      | " + " " * 109 + "^"),
        "behind the end": ("ab", 3, "    1 | ab\n      |   ^"),
    }.values(),
)
def test_the_caret_stands_below_its_place(line: str, column: int, shown: str) -> None:
    """Whatever the line holds."""
    assert Problem(Path("x.yaml"), 1, column, "wrong", line).shown() == f"x.yaml:1:{column}: wrong\n{shown}"


def test_an_excerpt_is_no_part_of_what_is_wrong() -> None:
    """Two that say the same are one, whether or not the line was kept."""
    assert Problem(Path("x.yaml"), 1, 1, "x", "line") == Problem(Path("x.yaml"), 1, 1, "x")


@pytest.mark.parametrize("text", ["\udcff", "\x00", "\x1b[31m", "\x9b"])
def test_what_is_said_of_garbage_is_text(text: str) -> None:
    """A line of garbage in a list is quoted in logs, JSON and pages, which take no bytes, and steers no terminal."""
    problem = Problem(Path(f"{text}.txt"), 1, 1, f"list `x`: `{text}`", text)

    for said in (str(problem), problem.shown(), problem.message):
        assert text not in said
        assert said.encode()


@pytest.mark.parametrize(
    ("model", "shown"), [(Conditional, "\n    1 | when: !(a)\n      |       ^"), (Sample, "")], ids=["plain", "secret"]
)
def test_a_file_that_cannot_be_read_shows_its_line(model: type[BaseModel], shown: str, tmp_path: Path) -> None:
    """As every other mistake; but not where such a file may hold a secret."""
    (tmp_path / "x.yaml").write_text("when: !(a)\n")

    with pytest.raises(Problems) as found:
        read_as(tmp_path / "x.yaml", model)

    said = "`!(a)` begins with `!`, which YAML keeps for tags: put the whole value into single quotes"
    assert found.value.problems[0].shown() == f"{tmp_path}/x.yaml:1:7: {said}{shown}"
