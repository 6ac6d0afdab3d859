# Reading unfinished code backwards from the cursor: is it inside a string or a comment, which brackets are open, and
# which expression is before a dot or a bracket. This module only reads text; it evaluates no code.

import re

_MARK = re.compile(r'#|"""|\'\'\'|"|\'|[()\[\]{}\n;,]|\\\n')
_ENDS = {quote: re.compile(r'\\.|' + re.escape(quote) + ('' if len(quote) == 3 else r'|\n'), re.S)
         for quote in ('"', "'", '"""', "'''")}
_PREFIX = re.compile(r'(?:^|[^\w])([rRbBuUfF]{1,2})$')
_CLOSING = {')': '(', ']': '[', '}': '{'}
_WORD_END = re.compile(r'\w+$')
# Longer code is read from a line start within this distance.
_FAR = 50000


class Scan:
    """The context of the cursor at the end of `code`."""

    def __init__(self, code):
        self.offset = 0
        if len(code) > _FAR:
            self.offset = code.rfind('\n', 0, len(code) - _FAR) + 1
            code = code[self.offset:]
        self.code = code
        self.in_comment = False
        # The string around the cursor: the start of its quotes, the quotes, the letters before them.
        self.string = None
        # The open brackets with their positions.
        self.open = []
        # The last comma in each of them, or None.
        self.commas = []
        # The start of the statement.
        self.statement = 0
        self._read()

    def _read(self):
        code, at = self.code, 0
        while True:
            mark = _MARK.search(code, at)
            if mark is None:
                return
            text, at = mark.group(), mark.end()
            if text == '#':
                end = code.find('\n', at)
                if end < 0:
                    self.in_comment = True
                    return
                at = end
            elif text in _ENDS:
                at = self._skip_string(mark.start(), text, at)
                if at is None:
                    return
            elif text in '([{':
                self.open.append((text, mark.start()))
                self.commas.append(None)
            elif text in _CLOSING:
                if self.open and self.open[-1][0] == _CLOSING[text]:
                    self.open.pop()
                    self.commas.pop()
            elif text == ',':
                if self.open:
                    self.commas[-1] = mark.start()
            elif text in '\n;' and not self.open:
                self.statement = at

    def _skip_string(self, start, quotes, at):
        code = self.code
        while True:
            end = _ENDS[quotes].search(code, at)
            if end is None:
                prefix = _PREFIX.search(code, max(0, start - 3), start)
                self.string = (start, quotes, prefix.group(1) if prefix else '')
                return None
            at = end.end()
            if end.group()[0] != '\\':
                return at


def primary_before(code, end):
    """The start of the expression that ends at `end` and that a dot or a bracket there would belong to: names,
    attributes, subscripts, calls, literals. None when there is none."""
    at = end
    while True:
        at, found = _atom_before(code, at)
        if not found:
            return None
        if code[at:at + 1] in '([' and at > 0 and re.match(r'[\w)\]"\']', code[at - 1]):
            # A call or a subscript: its object comes before it.
            continue
        if at > 0 and code[at - 1] == '.':
            at -= 1
            continue
        return at


def _atom_before(code, end):
    if end <= 0:
        return end, False
    last = code[end - 1]
    if last in ')]}':
        return _bracket_before(code, end)
    if last in '"\'':
        start = _string_before(code, end)
        return (start, True) if start is not None else (end, False)
    word = _WORD_END.search(code, max(0, end - 200), end)
    return (word.start(), True) if word else (end, False)


def _string_before(code, end):
    line = code.rfind('\n', 0, end) + 1
    for quote in re.finditer(r'["\']', code[line:end - 1]):
        place = line + quote.start()
        inner = Scan(code[place:end - 1])
        if inner.string is not None and inner.string[0] == 0:
            return place
    return None


def _bracket_before(code, end):
    """The bracket that the one before `end` closes. Strings in between are skipped by reading forwards."""
    begin = code.rfind('\n\n', 0, end) + 1
    for start in {begin, 0}:
        stack = []
        at = start
        while at < end:
            mark = _MARK.search(code, at, end)
            if mark is None:
                break
            text, at = mark.group(), mark.end()
            if text == '#':
                stop = code.find('\n', at)
                at = stop if stop >= 0 else end
            elif text in _ENDS:
                close = _ENDS[text].search(code, at, end)
                while close is not None and close.group()[0] == '\\':
                    close = _ENDS[text].search(code, close.end(), end)
                if close is None:
                    break
                at = close.end()
            elif text in '([{':
                stack.append(mark.start())
            elif text in _CLOSING and stack:
                opened = stack.pop()
                if mark.end() == end:
                    return opened, True
    return end, False
