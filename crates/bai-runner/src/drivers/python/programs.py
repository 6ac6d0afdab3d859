# The programs that a cell runs as lines of a shell: `!COMMAND`, and `lines = !COMMAND` where there is IPython. They have the
# streams of the session, and an interrupt ends the cell and not only the program.

import os
import re

from _bai_repl import cells

# It reads its standard input to the end before it shows a file, unless that is a terminal.
_MORE_OF_A_FILE = re.compile(r'\s*more\s+[^\s<>|&;]')


def _run(command, **options):
    """Runs a line of the shell to its end; returns its output, if it goes to a pipe."""
    process = output = None
    try:
        process = _start(command, options)
        output = process.communicate()[0]
    except KeyboardInterrupt:
        # The command was interrupted too and may be cleaning up. A second interrupt ends the wait.
        try:
            if process is not None:
                process.communicate()
        except KeyboardInterrupt:
            process.kill()
        raise KeyboardInterrupt from None
    finally:
        cells.main.__dict__['_exit_code'] = process.returncode if process is not None else None
    return output


def _start(command, options):
    """Starts the user's shell, as IPython does, or that of the system if there is no such program."""
    import subprocess
    if _MORE_OF_A_FILE.match(command):
        options['stdin'] = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, shell=True, executable=os.environ.get('SHELL') or None, **options)
    except OSError:
        return subprocess.Popen(command, shell=True, **options)


def run(command):
    """Runs a line of the shell. Its exit code is in _exit_code."""
    _run(command)


def output(command):
    """The output of a line of the shell, with what it writes to standard error."""
    import subprocess
    return _run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).decode('utf-8', 'replace')
