# When SIGINT stops the user's code, and when it does nothing. While a cell runs the handler is the user's (at first
# Python's own, which raises KeyboardInterrupt); between cells SIGINT is ignored, so that one that comes late neither
# ends the driver nor leaks into the next cell.

import signal

_signal = signal.signal
_SIGINT = signal.SIGINT
_users_handler = signal.default_int_handler


def _ignore(number, frame):
    pass


def arm():
    """From here on SIGINT goes to the user's code."""
    # Calls the ignoring handler for what is still pending, before the other one takes its place.
    _signal(_SIGINT, _ignore)
    _signal(_SIGINT, _users_handler)


def disarm():
    """From here on SIGINT does nothing. A KeyboardInterrupt that comes in between is swallowed."""
    global _users_handler
    while True:
        try:
            handler = _signal(_SIGINT, _ignore)
            if handler is not _ignore and handler is not None:
                _users_handler = handler
            return
        except KeyboardInterrupt:
            continue


disarm()
_users_handler = signal.default_int_handler
