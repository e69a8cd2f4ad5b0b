"""Read the Python file of a method, built-in or the user's, without executing it.

Even a dry run reports errors in such a file. Only processes that train or act
execute it (`fmq.methods.execution`).
"""

import ast
import hashlib
import symtable
import tokenize
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.messages import one_line

ROW = "METHOD"
"""The name that a file gives to the method's row of the comparison."""

METHOD_FILE = "method.py"
"""Name of the method file's copy in run folders and exported policies."""

_LONGEST = 200_000  # bytes, as for settings files


@dataclass(frozen=True)
class Code:
    """A method file as it was read.

    Attributes:
        path: path as in the settings.
        text: source code.
        content: the bytes of the file, which may declare another encoding than UTF-8.
        digest: hash of the code without the row, comments, layout and docstrings.
        names: module-level names that it assigns or imports.
        row: the method's row of the comparison; empty if the file has none.
    """

    path: Path
    text: str
    content: bytes = field(repr=False)
    digest: str
    names: frozenset[str]
    row: dict[str, Any] = field(compare=False)

    @property
    def sha256(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_code(path: Path) -> Code:
    """Read a method file without executing it.

    Raises:
        UserError: the file cannot be read, is not valid Python, or its row is not a literal.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; own_methods names it relative to {Path.cwd()}"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > _LONGEST:
        raise UserError(f"{path}: too large for a method; at most {_LONGEST:,} bytes")
    return _parsed(path, content)


@cache
def _parsed(path: Path, content: bytes) -> Code:
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)
        text = content.decode(encoding)
        tree = ast.parse(text)
        table = symtable.symtable(text, str(path), "exec")
        row = _take_row(path, tree)
        bare = repr(_bare(tree))
    except SyntaxError as error:
        line = f"line {error.lineno}: " if error.lineno else ""
        raise UserError(f"{path}: {line}not valid Python: {one_line(error.msg)}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{path}: not valid Python: {one_line(str(error), 200)}") from None
    names = (
        one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported()
    )
    digest = hashlib.sha256(bare.encode()).hexdigest()
    return Code(path, text, content, digest, frozenset(names), row)


def _take_row(path: Path, tree: ast.Module) -> dict[str, Any]:
    """Return the row in a file, and remove its statement from the tree.

    What the row says counts by itself: a new label repeats no run. Therefore nothing else in the
    file may depend on it.
    """
    uses = [node for node in ast.walk(tree) if ROW in _names(node)]
    if not uses:
        return {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and statement.targets == uses:
            tree.body.remove(statement)
            return _literal(path, statement.value)
    line = max(getattr(node, "lineno", 1) for node in uses)
    raise UserError(
        f"{path}: line {line}: {ROW} has to be assigned once, as {ROW} = {{...}} "
        "outside of functions, and not be used, because it is read without executing the file"
    )


def _names(node: ast.AST) -> set[Any]:
    """Return the names that a node reads or binds itself: variables, imports, definitions ..."""
    bound = {getattr(node, field, None) for field in ("id", "name", "asname", "rest")}
    return bound if not isinstance(node, ast.alias) or node.asname is None else {node.asname}


def _literal(path: Path, value: ast.expr) -> dict[str, Any]:
    try:
        row = ast.literal_eval(value)
    except (ValueError, TypeError):
        row = None
    if not isinstance(row, dict) or not all(isinstance(key, str) for key in row):
        raise UserError(
            f"{path}: line {value.lineno}: {ROW} has to be a dictionary of plain values, such as "
            '{"label": "Mine", "offline": "distill", "sampler": "best_of_n"}'
        )
    return row


def _bare(node: Any) -> Any:
    """Return the syntax tree as nested types and values, without docstrings.

    The tree has no comments or layout. Empty fields are left out, because newer versions of Python
    add more of them.
    """
    if isinstance(node, list):
        return [_bare(one) for one in node]
    if not isinstance(node, ast.AST):
        return node
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    fields = dict(ast.iter_fields(node))
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    kept = {name: _bare(value) for name, value in fields.items() if value not in (None, [])}
    return type(node).__name__, kept
