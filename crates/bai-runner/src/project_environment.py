# Runs in the session's Python, as `python -c TEXT FOLDER ARGUMENTS…`: makes a virtual environment in FOLDER, if there is none,
# and runs its Python with the arguments, which install a project. So the environment of the user is not changed. All that
# is installed there is visible in the new one.

import sys

# The folder of the project has modules of any name.
sys.path = [path for path in sys.path if path]

import importlib.util
import os
import subprocess


def fail(text):
    sys.exit('The project is not installed: ' + text)


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
    if importlib.util.find_spec('pip') is None:
        command = [os.path.join(folder, 'bin', 'python'), '-m', 'ensurepip']
        if subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            fail('this Python has neither pip nor ensurepip; on Debian, `apt install python3-pip` brings pip.')
    for name in ('pip', 'pip3'):
        add_command(os.path.join(folder, 'bin', name))


def add_command(path):
    """The pip of later steps: another one on PATH would change another environment."""
    if os.path.exists(path):
        return
    with open(path, 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\nexec "${0%/*}/python" -m pip "$@"\n')
    os.chmod(path, 0o755)


def main():
    folder, arguments = sys.argv[1], sys.argv[2:]
    python = os.path.join(folder, 'bin', 'python')
    if not os.path.exists(python):
        try:
            make(folder)
        except OSError as error:
            fail('no environment can be made for it: %s.' % error)
    # Settings of the user that name another place.
    for name in ('PIP_PREFIX', 'PIP_ROOT', 'PIP_TARGET'):
        os.environ.pop(name, None)
    os.environ.update(PIP_USER='0', VIRTUAL_ENV=folder)
    os.execv(python, [python] + arguments)


main()
