# The suggestions themselves. Each function is for one kind of place. It returns the start of the replaced text and the
# replacements, or None for another kind of place.

import ast
import builtins
import keyword
import os
import re

from _bai_repl import cells, load

scan = load('scan')

_MOST = 1000
_WORD = re.compile(r'[^\W\d]\w*$|$')
_FROM = re.compile(r'\s*from\s+([\w.]*)$')
_FROM_IMPORT = re.compile(r'\s*from\s+([\w.]+)\s+import\s*\(?(?:\s*\w+(?:\s+as\s+\w+)?\s*,)*\s*(\w*)$')
_IMPORT = re.compile(r'\s*import\s+(?:[\w.]+(?:\s+as\s+\w+)?\s*,\s*)*([\w.]*)$')
_IMPORT_WORD = re.compile(r'\s*from\s+[\w.]+\s+(\w*)$')
_ARGUMENT = re.compile(r'[(,]\s*(\w*)$')
_GIVEN = re.compile(r'(\w+)\s*=(?!=)')
_IDENTIFIER = re.compile(r'[^\W\d]\w*')


def suggest(code, post, names=None):
    """The start of the replaced text in `code`, in code points, and the replacements in the order to show them. The names
    are those of the session, or of the frame that a debugger is in."""
    where = scan.Scan(code)
    where.names = cells.main.__dict__ if names is None else names
    if where.in_comment:
        return None, []
    kinds = (_keys, _in_string) if where.string is not None else (_imports, _attributes, _keys, _names)
    for kind in kinds:
        found = kind(where, post)
        if found is not None:
            start, names = found
            return where.offset + start, names[:_MOST]
    return None, []


def _ranked(names, prefix):
    """Names with this beginning: first the public ones, then _private, then __special__."""
    names = {name for name in names if isinstance(name, str) and name.startswith(prefix)}
    return sorted(names, key=lambda name: (name.startswith('_') + name.startswith('__'), name.lower(), name))


# ---- keys of what is indexed

def _keys(where, post):
    return load('keys').suggest(where, post, lambda code: evaluate(code, where.names))


# ---- strings: file paths

def _in_string(where, post):
    start, quotes, letters = where.string
    text = where.code[start + len(quotes):]
    if '\n' in text:
        return None
    return _paths(text, start + len(quotes), quotes)


def _paths(text, start, quotes):
    folder, _, name = text.rpartition('/')
    base = os.path.expanduser(folder + '/') if '/' in text else '.'
    found = []
    try:
        with os.scandir(base) as entries:
            for entry in entries:
                if entry.name.startswith(name) and not (entry.name.startswith('.') and not name):
                    if entry.name.isprintable() and not set('\'"\\') & set(entry.name):
                        found.append(entry.name + ('/' if entry.is_dir() else ''))
    except (OSError, ValueError):
        pass
    return start + len(text) - len(name), sorted(found)


# ---- imports

def _imports(where, post):
    statement = where.code[where.statement:]
    modules = load('modules')
    matched = _FROM_IMPORT.match(statement)
    if matched:
        prefix = matched.group(2)
        return len(where.code) - len(prefix), _ranked(modules.exported(matched.group(1)), prefix)
    matched = _IMPORT_WORD.match(statement)
    if matched and 'import'.startswith(matched.group(1)):
        return len(where.code) - len(matched.group(1)), ['import']
    matched = _FROM.match(statement) or _IMPORT.match(statement)
    if not matched:
        return None
    package, dot, prefix = matched.group(1).rpartition('.')
    names = modules.submodules(package) if dot else modules.top_level()
    return len(where.code) - len(prefix), _ranked(names, prefix)


# ---- attributes

def _attributes(where, post):
    code = where.code
    prefix = _WORD.search(code).group()
    dot = len(code) - len(prefix) - 1
    if dot < 1 or code[dot] != '.':
        return None
    begin = scan.primary_before(code, dot)
    if begin is None or code[begin:dot].isdigit():
        return dot + 1, []
    try:
        value = evaluate(code[begin:dot], where.names)
    except _Unknown:
        return dot + 1, load('static').attributes(code, prefix, where.names)
    return dot + 1, _ranked(_dir(value), prefix)


def _dir(value):
    for names in (dir, lambda value: list(type(value).__dir__(value)), lambda value: dir(type(value))):
        try:
            return names(value)
        except BaseException:
            # From a __dir__ of the user, or one whose result cannot be sorted.
            continue
    return []


class _Unknown(Exception):
    """The value does not exist yet, or reading it would run code."""


_SAFE_TO_INDEX = (list, tuple, dict, str, bytes)


def without_index(node):
    """The expression of a subscript: before Python 3.9, another node is around it."""
    return node.value if type(node).__name__ == 'Index' else node


def evaluate(code, names):
    """The value of an expression of names, attributes, constants and subscripts of plain containers: a text or its tree."""
    tree = code
    try:
        if isinstance(code, str):
            tree = ast.parse(code.strip(), mode='eval').body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Unknown
    try:
        return _value(tree, names)
    except _Unknown:
        raise
    except BaseException:
        # From a property or __getattr__ of the user.
        raise _Unknown


def _value(node, session):
    kind = type(node).__name__
    if kind == 'Name':
        for names in (session, builtins.__dict__):
            if node.id in names:
                return names[node.id]
    elif kind == 'Attribute':
        return getattr(_value(node.value, session), node.attr)
    elif kind == 'Subscript':
        value = _value(node.value, session)
        index = without_index(node.slice)
        pandas = type(value).__module__.partition('.')[0] == 'pandas'
        if type(value) in _SAFE_TO_INDEX or pandas:
            return value[_value(index, session)]
    elif kind in ('Constant', 'Str', 'Num', 'Bytes', 'NameConstant', 'UnaryOp'):
        return ast.literal_eval(node)
    elif kind in ('List', 'Dict', 'Tuple', 'Set', 'JoinedStr'):
        return {'List': list, 'Dict': dict, 'Tuple': tuple, 'Set': set, 'JoinedStr': str}[kind]()
    raise _Unknown


# ---- names: keyword arguments, the namespace, what the cell itself mentions, keywords, builtins

def _names(where, post):
    code = where.code
    prefix = _WORD.search(code).group()
    start = len(code) - len(prefix)
    if start and (code[start - 1].isalnum() or code[start - 1] == '_'):
        # The end of a number.
        return None
    found = _keyword_arguments(where, prefix)
    if prefix or found or where.open:
        mentioned = set(_IDENTIFIER.findall(code[:start]))
        rest = _ranked(where.names, prefix)
        rest += _ranked((name for name in mentioned if len(name) > 1), prefix)
        rest += _ranked(keyword.kwlist, prefix)
        rest += _ranked(builtins.__dict__, prefix)
        known = set(found)
        # Private names of all kinds come last.
        rest.sort(key=lambda name: name.startswith('_'))
        found += [name for name in rest if not (name in known or known.add(name))]
    else:
        found = _ranked((name for name in where.names if not name.startswith('_')), '')
    return start, found


def _keyword_arguments(where, prefix):
    if not where.open or where.open[-1][0] != '(':
        return []
    place = where.open[-1][1]
    code = where.code
    if not _ARGUMENT.search(code, place):
        return []
    begin = scan.primary_before(code, place)
    if begin is None:
        return []
    try:
        import inspect
        parameters = inspect.signature(evaluate(code[begin:place], where.names)).parameters.values()
    except Exception:
        return []
    given = set(_GIVEN.findall(code[place:]))
    kinds = ('POSITIONAL_OR_KEYWORD', 'KEYWORD_ONLY')
    names = [one.name for one in parameters if one.kind.name in kinds]
    return [name + '=' for name in names if name.startswith(prefix) and name not in given]
