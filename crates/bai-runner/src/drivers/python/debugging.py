# Debuggers of the user: the standard library's pdb, and what derives from it. They see the user's frames alone, they end with
# the cell, and their question completes in the frame that they are in. Other modules do not know them.

import functools
import sys

from _bai_repl import cells, load

_OURS = '<bai-repl '
# The debuggers that wait for a command, the innermost last.
_active = []


def _is_ours(frame):
    return frame.f_code.co_filename.startswith(_OURS)


def _is_users(frame):
    """Whether a frame is the user's: code of a cell, or what it has called, also in a thread."""
    while frame is not None and not _is_ours(frame):
        if frame.f_globals is cells.main.__dict__:
            return True
        frame = frame.f_back
    return frame is None


def _users(frame):
    """The nearest frame that is the user's."""
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _wrap(kind, name):
    """A decorator that replaces a method; the new one gets the old one first."""
    def replace(function):
        old = kind.__dict__.get(name)
        if old is not None:
            new = functools.wraps(old)(lambda self, *args, **options: function(old, self, *args, **options))
            setattr(kind, name, new)
    return replace


def change_bdb(module):
    @_wrap(module.Bdb, 'get_stack')
    def get_stack(old, self, frame, trace):
        stack, at = old(self, frame, trace)
        # The oldest frames are those of the loader, of the driver and of IPython.
        begin = 0
        for place, entry in enumerate(stack):
            if entry[0].f_globals is cells.main.__dict__:
                break
            if _is_ours(entry[0]) or entry[0].f_globals.get('__name__', '').startswith('IPython.'):
                begin = place + 1
        kept = [place for place, entry in enumerate(stack) if place >= begin and _is_users(entry[0])]
        if not kept:
            return stack, at
        return [stack[place] for place in kept], max(sum(place <= at for place in kept) - 1, 0)

    @_wrap(module.Bdb, 'stop_here')
    def stop_here(old, self, frame):
        return old(self, frame) and _is_users(frame)

    @_wrap(module.Bdb, 'set_trace')
    def set_trace(old, self, frame=None, *args, **options):
        return old(self, _users(frame or sys._getframe()), *args, **options)


def change_pdb(module):
    @_wrap(module.Pdb, 'interaction')
    def interaction(old, self, *args, **options):
        _active.append(self)
        try:
            return old(self, *args, **options)
        finally:
            _active.remove(self)


def _end_cell():
    """A debugger that was told to go to the next line does not go on to the next cell, and does not handle its interrupts.
    Its breakpoints stay."""
    # Another thread may be importing them.
    Bdb, pdb = getattr(sys.modules.get('bdb'), 'Bdb', ()), sys.modules.get('pdb')
    debugger = getattr(sys.gettrace(), '__self__', None)
    if isinstance(debugger, Bdb):
        debugger.set_continue()
    handler = getattr(getattr(pdb, 'Pdb', None), '_previous_sigint_handler', None)
    if handler is not None:
        pdb.Pdb._previous_sigint_handler = None
        pdb.signal.signal(pdb.signal.SIGINT, handler)


def is_quit(kind):
    """Whether an exception means that the user has left the debugger."""
    return issubclass(kind, getattr(sys.modules.get('bdb'), 'BdbQuit', ()))


def is_asking():
    return bool(_active)


def complete(line, post):
    """Suggestions for a command of the debugger that waits: its own, as readline asks for them, and the names of the frame."""
    debugger = _active[-1]
    text = line.lstrip()
    word = text.rpartition(' ')[2]
    begin = len(text) - len(word)
    command = debugger.parseline(text)[0] if begin else None
    own = getattr(debugger, 'complete_' + command, None) if command else None if begin else debugger.completenames
    names = own(word, text, begin, len(text)) if own is not None and word.isidentifier() else ()
    frame = debugger.curframe
    start, others = load('suggest').suggest(line, post, dict(frame.f_globals, **frame.f_locals))
    if not names:
        return start, others
    same = others if start == len(line) - len(word) else []
    return len(line) - len(word), sorted(names) + [name for name in same if name not in names]


# Before other work at the end, which it would follow.
cells.at_end.insert(0, _end_cell)
