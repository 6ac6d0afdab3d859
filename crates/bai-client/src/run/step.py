# Runs the command of a batch step in a process group of its own, and passes SIGINT on to all of it: the runner of a cluster signals only the
# process that it has started, and a shell waits for its children first. The command's end becomes this process's own, and a file tells it as well:
# the agent may lose it. The arguments are the command, that file and the id of the step.
import os
import signal
import sys

command = 0


def pass_on(*_):
    for kill in (os.killpg, os.kill):
        try:
            return kill(command, signal.SIGINT)
        except OSError:
            # The group is not there yet.
            pass


PATH, STEP = sys.argv[2:]
# A link to what Linux says of this process, while the step runs: a client that comes looks at it.
PROCESS = PATH + '.process'


def appear():
    try:
        os.makedirs(os.path.dirname(PATH), exist_ok=True)
        os.symlink('/proc/%d' % os.getpid(), PROCESS + '.new')
        os.replace(PROCESS + '.new', PROCESS)
    except OSError:
        pass


def leave(code):
    try:
        with open(PATH + '.new', 'w') as file:
            file.write('%s %d\n' % (STEP, code))
        os.replace(PATH + '.new', PATH)
        os.remove(PROCESS)
    except OSError:
        # It only helps a client that hears nothing else.
        pass


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
appear()
command = os.fork()
if command == 0:
    os.setsid()
    # A read of what is there, a terminal to which nobody types, would never end.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for changed in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(changed, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.execv('/bin/sh', ['sh', '-c', sys.argv[1]])
signal.signal(signal.SIGINT, pass_on)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
status = os.waitpid(command, 0)[1]
if os.WIFSIGNALED(status):
    end = os.WTERMSIG(status)
    leave(128 + end)
    if end != signal.SIGKILL:
        signal.signal(end, signal.SIG_DFL)
    os.kill(os.getpid(), end)
    os._exit(128 + end)
leave(os.WEXITSTATUS(status))
os._exit(os.WEXITSTATUS(status))
