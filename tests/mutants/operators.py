"""The changes that a campaign makes to a module, one at a time.

Texts of messages, annotations, docstrings and decorators are left alone: what they say is not
behaviour that a test should pin word for word.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Add, ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Mutant:
    """One change to one module.

    Args:
        path: the module, from the root of the repository.
        scope: the outermost function that has the change in its body, or "" for the module.
        change: what it was and what it becomes.
        number: which one, if a scope has the same change several times.
        digest: of the text of the scope: a result counts for as long as that stays.
        place, node: where in the tree another node goes.
        lines, around: the changed lines, and those of the scope.
        names: what a change outside functions defines.
    """

    path: str
    scope: str
    change: str
    line: int
    number: int = 0
    digest: str = ""
    place: tuple[ast.AST, str, int | None] = field(default=(ast.Pass(), "", None), repr=False)
    node: ast.AST | None = field(default=None, repr=False)
    lines: range = range(0)
    around: range = range(0)
    names: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return what names it as long as its scope has this change."""
        return f"{self.path} {self.scope or '<module>'}: {self.change} ({self.number})"

    def apply(self) -> None:
        """Change the tree that it was found in, or change it back."""
        holder, name, index = self.place
        if index is None:
            old = getattr(holder, name)
            setattr(holder, name, self.node)
        else:
            items = getattr(holder, name)
            old, items[index] = items[index], self.node
        self.node = old


def short(node: ast.AST) -> str:
    """Return the source of a node in one line."""
    return " ".join(ast.unparse(ast.fix_missing_locations(node)).split())


def replacements(node: ast.AST, holder: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=right):
            for i, op in enumerate(ops):
                swapped = [*ops[:i], SWAPPED[type(op)](), *ops[i + 1 :]]
                yield ast.Compare(left, swapped, right)  # type: ignore[arg-type]
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(SWAPPED[type(op)](), values)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPPED:
            if not any(isinstance(n, ast.JoinedStr) or is_text(n) for n in (left, right)):
                yield ast.BinOp(left, SWAPPED[type(op)](), right)  # type: ignore[arg-type]
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in SWAPPED:
            if not any(isinstance(n, ast.JoinedStr) or is_text(n) for n in ast.walk(value)):
                yield ast.AugAssign(target, SWAPPED[type(op)](), value)  # type: ignore[arg-type]
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value) if not isinstance(holder, ast.Slice):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str() as value) if isinstance(
            holder, ast.Compare | ast.Subscript | ast.Set | ast.MatchValue
        ):
            yield ast.Constant(value + "?")
        case ast.Call(func=ast.Name(id=name), args=args, keywords=named) if name in CALLS:
            yield ast.Call(ast.Name(CALLS[name], ast.Load()), args, named)
        case ast.Return(value=ast.expr() as value) if short(value) != "None":
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.ExceptHandler(type=ast.Tuple(elts=kinds), name=name, body=body):
            for i in range(len(kinds)):
                yield ast.ExceptHandler(
                    ast.Tuple(kinds[:i] + kinds[i + 1 :], ast.Load()), name, body
                )
    plain = ast.Name | ast.Attribute | ast.Call | ast.NamedExpr
    tested = isinstance(holder, ast.If | ast.While | ast.IfExp) and node is holder.test
    if tested and isinstance(node, plain):
        yield ast.UnaryOp(ast.Not(), node)


def is_text(node: ast.AST) -> bool:
    """Return whether a node is a literal text."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def left_alone(node: ast.AST, holder: ast.AST, name: str) -> bool:
    """Return whether nothing inside a node is to be changed."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Assert() | ast.JoinedStr():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__" | "__match_args__")]):
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return any("overload" in short(each) for each in node.decorator_list)
    return name in ("annotation", "returns", "decorator_list", "bases", "type_params")


class Finder:
    """Collect every change to a module, in the order of its lines."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Mutant] = []
        self.seen: dict[str, int] = {}

    def visit(self, node: ast.AST, prefix: str, function: ast.AST | None, names: list[str]) -> None:
        """Go through a node. `prefix` is the dotted name, `function` the outermost one around."""
        for name, value in ast.iter_fields(node):
            items: list[Any] = value if isinstance(value, list) else [value]
            for i, each in enumerate(items):
                if not isinstance(each, ast.AST) or left_alone(each, node, name):
                    continue
                inner, around, defines = prefix, function, names
                if function is None and name == "body":
                    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                        inner = f"{prefix}.{node.name}".lstrip(".")
                    if isinstance(node, FUNCTIONS):
                        around = node
                if around is None:
                    defines = [*names, *defined(each)]
                self.changes(
                    node, name, i if isinstance(value, list) else None, inner, around, defines
                )
                self.visit(each, inner, around, defines)

    def changes(
        self,
        holder: ast.AST,
        name: str,
        index: int | None,
        scope: str,
        function: ast.AST | None,
        names: list[str],
    ) -> None:
        """Note what may stand in one place."""
        value = getattr(holder, name)
        node = value if index is None else value[index]
        for new in replacements(node, holder):
            change = f"{short(node)[:150]} -> {short(new)[:150]}"
            within = scope if function is not None else ""
            number = self.seen[within + change] = self.seen.get(within + change, -1) + 1
            text = short(function if function is not None else node)
            ast.copy_location(new, node)
            self.found.append(
                Mutant(
                    self.path,
                    within,
                    change,
                    node.lineno,
                    number,
                    sha256(text.encode()).hexdigest()[:8],
                    (holder, name, index),
                    ast.fix_missing_locations(new),
                    span(node.type if isinstance(node, ast.ExceptHandler) else node),
                    span(function) if function is not None else range(0),
                    tuple(names),
                )
            )


def span(node: Any) -> range:
    """Return the lines of a node."""
    return range(node.lineno, node.end_lineno + 1)


def defined(node: ast.AST) -> list[str]:
    """Return the names that a statement outside functions defines."""
    match node:
        case ast.Assign(targets=targets):
            return [each.id for each in targets if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
    return []


def mutants(path: str, tree: ast.Module) -> list[Mutant]:
    """Return every change to a module."""
    finder = Finder(path)
    finder.visit(tree, "", None, [])
    return finder.found
