"""Adds an app to the source of ``INSTALLED_APPS``, and changes nothing else in it: for ``startapp``."""

import ast


def add_app(source: bytes, app: str) -> bytes | None:
    """Return ``source`` with a line for ``app`` at the end of the list; as it is where the list has ``app``.

    None where such a line would not do: the list is computed, written in one line, or not there.
    """
    elements = _elements(source)
    names = [ast.unparse(element) for element in elements]
    if any(f"{name[1:-1]}.".startswith(f"{app}.") for name in names):  # The app, or its AppConfig.
        return source
    if not elements:
        return None
    last = elements[-1]
    lines = source.splitlines(keepends=True)
    above = lines[last.lineno - 1]
    indentation = above[: len(above) - len(above.lstrip())]
    ending = above[len(above.rstrip(b"\r\n")) :]
    lines.insert(last.end_lineno or last.lineno, indentation + f'"{app}",'.encode() + ending)
    changed = b"".join(lines)
    # After a missing comma, say, the line is no element of its own.
    added = [ast.unparse(element) for element in _elements(changed)]
    return changed if added == [*names, repr(app)] else None


def _elements(source: bytes) -> list[ast.expr]:
    """Return the elements of the one list that is assigned to ``INSTALLED_APPS``."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    lists = []
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name("INSTALLED_APPS")], value=ast.List(elements))
                | ast.AnnAssign(target=ast.Name("INSTALLED_APPS"), value=ast.List(elements))
            ):
                lists.append(elements)
    return lists[0] if len(lists) == 1 else []
