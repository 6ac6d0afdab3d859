# Runs in the session's Python, as `python -c TEXT FOLDER [pip]`: makes a virtual environment in FOLDER, if there is none. What
# the session's steps install goes there, and the environment of the user is not changed. All that is installed in the user's is
# visible in the new one. With `pip`, the environment must have pip. Without, a step may not need it, so its pip says what is
# missing.

import sys

# The folder of the project has modules of any name.
sys.path = [path for path in sys.path if path]

import os
import subprocess


# Python's arguments that run pip without the modules of the current folder, which -m alone would find first.
PIP = '-P -m pip' if sys.version_info >= (3, 11) else "-c 'import sys; sys.path = list(filter(None, sys.path)); " \
    "import runpy; runpy.run_module(\"pip\", None, \"__main__\", True)'"
# A pip that comes when it is called. The shell reads all of it first, since ensurepip may replace the file.
BRING_PIP = '''{
    python="${0%/*}/python"
    "$python" -I -c 'import pip' 2>/dev/null || "$python" -I -m ensurepip >/dev/null 2>&1
    exec "$python" ''' + PIP + ''' "$@"
}'''


def fail(text):
    sys.exit('Nothing can be installed: ' + text)


def make(folder):
    try:
        import venv
    except ImportError:
        fail('this Python has no module venv; on Debian, `apt install python3-venv` brings it.')
    # Not with system_site_packages: the session's Python may be in a virtual environment itself.
    venv.EnvBuilder(symlinks=True).create(folder)
    version = 'python%d.%d' % sys.version_info[:2]
    visible = [path for path in sys.path if os.path.basename(path) in ('site-packages', 'dist-packages')]
    with open(os.path.join(folder, 'lib', version, 'site-packages', 'session.pth'), 'w', encoding='utf-8') as file:
        for path in visible:
            file.write('import site; site.addsitedir(%r)\n' % path)


def bring_pip(folder):
    python = os.path.join(folder, 'bin', 'python')
    quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
    if subprocess.call([python, '-I', '-c', 'import pip'], **quiet) and subprocess.call([python, '-I', '-m', 'ensurepip'], **quiet):
        fail('this Python has neither pip nor ensurepip; on Debian, `apt install python3-pip` brings pip.')


def add_pip(folder, script):
    """The pip of steps: another one on PATH would change another environment."""
    for name in ('pip', 'pip3'):
        path = os.path.join(folder, 'bin', name)
        if not os.path.exists(path):
            with open(path, 'w', encoding='utf-8') as file:
                file.write('#!/bin/sh\n' + script + '\n')
            os.chmod(path, 0o755)


def prepare(folder, needs_pip):
    try:
        if not os.path.exists(os.path.join(folder, 'bin', 'python')):
            make(folder)
            add_pip(folder, BRING_PIP)
        if needs_pip:
            bring_pip(folder)
    except OSError as error:
        fail('no environment can be made: %s.' % error)


def main():
    folder, needs_pip = sys.argv[1], sys.argv[2:] == ['pip']
    try:
        prepare(folder, needs_pip)
    except SystemExit as failure:
        if needs_pip:
            raise
        os.makedirs(os.path.join(folder, 'bin'), exist_ok=True)
        add_pip(folder, "cat >&2 <<'END'\n%s\nEND\nexit 1" % failure)


main()
