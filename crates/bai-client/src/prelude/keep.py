# Keeps what a run prints and shows in files of the session: a cluster loses what it was sending to a client whose connection broke, and
# gives files at any time, also while a cell runs and when the session takes no more code. The prelude (prelude.py) begins and ends
# it. What a client does with the files is not known here.
#
# - A run that is kept has an id of its client: the first line of its cell says it, which is no part of the cell.
# - Its output is a stream of lines of JSON, cut into files of one size that are called `<id>.<number>`. The oldest files are removed when
#   there are too many; those of the last runs stay, since nobody knows whether their clients have got everything.
# - A line is [kind, value, before]. `stdout`, `stderr` and `media` are what the cluster's runner makes of the messages of the kernel; `question`
#   says whether its answer is a password, and `answered` that it is over; `end` has the exit code. `before` is how much of the kind came
#   before it, in characters of text and else in records.
# - A client puts marks beside the files of a run, `<id>.left` and `<id>.shown` (run/ring.rs). They go with the last of these files.
# - An interrupt ends a question without an answer, but the runner waits for one before it sees the end of the run. `unanswered` before the
#   `end` says that the last question of the run has ended so.
# - A client that polls gets marks among its output, if it wants them: how much there was of each kind. So it knows where it is after a break.

import collections
import json
import os
import sys
import threading
import time

# The beginning of the first line of a cell that is kept.
KEPT_RUN = '#bai-repl: run '
# The size of a file, in bytes: a cluster gives none of 1 MiB or more.
SEGMENT = 1 << 19
# The limits for all files, in bytes and in files.
MOST_KEPT, MOST_SEGMENTS = 16 << 20, 64
MARKS = ('.left', '.shown')
# A mark follows after so many characters, or after this time, in seconds.
MARK_AFTER, MARK_EVERY = 1 << 18, 0.5
DELIMITER = b'<IDS|MSG>'


class Keeper:
    def __init__(self, folder, mark):
        self.folder = folder
        # Makes the data of a mark.
        self.mark = mark
        self.lock = threading.Lock()
        # The finished and the current files, each with its size.
        self.files = collections.deque()
        self.total = 0
        # The last runs that have begun.
        self.known = collections.deque(maxlen=MOST_SEGMENTS)
        self.file = self.run = None
        self.process = os.getpid()

    def install(self, thread, session, topic):
        """Follows what the kernel sends in this thread; returns whether that is possible."""
        send = getattr(thread, '_really_send', None)
        if self.folder is None or send is None:
            return False
        try:
            os.makedirs(self.folder, exist_ok=True)
            for name in os.listdir(self.folder):
                os.remove(os.path.join(self.folder, name))
        except OSError:
            return False

        def sending(message, *args, **options):
            try:
                mark = self.take(message)
            except Exception:
                mark = self.give_up()
            send(message, *args, **options)
            if mark is not None:
                content = {'data': mark, 'metadata': {}, 'transient': {}}
                send(session.serialize(session.msg('display_data', content, parent=self.parent), topic))

        thread._really_send = sending
        return True

    def begin(self, run, parent):
        """A run begins: what answers this request is kept. Returns whether it is the first time: a client that does not know whether its
        code came sends it again."""
        if run['id'] in self.known:
            return False
        self.known.append(run['id'])
        with self.lock:
            self.run, self.parent, self.request = run['id'], parent, parent['msg_id']
            self.marks = run.get('marks', False)
            kinds = ('stdout', 'stderr', 'media', 'question', 'answered', 'unanswered', 'end')
            self.counts = dict.fromkeys(kinds, 0)
            self.is_unanswered = False
            self.code = 0
            self.segment, self.left = 0, 0
            self.unmarked, self.marked = 0, time.monotonic()
            try:
                self.next_file()
            except OSError:
                self.give_up()
        return True

    def give_up(self):
        """What is not complete says so by its missing end."""
        self.run = None

    def take(self, message):
        """Keeps a message of the kernel, if it belongs to the run. Returns a mark to send after it, if it is time for one."""
        if self.run is None or os.getpid() != self.process:
            return None
        at = message.index(DELIMITER)
        header, parent, content = (bytes(message[at + part]) for part in (2, 3, 5))
        kind = json.loads(header.decode('utf-8'))['msg_type']
        if json.loads(parent.decode('utf-8')).get('msg_id') != self.request:
            return None
        with self.lock:
            content = json.loads(content.decode('utf-8'))
            if kind == 'status':
                if content['execution_state'] == 'idle':
                    if self.is_unanswered:
                        self.write('unanswered', None)
                    self.write('end', self.code)
                    self.run = None
                return None
            if kind == 'error':
                self.code = code_of(content)
            for name, value in records(kind, content):
                self.write(name, value)
            return self.mark_in_time()

    def mark_in_time(self):
        now = time.monotonic()
        if not self.marks or not self.unmarked or self.unmarked < MARK_AFTER and now < self.marked + MARK_EVERY:
            return None
        self.unmarked, self.marked = 0, now
        return self.mark({kind: self.counts[kind] for kind in ('stdout', 'stderr', 'media', 'question')})

    def ask(self, prompt, password):
        """The kernel asks: the runner prints the prompt."""
        self.write_now([('stdout', prompt), ('question', bool(password))])

    def answered(self, has_answer):
        self.is_unanswered = not has_answer
        self.write_now([('answered', None)])

    def write_now(self, lines):
        with self.lock:
            if self.run is None or os.getpid() != self.process:
                return
            try:
                for kind, value in lines:
                    self.write(kind, value)
            except OSError:
                self.give_up()

    def write(self, kind, value):
        size = len(value) if kind in ('stdout', 'stderr') else 1
        if size == 0:
            return
        line = json.dumps([kind, value, self.counts[kind]], ensure_ascii=False) + '\n'
        self.counts[kind] += size
        self.unmarked += size
        data = memoryview(line.encode('utf-8', 'replace'))
        while data:
            if self.left == 0:
                self.next_file()
            count = os.write(self.file, data[:self.left])
            data, self.left = data[count:], self.left - count
            self.total += count

    def next_file(self):
        if self.file is not None:
            os.close(self.file)
            self.file = None
        path = os.path.join(self.folder, '%s.%d' % (self.run, self.segment))
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self.files.append(path)
        self.segment, self.left = self.segment + 1, SEGMENT
        while len(self.files) > MOST_SEGMENTS or self.total > MOST_KEPT - SEGMENT and len(self.files) > 1:
            self.remove(self.files.popleft())

    def remove(self, path):
        try:
            self.total -= os.stat(path).st_size
            os.remove(path)
        except OSError:
            pass
        run = path.rpartition('.')[0]
        if not any(other.rpartition('.')[0] == run for other in self.files):
            for mark in MARKS:
                try:
                    os.remove(run + mark)
                except OSError:
                    pass


def records(kind, content):
    """What the cluster's runner makes of a message."""
    if kind == 'stream':
        return [(content['name'], content['text'])]
    if kind == 'error':
        return [('stderr', '\n'.join(content['traceback']))]
    if kind not in ('execute_result', 'display_data') or not content['data']:
        return []
    data = content['data']
    if len(data) > 1:
        data.pop('text/plain', None)
    kind, value = next(iter(data.items()))
    if kind == 'text/plain':
        return [('stdout', value)]
    if kind in ('image/png', 'image/jpeg'):
        return [('media', [kind, 'data:%s;base64,%s' % (kind, value)])]
    return [('media', [kind, value])] if kind == 'image/svg+xml' else []


def code_of(error):
    """The exit code that the runner gives to a run with this error."""
    if error.get('ename') != 'SystemExit':
        return 1
    try:
        return int(error.get('evalue') or 0)
    except ValueError:
        return 1
