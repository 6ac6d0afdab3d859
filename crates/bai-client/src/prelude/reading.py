# Whether somebody waits for the input of a script (process.py): Linux tells what a thread waits for.

import contextlib
import fcntl
import os
import struct
import termios

# The limit for the descriptors of one call that are looked at.
POLLED = 64


def polled(process, at, count):
    count = min(count, POLLED)
    entries = struct.iter_unpack('=ihh', memory(process, at, 8 * count))
    return [number for number, events, _ in entries if events & 1]


def selected(process, count, at):
    count = min(count, POLLED)
    bits = int.from_bytes(memory(process, at, 8), 'little')
    return [number for number in range(count) if bits >> number & 1]


def watched(process, epoll, _):
    with open('/proc/%s/fdinfo/%d' % (process, epoll)) as file:
        words = [line.split() for line in file if line.startswith('tfd:')]
    return [int(line[1]) for line in words if int(line[3], 16) & 1]


def memory(process, at, size):
    if not at:
        return b''
    with open('/proc/%s/mem' % process, 'rb', 0) as file:
        file.seek(at)
        return file.read(size)


def first(process, number, _):
    return [number]


# What a thread waits to read from, by the number of the system call.
CALLS = {
    'x86_64': {
        0: first, 19: first, 7: polled, 271: polled, 23: selected, 270: selected, 232: watched, 281: watched, 441: watched},
    'aarch64': {63: first, 65: first, 73: polled, 72: selected, 22: watched, 441: watched},
}.get(os.uname().machine, {})


# Whether the system has told it once. It refuses to tell it of a thread that ends.
told = set()


def reads(process, thread, pipe):
    """Whether this thread waits in a read of the pipe. Where the system never tells it, one that sleeps may."""
    try:
        with open('/proc/%s/task/%s/syscall' % (process, thread)) as file:
            words = file.read().split()
        told.add(True)
        if len(words) < 3:
            return False
        number, one, two = int(words[0]), int(words[1], 16), int(words[2], 16)
        found = CALLS[number](process, one, two) if number in CALLS else []
        return any(os.readlink('/proc/%s/fd/%d' % (process, number)) == pipe for number in found)
    except PermissionError:
        return not told and sleeps(process, thread)
    except (OSError, ValueError, OverflowError, struct.error):
        return False


def sleeps(process, thread):
    with contextlib.suppress(OSError), open('/proc/%s/task/%s/stat' % (process, thread)) as file:
        return file.read().rpartition(')')[2].split()[0] == 'S'
    return False


def someone_reads(leader, pipe):
    """Whether the process or a descendant waits in a read of the pipe."""
    todo, seen = [str(leader)], set()
    while todo:
        process = todo.pop()
        if process in seen:
            continue
        seen.add(process)
        try:
            threads = os.listdir('/proc/%s/task' % process)
        except OSError:
            continue
        for thread in threads:
            if reads(process, thread, pipe):
                return True
            with contextlib.suppress(OSError), open('/proc/%s/task/%s/children' % (process, thread)) as file:
                todo.extend(file.read().split())
    return False


def unread_bytes(number):
    return struct.unpack('i', fcntl.ioctl(number, termios.FIONREAD, bytes(4)))[0]
