# The keys of what is indexed, as suggestions: of dicts, of objects that tell their keys as IPython asks for them, columns and
# labels of pandas, fields of numpy. A key is written so that the code with it is valid: what cannot be written is left out.

import ast
import re

from _bai_repl import load

# More keys are not looked at.
_MOST = 100000
# Labels of a table can be many, and each one is made when it is asked for.
_MOST_LABELS = 1000
_NUMBER = re.compile(r'[-+]?\d[\w.]*$')
# Python warns of it.
_NO_ESCAPE = re.compile(r'''\\[^'"abfnrtv0-7xNuU\n]''')
_OPENING = re.compile(r'[bBuUrR]{0,2}$')


def suggest(where, post, evaluate):
    """The start of the replaced text and the replacements, or None where no key is expected or none is known. `evaluate` gives
    the value of an expression."""
    place = _Place.of(where)
    if place is None:
        return None
    start = place.start
    typed = where.code[start:]
    if where.string is not None:
        begin, quotes, letters = where.string
        if begin - len(letters) != start or not _OPENING.match(letters) or '\n' in typed:
            return None
        write = _Text(letters, quotes, typed, post).written
    elif typed == '':
        write = _written
    elif _NUMBER.match(typed):
        write = lambda key: _written(key) if type(key) in (int, float) and repr(key).startswith(typed) else None
    else:
        return None
    try:
        value = evaluate(where.code[place.begin:place.bracket])
        before = place.items(where.code, evaluate)
        keys, before = _keys(value, before)
        found = {}
        for part, ends in _parts(keys, before, place.in_parentheses):
            text = write(part)
            if text is not None:
                found.setdefault(text, set()).add(ends)
    except Exception:
        # From code of the user, or a dict that has changed meanwhile.
        return None
    rest = post[len(where.string[1]):] if where.string is not None and post.startswith(where.string[1]) else post
    names = [text + _closing(ends, rest, place, isinstance(value, dict)) for text, ends in found.items()]
    if rest is not post:
        # The quotes are there, and what follows them is the user's.
        names = list(found)
    if names or keys and where.string is not None:
        return start, names
    return None


class _Place:
    """The subscript at the cursor: the start of its object, its bracket, the start of its items and of the last one."""

    def __init__(self, begin, bracket, first, start, in_parentheses):
        self.begin, self.bracket, self.first, self.start = begin, bracket, first, start
        self.in_parentheses = in_parentheses

    @classmethod
    def of(cls, where):
        code, opened = where.code, where.open
        if not opened:
            return None
        kind, first = opened[-1]
        bracket = first
        # A tuple may have parentheses.
        in_parentheses = kind == '(' and len(opened) > 1 and not code[opened[-2][1] + 1:first].strip()
        if in_parentheses:
            kind, bracket = opened[-2]
        if kind != '[':
            return None
        begin = load('scan').primary_before(code, bracket)
        if begin is None:
            return None
        comma = where.commas[-1]
        start = first + 1 if comma is None else comma + 1
        while code[start:start + 1].isspace():
            start += 1
        return cls(begin, bracket, first + 1, start, in_parentheses)

    def items(self, code, evaluate):
        """The values of the items before the last one; a slice for a slice."""
        text = code[self.first:self.start].strip()
        if not text:
            return []
        node = ast.parse('_[' + text + ']', mode='eval').body.slice
        node = load('suggest').without_index(node)
        nodes = getattr(node, 'dims', None) or node.elts
        nodes = [load('suggest').without_index(node) for node in nodes]
        return [slice(None) if type(node).__name__ == 'Slice' else evaluate(node) for node in nodes]


def _first(values, most):
    from itertools import islice
    return list(islice(values, most))


def _keys(value, before):
    """The keys of a value, and the items before that are a part of them."""
    kind = type(value)
    if getattr(kind, '_ipython_key_completions_', None) is not None:
        return _first(value._ipython_key_completions_(), _MOST), before
    if isinstance(value, dict):
        return _first(value.keys(), _MOST), before
    if kind.__module__.partition('.')[0] != 'pandas':
        return list(getattr(getattr(value, 'dtype', None), 'names', None) or ()), before
    is_row = not hasattr(value, 'columns')
    if kind.__name__ in ('_LocIndexer', '_AtIndexer'):
        # Rows, and then columns.
        value = value.obj
        is_row = not before or not hasattr(value, 'columns')
        before = []
    return (_first(value.index, _MOST_LABELS) if is_row else _first(value.columns, _MOST)), before


# How the text of a key goes on.
_ENDS, _ENDS_TUPLE, _GOES_ON = 'ends', 'ends tuple', 'goes on'


def _parts(keys, before, in_parentheses):
    """The part of each key that is to be written now, and how it goes on."""
    count = sum(not isinstance(item, slice) for item in before)
    for key in keys:
        if not isinstance(key, tuple):
            if not in_parentheses and not count:
                yield key, _ENDS
        elif len(key) > count and all(isinstance(item, slice) or item == part for item, part in zip(before, key)):
            if all(_written(part) is not None for part in key):
                yield key[count], _ENDS_TUPLE if len(key) == count + 1 else _GOES_ON


def _plain(key):
    """A key as a value of Python itself; None if it has no text."""
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, bytes):
        return bytes(key)
    if isinstance(key, bool):
        return key
    if isinstance(key, int):
        return int(key)
    if type(key) is float and key - key == 0:
        return key
    return None


def _written(key):
    plain = _plain(key)
    return None if plain is None else repr(plain)


class _Text:
    """A string that has begun: how keys go on with it."""

    def __init__(self, letters, quotes, typed, post):
        self._quotes, self._typed = quotes, typed
        self._is_raw = 'r' in letters.lower()
        self._closing = '' if post.startswith(quotes) else quotes
        self._value = None
        if self._is_raw or not _NO_ESCAPE.search(typed.replace('\\\\', '')):
            try:
                self._value = ast.literal_eval(typed + quotes)
            except (SyntaxError, ValueError):
                # The end of an escape is missing.
                pass

    def written(self, key):
        key = _plain(key)
        if type(key) is not type(self._value) or not key.startswith(self._value):
            return None
        rest = self._escaped(key[len(self._value):])
        return None if rest is None else self._typed + rest + self._closing

    def _escaped(self, rest):
        """The text of a part of a key between these quotes."""
        # With this beginning it is between single quotes, of which each one within is escaped.
        body = repr(('"' if isinstance(rest, str) else b'"') + rest)
        body = body[body.index('"') + 1:-1]
        if self._is_raw:
            text = rest if isinstance(rest, str) else rest.decode('latin-1')
            return body if body == text and self._quotes[0] not in body else None
        if self._quotes[0] == '"':
            body = re.sub(r'\\(.)', lambda pair: "'" if pair.group(1) == "'" else pair.group(), body, flags=re.S)
            body = body.replace('"', '\\"')
        return body


def _closing(ends, rest, place, is_dict):
    """What follows a key: nothing where it is not known."""
    rest = rest.lstrip()
    if ends == {_GOES_ON}:
        return ', ' if is_dict and not rest.startswith(',') else ''
    if _GOES_ON in ends or len(ends) > 1 or not place.in_parentheses and rest.startswith(']'):
        return ''
    if place.in_parentheses:
        return '' if rest.startswith(')') else ')' if rest.startswith(']') else ')]'
    return ']'
