"""What is a matrix worth whose arithmetic is left to the reader: a factor before it, a sum of two, a determinant?"""

from __future__ import annotations

from .expr import Expr, Unreadable

__all__ = ["determinant", "folded"]

Rows = tuple[tuple[Expr, ...], ...]
_LARGEST = 5  # rows of a determinant that is expanded
_HEAVIEST = (
    2_000  # nodes of one entry: entries are shared by those built from them, so work on them could double each time
)


def determinant(rows: Rows) -> Expr:
    """Return the determinant as an expression, by expansion along the first row."""
    if len(rows) != len(rows[0]):
        raise Unreadable("a determinant of a matrix that is not square")
    if len(rows) > _LARGEST:
        raise Unreadable(f"a determinant of more than {_LARGEST} rows")
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Expr] = []
    for k, entry in enumerate(rows[0]):
        minor = tuple(row[:k] + row[k + 1 :] for row in rows[1:])
        term: Expr = ("*", entry, determinant(minor))
        terms.append(("neg", term) if k % 2 else term)
    return _bounded(("+", *terms))


def _bounded(expr: Expr) -> Expr:
    """Return the expression; raises Unreadable if writing it out would take too many nodes."""
    nodes = 0
    stack = [expr]
    while stack:
        nodes += 1
        if nodes > _HEAVIEST:
            raise Unreadable("arithmetic with matrices that is too long")
        stack.extend(part for part in stack.pop()[1:] if isinstance(part, tuple))
    return expr


def folded(expr: Expr) -> Expr:
    """Carry factors and sums into the entries of matrices; leave anything else as it is."""
    tag = expr[0]
    if tag in ("list", "set", "tuple", "named", "chain") or not _holds_matrix(expr):
        if tag == "named":
            return ("named", expr[1], folded(expr[2]))
        return expr
    if tag == "^" and expr[2] == ("sym", "T") and expr[1][0] == "matrix":
        return ("matrix", tuple(zip(*expr[1][1], strict=True)))
    if tag == "neg":
        return _scaled(folded(expr[1]), lambda entry: ("neg", entry))
    if tag == "/":
        return _scaled(folded(expr[1]), lambda entry: ("/", entry, expr[2]))
    if tag == "+":
        total = folded(expr[1])
        for term in expr[2:]:
            total = _added(total, folded(term))
        return total
    if tag == "*":
        product = folded(expr[1])
        for factor in expr[2:]:
            product = _multiplied(product, folded(factor))
        return product
    return expr


def _holds_matrix(expr: Expr) -> bool:
    return expr[0] == "matrix" or any(isinstance(part, tuple) and part and _holds_matrix(part) for part in expr[1:3])


def _scaled(matrix: Expr, change: object) -> Expr:
    if matrix[0] != "matrix" or not callable(change):
        raise Unreadable("arithmetic with a matrix that is not read")
    return ("matrix", tuple(tuple(_bounded(change(entry)) for entry in row) for row in matrix[1]))


def _added(a: Expr, b: Expr) -> Expr:
    if a[0] != "matrix" or b[0] != "matrix" or len(a[1]) != len(b[1]) or len(a[1][0]) != len(b[1][0]):
        raise Unreadable("a sum of matrices of different shapes")
    return (
        "matrix",
        tuple(tuple(_bounded(("+", x, y)) for x, y in zip(r, s, strict=True)) for r, s in zip(a[1], b[1], strict=True)),
    )


def _multiplied(a: Expr, b: Expr) -> Expr:
    if a[0] == b[0] == "matrix":
        if len(a[1][0]) != len(b[1]):
            raise Unreadable("a product of matrices whose shapes do not fit")
        columns = list(zip(*b[1], strict=True))
        return (
            "matrix",
            tuple(
                tuple(_bounded(("+", *(("*", x, y) for x, y in zip(row, column, strict=True)))) for column in columns)
                for row in a[1]
            ),
        )
    if a[0] == "matrix":
        return _scaled(a, lambda entry: ("*", entry, b))
    if b[0] == "matrix":
        return _scaled(b, lambda entry: ("*", a, entry))
    return ("*", a, b)
