# Completion at the cursor. The live namespace answers first. If it cannot (for the result of a call, for example), jedi
# does, if the interpreter has it. It runs in a thread of its own, even while a cell runs.

import sys
import time

from _collections import deque

from _bai_repl import load, streams, wire

_clock = time.monotonic
# A question that takes longer than this keeps its thread, and the next one gets another.
_STUCK = 2.0


class _Worker:
    """Answers one question at a time, the newest first; older ones that still wait get an empty answer."""

    def __init__(self):
        self._waiting = deque()
        self._there = None
        self._generation = 0
        self._busy_since = None

    def ask(self, id, code, post):
        self._waiting.append((id, code, post))
        stuck = self._busy_since is not None and _clock() - self._busy_since > _STUCK
        if self._generation == 0 or stuck:
            self._generation += 1
            self._busy_since = None
            self._there = wire.Bell()
            wire.start_thread(self._work, self._generation, self._there)
        else:
            self._there.ring()

    def _work(self, generation, there):
        while generation == self._generation:
            while self._waiting:
                self._busy_since = _clock()
                id, code, post = self._waiting.pop()
                while self._waiting:
                    _answer(self._waiting.popleft()[0], None, [])
                try:
                    start, names = _suggest(code, post)
                except BaseException:
                    # The user's objects may raise any error when they are inspected: there is no completion then.
                    start, names = None, []
                _answer(id, start, names)
                if generation != self._generation:
                    return
                self._busy_since = None
            there.wait()


def _suggest(code, post):
    if streams.questions.is_waiting() and 'bdb' in sys.modules and load('debugging').is_asking():
        return load('debugging').complete(code, post)
    return load('shell').suggest(code, post)


def _answer(id, start, names):
    try:
        wire.say_aside({'say': 'completions', 'id': id, 'start': start, 'suggestions': names})
    except Exception:
        pass


_worker = _Worker()


def request(id, code, post):
    _worker.ask(id, code, post)
