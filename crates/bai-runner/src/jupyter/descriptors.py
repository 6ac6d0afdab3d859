# Runs once in each new Python kernel, before the first cell. What the process and its children write to descriptors 1
# and 2 is published once, in its place between the texts that Python prints.
#
# ipykernel publishes these bytes and also copies them to the descriptors that it was started with, which the runner reads
# too. A thread of its own does that, perhaps after the cell is over. So its pipe is replaced by one that is also
# emptied before each text of Python and at the end of a cell. Other kernels are left as they are.
import _thread
import codecs
import os
import select
import sys

# A pipe holds no more. One read takes what was written before it, and a writer that never stops does not hold it up.
PIPE_SIZE = 1 << 16


def join(stream, descriptor):
    """Makes the output on `descriptor` a part of `stream`."""
    pipe, end = os.pipe()
    os.set_blocking(pipe, False)
    # ipykernel's thread ends with the last writer of its pipe.
    stream._should_watch = False
    os.dup2(end, descriptor)
    os.close(end)
    write, flush = stream.write, stream.flush
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    lock, owner = _thread.RLock(), os.getpid()

    def take():
        # A forked process shares the pipe, and perhaps a lock that is held.
        if os.getpid() != owner:
            return
        with lock:
            try:
                text = decoder.decode(os.read(pipe, PIPE_SIZE))
            except BlockingIOError:
                return
            if text:
                write(text)

    def write_in_order(text):
        take()
        return write(text)

    def flush_all():
        take()
        return flush()

    def watch():
        while stream.pub_thread is not None:
            select.select([pipe], [], [])
            take()

    stream.write, stream.flush = write_in_order, flush_all
    # A child that is given this stream as its output writes there too.
    stream.fileno = lambda: descriptor
    # A thread of `threading` would publish all its output as that of the cell that has started it.
    _thread.start_new_thread(watch, ())


for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
    if getattr(stream, "_original_stdstream_copy", None) is not None:
        join(stream, descriptor)
