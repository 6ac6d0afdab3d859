# Top-level await: one event loop for the whole session, so that the next cell can use objects of an earlier one.

import asyncio

from _bai_repl import imports

_loop = None


def _session_loop():
    global _loop
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
    asyncio.set_event_loop(_loop)
    return _loop


@imports.runs_user_code
def run(coroutine):
    """Runs a cell's coroutine to its end; a KeyboardInterrupt cancels it first."""
    loop = _session_loop()
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        if not task.done():
            task.cancel()
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                pass
        raise
