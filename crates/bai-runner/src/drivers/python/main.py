# The loop that runs cells, one after another, on the interpreter's main thread.

import os
import sys

import _bai_repl
from _bai_repl import cells, display, interrupts, load, patches, shell, streams, window, wire

_exit = os._exit
# Seconds. What runs a program, and not a session, sends it sooner.
_MOMENT = 0.3


class _Work:
    """The next cell. The runner never sends a second one before the first is over."""

    def __init__(self):
        self._there = wire.Bell()
        self._cell = None
        self._environment = None

    def put(self, id, code, script=None, terminal=False):
        self._cell = (id, code, script, terminal)
        self._there.ring()
        _stop_loop()

    def environment(self, folder):
        self._environment = folder

    def take_environment(self):
        folder, self._environment = self._environment, None
        return folder

    def end(self):
        self.put(None, None)

    def take(self, idle):
        """The next cell. Calls idle() when there was none for a moment."""
        if self._cell is None and not _goes_on() and not interrupts.rest(self._there.wait, _MOMENT):
            idle()
        while self._cell is None:
            interrupts.rest(_bai_repl.waiting.go_on if _goes_on() else self._there.wait)
        cell, self._cell = self._cell, None
        return cell


def _goes_on():
    """Whether asyncio has a loop, which runs between two cells."""
    waiting = _bai_repl.__dict__.get('waiting')
    return waiting is not None and waiting.can_go_on()


def _stop_loop():
    waiting = _bai_repl.__dict__.get('waiting')
    if waiting is not None:
        waiting.stop()


def _free():
    """Frees the main thread from what a cell has left behind."""
    # A loop that is not held goes on at once.
    interrupts.free()
    _stop_loop()


def serve():
    work = _Work()
    sys.argv = ['']
    sys.modules['__main__'] = cells.main
    patches.install_for_sessions()
    _begin(work)
    wire.say_last({'say': 'ready', 'shell': shell.name})
    while True:
        try:
            id, code, script, terminal = work.take(shell.prepare)
        except BaseException:
            # A signal handler of the user has raised an exception between two cells.
            streams.complain('Exception between two cells: %s\n' % sys.exc_info()[0].__name__)
            continue
        if id is None:
            # The interpreter ends normally, as in any program.
            load('scripts').finish()
            return
        _run(id, code, script, terminal, work.take_environment())
        if script is not None and script['last']:
            # The session ends with it. What Python does at its end takes a while, so it does not wait until it is asked to end.
            return


def attend():
    """Prepares this Python for the script that it runs next, by itself."""
    work = _Work()
    cells.main = sys.modules['__main__']
    _begin(work)
    wire.say_last({'say': 'ready'})
    id, _, script, _ = work.take(lambda: None)
    if id is None:
        _exit(0)
    load('scripts').begin_program(script)
    interrupts.hand_over()
    interrupts.when_program_runs(lambda: wire.say_aside({'say': 'started', 'id': id}))


def _begin(work):
    if not streams.ARE_PYTHONS:
        streams.install()
    display.install()
    patches.install()
    wire.listen({
        'run': work.put,
        'input': streams.questions.answer,
        'secret': streams.answer_secret,
        'complete': lambda **question: load('completion').request(**question),
        'window': window.change,
        'wake': interrupts.wake,
        'free': _free,
        'environment': work.environment,
        'ended': lambda code: load('programs').ended(code),
        'bye': work.end,
    })


def _run(id, code, script, terminal, environment):
    exit_code = 1
    try:
        streams.begin_cell(terminal)
        if environment is not None:
            load('packages').add(environment)
        run = shell.run if script is None else load('scripts').Script(script).run
        exit_code = run(code, lambda: wire.say_aside({'say': 'started', 'id': id}))
        streams.questions.end()
        streams.repair()
    except BaseException:
        streams.complain('Exception at the end of a cell: %s\n' % sys.exc_info()[0].__name__)
    if wire.is_alone():
        # This process was forked by the cell, and reached the cell's end.
        streams.flush()
        _exit(exit_code & 0xff)
    while True:
        try:
            wire.say_last({'say': 'done', 'id': id, 'code': exit_code})
            return
        except BaseException:
            continue
