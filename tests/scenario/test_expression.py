"""Conditions: what they mean, what is refused and how it is said, and that nothing can run in them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ScenarioError
from trunkline.scenario.expression import compile_expression

VALUES: dict[str, object] = {"size": 12.0, "plan": "later", "good": True, "cost": None}


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("size > 10", True), ("size <= 10", False), ("size == 12", True), ("size != 12", False),
        ("plan == 'LATER'", True), ('plan == "soon"', False), ("good", True), ("not good", False),
        ("not not good", True), ("plan in ['soon', 'later']", True), ("size in [1, 2]", False),
        ("known(cost)", False), ("known(size)", True), ("not known(nothing)", True),
        ("cost > 10", False), ("cost <= 10", False), ("size > 'a'", False), ("cost == none", True),
        ("good and size > 20 or plan == 'later'", True), ("good and (size > 20 or plan == 'soon')", False),
        ("not size > 20", True), ("true", True), ("false or size >= -1.5", True),
    ],
)  # fmt: skip
def test_meaning(text: str, true: bool) -> None:
    assert compile_expression(text).holds(VALUES) is true


def test_names() -> None:
    assert compile_expression("a > 1 and known(b) or c in [d, 'e']").names == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("size = 3", "Write == to compare"),
        ("size >", "something is missing at the end"),
        ("(size > 3", r"a \) is missing"),
        ("[1, 2", r"a \] is missing"),
        ("size 3", "'3' was not expected"),
        ("and size", "'and' stands where a value belongs"),
        ("known size", "known needs a name in brackets"),
        ("__import__('os')", r"'\(' was not expected"),
        ("a.b", "is not understood"),
        ("1 + 1", "is not understood"),
        ("(" * 30 + "a" + ")" * 30, "nested"),
        ("a" * 501, "501 characters"),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        compile_expression(text)


@given(st.text(alphabet="ab1.'\"()[]<>=!, notrdki", max_size=40))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        expression = compile_expression(text)
    except ScenarioError:
        return
    assert expression.holds({"a": 1.0, "b": "x"}) in (True, False)


def _texts() -> st.SearchStrategy[tuple[str, Any]]:
    """Random conditions with what Python says of them."""
    leaf = st.sampled_from(
        [("a > 1", "a > 1"), ("b == 'x'", "b == 'x'"), ("true", "True"), ("a < 0", "a < 0")]
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(lambda one: (f"not ({one[0]})", f"not ({one[1]})")),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
                lambda both: (
                    f"({both[0][0]}) {both[1]} ({both[2][0]})",
                    f"({both[0][1]}) {both[1]} ({both[2][1]})",
                )
            ),
        ),
        max_leaves=8,
    )


@given(_texts(), st.integers(-3, 3), st.sampled_from(["x", "y"]))
def test_agrees_with_python(texts: tuple[str, str], a: int, b: str) -> None:
    ours, python = texts
    expected = eval(python, {"__builtins__": {}}, {"a": a, "b": b})
    assert compile_expression(ours).holds({"a": float(a), "b": b}) is expected
