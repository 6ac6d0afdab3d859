# The magics that IPython's terminal has beside those of the shell, and those that need the user's screen, editor or clipboard:
# what they do in a session. The shell itself is in `ipython`.

import inspect
import os
import re

from _bai_repl import load, streams

from IPython.core import page
from IPython.core.error import UsageError
from IPython.extensions.storemagic import StoreMagics
from IPython.terminal.magics import TerminalMagics

_NO_CLIPBOARD = 'A program in a session cannot read your clipboard. Paste at the prompt: it takes the text as it is, also with >>> marks.'


def _edit(shell, line):
    """%edit NAME, RANGE or FILE: the code becomes the text of the next prompt; that of a file is saved by three times Enter at its end."""
    target = re.sub(r'^(?:\s*-\w+)+\s*', '', line).strip()
    path = os.path.expanduser(target)
    if not target:
        print('Ctrl-X Ctrl-E opens the text of the prompt in your editor; %edit NAME puts the code of NAME there first.')
        return
    try:
        code = inspect.getsource(shell.ev(target))
    except Exception:
        try:
            code = None if os.path.isfile(path) else shell.find_user_code(target, skip_encoding_cookie=True)
        except ValueError:
            if not os.path.splitext(path)[1]:
                streams.complain('%%edit: %r is no name with code, no range of the history and no file.\n' % target)
                return
            code = None
    if code is None:
        print('Enter, three times at its end, saves the file, and %run executes it. Ctrl-X Ctrl-E opens your editor before.')
        code = '%%%%writefile %s\n%s' % (path, _text(path) if os.path.exists(path) else '')
    shell.set_next_input(code.rstrip('\n'), replace=True)


def _text(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def _store(shell, line):
    """%store NAME…: keeps variables for later sessions, in the place where IPython keeps them; %store -r brings them back."""
    StoreMagics(shell).store(line)


def _paste(shell, line):
    """%paste: says how to paste here; %paste -r runs the text of %cpaste again."""
    if line.strip() == '-r':
        TerminalMagics(shell).paste(line)
    else:
        print(_NO_CLIPBOARD)


def _cpaste(shell, line):
    """%cpaste: runs the lines that you paste or type after it, up to a line with two minus signs."""
    TerminalMagics(shell).cpaste(line)


def _autoindent(shell, line):
    """%autoindent: the prompt indents by itself."""
    print('The prompt indents lines that you type, and leaves those that you paste as they are.')


def _less(shell, line):
    """%less FILE: shows a file."""
    path = os.path.expanduser(line.strip())
    if not path:
        raise UsageError('%less needs the name of a file.')
    text = _text(path)
    page.page(shell.pycolorize(text) if path.endswith('.py') else text)


def _man(shell, line):
    """%man NAME: shows a page of the manual."""
    load('programs').run('man ' + line)


def _clear(shell, line):
    """%clear: says how to clear the screen."""
    print('Ctrl-L at the prompt clears the screen.')


_MAGICS = {
    'edit': _edit,
    'ed': _edit,
    'store': _store,
    'paste': _paste,
    'cpaste': _cpaste,
    'autoindent': _autoindent,
    'less': _less,
    'more': _less,
    'man': _man,
    'clear': _clear,
}


def install(shell):
    for name, magic in _MAGICS.items():
        def call(line, magic=magic):
            return magic(shell, line)

        call.__name__, call.__doc__ = name, magic.__doc__
        shell.register_magic_function(call, 'line', name)
