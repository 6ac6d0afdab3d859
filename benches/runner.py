"""Measures a runner at two local ports from the side of an agent; see runner.sh."""
import sys
import time

import zmq

ROUNDS = 3
FLOOD = 200_000_000
WRITES = 100_000
LINES = 200_000
CELLS = 1_000


def connect(operations, replies):
    context = zmq.Context()
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.connect(f"tcp://127.0.0.1:{operations}")
    pull.connect(f"tcp://127.0.0.1:{replies}")
    pull.RCVTIMEO = 120_000
    return push, pull


class Runner:
    def __init__(self, operations, replies):
        self.push, self.pull = connect(operations, replies)
        # Output of the startup is not measured.
        self.push.send_multipart([b"status", b""])
        while self.pull.recv_multipart()[0] != b"status":
            pass
        self.measured([(b"code", b"pass")])

    def measured(self, messages):
        """Returns the seconds until all have ended, the bytes of output, and the number of records."""
        size = records = 0
        started = time.perf_counter()
        for message in messages:
            self.push.send_multipart(list(message))
        ends = 0
        while ends < len(messages):
            name, payload = self.pull.recv_multipart()
            if name == b"finished":
                ends += 1
            elif name == b"stdout":
                size += len(payload)
                records += 1
        return time.perf_counter() - started, size, records


def main(title, operations, replies):
    runner = Runner(operations, replies)
    # Each measurement: its title, the messages, the expected bytes, and the number of items if the rate is not in
    # bytes.
    writes = f"{sys.executable} -c 'import os\nfor n in range({WRITES}): os.write(1, b\"0123456789\\n\")'"
    flood = f"head -c {FLOOD} /dev/zero | tr '\\0' x"
    lines = f"for n in range({LINES}): print('%09d' % n)"
    for what, messages, expected, count in [
        (f"{FLOOD // 1_000_000} MB from a child", [(b"exec", flood.encode())], FLOOD, None),
        (f"{WRITES} writes of a child", [(b"exec", writes.encode())], WRITES * 11, WRITES),
        (f"{LINES} lines printed by a cell", [(b"code", lines.encode())], LINES * 10, LINES),
        (f"{CELLS} queued cells", [(b"code", b"x = 1")] * CELLS, 0, CELLS),
    ]:
        seconds, size, records = min(runner.measured(messages) for _ in range(ROUNDS))
        if size != expected:
            print(f"{title:26} {what:32} {size} bytes arrived, not {expected}")
            continue
        rate = f"{count / seconds:12,.0f}/s" if count else f"{size / seconds / 1e6:9.1f} MB/s"
        print(f"{title:26} {what:32} {seconds:8.3f} s {rate:>14} {records:8} records", flush=True)


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
