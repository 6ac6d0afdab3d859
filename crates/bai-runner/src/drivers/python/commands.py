# The commands of IPython's prompt that are not Python: !command, %name, name? and ?name. A cell is translated before it
# is compiled; its lines keep their numbers, and tracebacks show them as they were typed.

import builtins
import os
import re
import sys
import time

from _bai_repl import cells, load

_PART = re.compile(r'#[^\n]*|("""|\'\'\')(?:\\.|(?!\1).)*(?:\1|\Z)|"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?|\\\n|[()\[\]{}\n]', re.S)
_LINE = re.compile(r'[ \t]*([!%])([^\n]*)')
_QUESTION = re.compile(r'\s*(?:(\?\??)\s*([^\W\d][\w.]*)?|([^\W\d][\w.]*)\s*(\?\??))\s*\Z')
_OPTION = re.compile(r'-([nr])\s*(\d+)\s+')
_ELSEWHERE = 'After `pip install ipython`, new sessions have all commands of IPython; jupyter:python3 has them too.'
_UNITS = (('s', 1.0), ('ms', 1e-3), ('µs', 1e-6), ('ns', 1e-9))


def _call(kind, text):
    return '__command__(%r, %r)' % (kind, text.strip())


def translate(source):
    """The cell as Python. No statement of Python begins with ! or %, so valid code is not changed."""
    question = _QUESTION.match(source)
    if question:
        mark, name, name_before, mark_after = question.groups()
        return _call(mark or mark_after, name or name_before or '')
    pieces, taken, at, depth = [], 0, 0, 0
    while at < len(source):
        line = _LINE.match(source, at) if depth == 0 else None
        if line:
            pieces += [source[taken:line.start(1)], _call(line.group(1), line.group(2))]
            taken = line.end()
            at = taken + 1
        else:
            at, depth = _skip_line(source, at, depth)
    return ''.join(pieces) + source[taken:]


def _skip_line(source, at, depth):
    """The start of the next line that does not continue a string, and the number of open brackets there."""
    while True:
        part = _PART.search(source, at)
        if part is None:
            return len(source), depth
        text, at = part.group(), part.end()
        if text == '\n':
            return at, depth
        if text in '([{':
            depth += 1
        elif text in ')]}':
            depth = max(depth - 1, 0)


def _explain(name, with_source):
    import inspect
    first, *rest = name.split('.')
    names = cells.main.__dict__
    try:
        value = names[first] if first in names else getattr(builtins, first)
        for part in rest:
            value = getattr(value, part)
    except AttributeError:
        raise SystemExit('There is no %s here.' % name)
    lines = ['Type:      ' + type(value).__name__]
    try:
        lines.insert(0, 'Signature: %s%s' % (name, inspect.signature(value)))
    except (TypeError, ValueError):
        lines.insert(0, 'Value:     %.500s' % (repr(value),))
    try:
        lines.append('File:      ' + inspect.getfile(value))
    except (TypeError, OSError):
        pass
    text = inspect.getdoc(value)
    if with_source:
        try:
            text = inspect.getsource(value)
        except (TypeError, OSError):
            pass
    print('\n'.join(lines + ['', text or 'It has no documentation.']).rstrip())


def _change_folder(text):
    """%cd FOLDER"""
    global _folder_before
    target = _folder_before if text == '-' else os.path.expanduser(text.strip('\'"') or '~')
    before = _here()
    os.chdir(target)
    _folder_before = before
    print(os.getcwd())


def _here():
    try:
        return os.getcwd()
    except OSError:
        # It has been deleted.
        return '.'


_folder_before = _here()


def _folder(text):
    """%pwd"""
    return os.getcwd()


# Python's arguments that run pip without the modules of the current folder, which -m alone would find first.
_PIP = '-P -m pip' if sys.version_info >= (3, 11) else "-c 'import sys; sys.path = list(filter(None, sys.path)); " \
    "import runpy; runpy.run_module(\"pip\", None, \"__main__\", True)'"


def _pip(text):
    """%pip ARGUMENTS"""
    import importlib
    import shlex
    load('programs').run('%s %s %s' % (shlex.quote(sys.executable), _PIP, text))
    importlib.invalidate_caches()


def _run_file(text):
    """%run FILE ARGUMENTS"""
    # In the session's own namespace, so that the definitions of the file can be pickled and used like those of a cell.
    import shlex
    words = shlex.split(text)
    if not words:
        raise SystemExit('%run needs a file: %run FILE ARGUMENTS')
    path = os.path.expanduser(words[0])
    with open(path, 'rb') as file:
        code = compile(file.read(), path, 'exec', 0, True)
    names, arguments, folder = cells.main.__dict__, sys.argv, os.path.dirname(os.path.abspath(path))
    names['__file__'] = path
    sys.argv = [path] + words[1:]
    sys.path.insert(0, folder)
    try:
        exec(code, names)
    finally:
        sys.argv = arguments
        names.pop('__file__', None)
        if folder in sys.path:
            sys.path.remove(folder)


def _time(text):
    """%time CODE"""
    started, processor = time.perf_counter(), os.times()
    try:
        return cells.run_text(text, '<%time>')
    finally:
        wall, after = time.perf_counter() - started, os.times()
        user, system = after[0] - processor[0], after[1] - processor[1]
        print('CPU: %s user, %s system; wall: %s' % (_duration(user), _duration(system), _duration(wall)))


def _duration(seconds):
    for unit, size in _UNITS:
        if seconds >= size:
            break
    return '%.3g %s' % (seconds / size, unit)


def _timeit(text):
    """%timeit [-n LOOPS] [-r RUNS] CODE"""
    import timeit
    numbers = {'n': 0, 'r': 5}
    option = _OPTION.match(text)
    while option:
        numbers[option.group(1)] = int(option.group(2))
        text = text[option.end():]
        option = _OPTION.match(text)
    timer = timeit.Timer(text, globals=cells.main.__dict__)
    loops, runs = numbers['n'] or timer.autorange()[0], max(numbers['r'], 1)
    best = min(timer.repeat(runs, loops)) / loops
    print('%s per loop (best of %d runs, %d loops each)' % (_duration(best), runs, loops))


def _who(text):
    """%who"""
    names = [name for name in cells.main.__dict__ if not name.startswith('_')]
    print('  '.join(names) if names else 'Nothing is defined yet.')


_COMMANDS = {
    'cd': _change_folder,
    'pip': _pip,
    'pwd': _folder,
    'run': _run_file,
    'time': _time,
    'timeit': _timeit,
    'who': _who,
}


def command(kind, text):
    """Runs the command of a line; a builtin under the name __command__."""
    if kind == '!':
        return load('programs').run(text)
    if kind != '%':
        if text:
            return _explain(text, with_source=kind == '??')
        return print(_what_there_is())
    name, _, rest = text.partition(' ')
    action = _COMMANDS.get(name)
    if action is None:
        raise SystemExit('There is no %%%s here; there is %s %s' % (name, _what_there_is(), _ELSEWHERE))
    return action(rest.strip())


def _what_there_is():
    forms = [_COMMANDS[name].__doc__ for name in sorted(_COMMANDS)]
    return ', '.join(forms) + ', !COMMAND (its exit code is in _exit_code), NAME? and NAME?? (with source).'


builtins.__command__ = command
