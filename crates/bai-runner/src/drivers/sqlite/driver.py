# The driver of SQLite, in Python: the module sqlite3 is in every Python, stops a query from another thread, and finds the
# end of a statement. Cells are statements of SQL and the dot commands of the sqlite3 program.
# crates/bai-runner/src/wire.rs describes the messages. Two threads: the main one runs cells; the other one reads the
# runner's messages, completes names from a copy of the schema, and interrupts.
#
# With the name of a file in place of the numbers of pipes, it executes the file as a program.

import csv
import io
import itertools
import json
import os
import queue
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unicodedata

PIPES = [int(number) for number in sys.argv[1:]] if len(sys.argv) == 4 else None
# Steps of SQLite between two checks for an interrupt.
STEPS = 20000
# Rows by which the columns of a table get their widths.
ROWS_AHEAD = 1000
# A wider cell of a table is cut, unless it is the only one.
WIDEST = 60


class Failure(Exception):
    """Ends a cell with an error message."""


class Interrupted(Exception):
    """SIGINT came."""


class Leave(Exception):
    """Ends a cell with an exit code."""


# --- the session --------------------------------------------------------------------------------------------------------

class Session:
    def __init__(self):
        self.mode = 'box'
        self.headers = True
        self.null = 'NULL'
        self.separator = '|'
        self.timer = False
        self.out = sys.stdout
        self.path = ':memory:'
        self.names = {}
        # SIGINT came while a cell ran.
        self.stop = False
        self.open(self.path)

    def open(self, path):
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.execute('SELECT 1 FROM sqlite_master').fetchone()
        except sqlite3.Error as error:
            raise Failure('%s: %s' % (path, error))
        connection.text_factory = lambda text: text.decode('utf-8', 'replace')
        # The signal is noticed here too, since this runs on the main thread.
        connection.set_progress_handler(lambda: self.stop, STEPS)
        self.connection, self.path = connection, path
        self.remember()

    def remember(self):
        """Keeps the names of the schema for completion, which must not wait for a query."""
        names = {}
        try:
            for (database,) in self.rows('SELECT name FROM pragma_database_list'):
                master = 'sqlite_temp_master' if database == 'temp' else '%s.sqlite_master' % quoted(database)
                for (table,) in self.rows("SELECT name FROM %s WHERE type IN ('table', 'view')" % master):
                    names[table] = [row[1] for row in self.rows('PRAGMA %s.table_info(%s)' % (quoted(database), quoted(table)))]
        except sqlite3.Error:
            return
        self.names = names

    def rows(self, query, values=()):
        return self.connection.execute(query, values).fetchall()

    def write(self, text):
        if self.stop:
            raise Interrupted
        self.out.write(text)


def quoted(name):
    return '"%s"' % name.replace('"', '""')


# --- values and tables --------------------------------------------------------------------------------------------------

def shown(value, null):
    if value is None:
        return null
    if isinstance(value, float):
        text = '%.15g' % value
        return text if any(sign in text for sign in '.eni') else text + '.0'
    if isinstance(value, bytes):
        return "x'%s'" % value.hex()
    return str(value)


def literal(value):
    if isinstance(value, str):
        return "'%s'" % value.replace("'", "''")
    return shown(value, 'NULL')


def width(text):
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text)


def fitted(text, size, right):
    # A value that is wider than those of the first rows exceeds the column, unless it is very wide.
    if width(text) > size >= WIDEST:
        kept = ''
        for c in text:
            if width(kept + c) >= size:
                break
            kept += c
        text = kept + '…'
    space = ' ' * (size - width(text))
    return space + text if right else text + space


def boxed(session, names, rows):
    """A table with lines around it, as wide as the first rows need."""
    rows = iter(rows)
    ahead = [row for row, _ in zip(rows, range(ROWS_AHEAD))]
    flat = lambda value: shown(value, session.null).replace('\r', '').replace('\n', '⏎').replace('\t', ' ')
    columns = range(len(names))
    right = [all(isinstance(row[i], (int, float, type(None))) for row in ahead) and bool(ahead) for i in columns]
    sizes = [max([width(names[i])] + [width(flat(row[i])) for row in ahead]) for i in columns]
    sizes = [size if len(names) == 1 else min(size, max(WIDEST, width(names[i]))) for i, size in enumerate(sizes)]
    line = lambda left, middle, end: left + middle.join('─' * (size + 2) for size in sizes) + end + '\n'
    fill = lambda cells: '│' + '│'.join(' %s ' % fitted(cells[i], sizes[i], right[i]) for i in columns) + '│\n'
    session.write(line('┌', '┬', '┐'))
    if session.headers:
        session.write('│' + '│'.join(' %s ' % fitted(names[i], sizes[i], right[i]) for i in columns) + '│\n')
        session.write(line('├', '┼', '┤'))
    for part in (ahead, rows):
        for row in part:
            session.write(fill([flat(value) for value in row]))
    session.write(line('└', '┴', '┘'))


def markdown(session, names, rows):
    flat = lambda text: text.replace('|', '\\|').replace('\n', '<br>')
    session.write('| %s |\n|%s\n' % (' | '.join(map(flat, names)), '---|' * len(names)))
    for row in rows:
        session.write('| %s |\n' % ' | '.join(flat(shown(value, session.null)) for value in row))


def separated(session, names, rows):
    if session.headers:
        session.write(session.separator.join(names) + '\n')
    for row in rows:
        session.write(session.separator.join([shown(value, '') for value in row]) + '\n')


def as_csv(session, names, rows):
    writer = csv.writer(session.out, lineterminator='\n')
    if session.headers:
        writer.writerow(names)
    writer.writerows([value if value is None else shown(value, '') for value in row] for row in rows)


def as_json(session, names, rows):
    plain = lambda value: value.hex() if isinstance(value, bytes) else value
    begin = '['
    for row in rows:
        item = {name: plain(value) for name, value in zip(names, row)}
        session.write(begin + json.dumps(item, ensure_ascii=False))
        begin = ',\n'
    session.write('[]\n' if begin == '[' else ']\n')


def as_lines(session, names, rows):
    size = max(map(width, names))
    for number, row in enumerate(rows):
        session.write('\n' if number else '')
        for name, value in zip(names, row):
            session.write('%s = %s\n' % (fitted(name, size, True), shown(value, session.null)))


def as_inserts(session, names, rows):
    for row in rows:
        session.write('INSERT INTO "table" VALUES(%s);\n' % ','.join(map(literal, row)))


MODES = {'box': boxed, 'table': boxed, 'column': boxed, 'markdown': markdown, 'list': separated, 'csv': as_csv,
         'json': as_json, 'line': as_lines, 'insert': as_inserts}


# --- commands with a dot ------------------------------------------------------------------------------------------------

def like(words):
    return words[0] if words else '%'


def cmd_tables(session, words):
    """.tables ?PATTERN?         names of tables and views"""
    session.remember()
    for name in sorted(session.names):
        if session.rows('SELECT ? LIKE ?', (name, like(words))) == [(1,)] and not name.startswith('sqlite_'):
            session.write(name + '\n')


def cmd_schema(session, words):
    """.schema ?PATTERN?         the statements that made the tables, indexes, views and triggers"""
    query = 'SELECT sql FROM sqlite_master WHERE sql NOT NULL AND tbl_name LIKE ? ORDER BY rowid'
    for (sql,) in session.rows(query, (like(words),)):
        session.write(sql + ';\n')


def cmd_indexes(session, words):
    """.indexes ?TABLE?          names of indexes"""
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE ? ORDER BY name"
    for (name,) in session.rows(query, (like(words),)):
        session.write(name + '\n')


def cmd_databases(session, words):
    """.databases                the databases of this session and their files"""
    for _, name, path in session.rows('PRAGMA database_list'):
        session.write('%s: %s\n' % (name, path or ':memory:'))


def cmd_open(session, words):
    """.open ?FILE?              opens another database in place of this one; without a file, one in memory"""
    session.connection.close()
    try:
        session.open(words[0] if words else ':memory:')
    except Failure:
        session.open(':memory:')
        raise


def cmd_read(session, words):
    """.read FILE                runs the statements of a file"""
    if not words:
        raise Failure('.read wants a file')
    run(session, read_file(words[0]))


def cmd_dump(session, words):
    """.dump                     the database as statements"""
    for statement in session.connection.iterdump():
        session.write(statement + '\n')


def cmd_import(session, words):
    """.import ?--csv? FILE TABLE  rows of a CSV file; a missing table is made, with column names from the first row"""
    words = [word for word in words if word != '--csv']
    if len(words) != 2:
        raise Failure('.import wants a file and a table')
    path, table = words
    rows = csv.reader(io.StringIO(read_file(path), newline=''))
    columns = session.rows('PRAGMA table_info(%s)' % quoted(table))
    if not columns:
        columns = next(rows, None)
        if not columns:
            raise Failure('%s is empty' % path)
        session.rows('CREATE TABLE %s (%s)' % (quoted(table), ', '.join('%s TEXT' % quoted(name) for name in columns)))
    insert = 'INSERT INTO %s VALUES (%s)' % (quoted(table), ', '.join('?' * len(columns)))
    session.rows('BEGIN')
    try:
        session.connection.executemany(insert, (row for row in rows if row))
    except sqlite3.Error:
        session.rows('ROLLBACK')
        raise
    session.rows('COMMIT')


def cmd_mode(session, words):
    """.mode MODE                how results are written: box (long texts are cut), list, csv, json, line, markdown, insert"""
    if not words:
        return session.write('current output mode: %s\n' % session.mode)
    if words[0] not in MODES:
        raise Failure('there is no mode %s; there are %s' % (words[0], ', '.join(sorted(MODES))))
    session.mode = words[0]
    if words[0] in ('list', 'csv'):
        session.separator = words[1] if len(words) > 1 else '|'


def switch(words, name):
    if words and words[0] in ('on', 'off'):
        return words[0] == 'on'
    raise Failure('.%s wants on or off' % name)


def cmd_headers(session, words):
    """.headers on|off           whether results have a line with the names of their columns"""
    session.headers = switch(words, 'headers')


def cmd_timer(session, words):
    """.timer on|off             whether the time of each statement is shown"""
    session.timer = switch(words, 'timer')


def cmd_nullvalue(session, words):
    """.nullvalue TEXT           the text for NULL"""
    session.null = words[0] if words else ''


def cmd_output(session, words):
    """.output ?FILE?            writes results to a file; without one, here again"""
    if session.out is not sys.stdout:
        session.out.close()
    session.out = sys.stdout
    if words and words[0] != 'stdout':
        session.out = open(words[0], 'w', encoding='utf-8')


def cmd_print(session, words):
    """.print TEXT               writes a text"""
    session.write(' '.join(words) + '\n')


def cmd_shell(session, words):
    """.shell COMMAND            runs a command of the system's shell"""
    sys.stdout.flush()
    subprocess.call(words[0], shell=True)


def cmd_exit(session, words):
    """.exit ?CODE?              ends the cell with an exit code"""
    raise Leave(int(words[0]) if words and words[0].lstrip('-').isdigit() else 0)


def cmd_help(session, words):
    """.help                     this list"""
    for name in sorted(COMMANDS):
        session.write(COMMANDS[name].__doc__ + '\n')


COMMANDS = {name[4:]: value for name, value in list(globals().items()) if name.startswith('cmd_')}
SYNONYMS = {'quit': 'exit', 'system': 'shell', 'indices': 'indexes', 'header': 'headers'}


def command(session, line):
    name, _, rest = line.strip()[1:].partition(' ')
    name = SYNONYMS.get(name, name)
    known = [name] if name in COMMANDS else [full for full in COMMANDS if name and full.startswith(name)]
    if len(known) != 1:
        raise Failure('there is no command .%s; .help lists them' % name)
    try:
        words = [rest] if known[0] == 'shell' else shlex.split(rest)
    except ValueError as error:
        raise Failure('%s: %s' % (line.strip(), error))
    COMMANDS[known[0]](session, words)


def read_file(path):
    try:
        with open(os.path.expanduser(path), encoding='utf-8-sig') as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure('%s: %s' % (path, getattr(error, 'strerror', None) or error))


# --- cells --------------------------------------------------------------------------------------------------------------

def statements(text):
    """The commands and statements of a cell, with the number of the line on which each begins."""
    pending, begins = '', 1
    for number, line in enumerate(text.split('\n'), 1):
        if is_blank(pending):
            pending, begins = '', number
            if line.startswith('.'):
                yield number, line
                continue
        rest = line + '\n'
        while ';' in rest:
            before, rest = rest.split(';', 1)
            pending += before + ';'
            if sqlite3.complete_statement(pending):
                yield begins, pending
                pending, begins = '', number
        pending += rest
    yield begins, pending


def is_blank(text):
    return not re.sub(r'--[^\n]*|/\*.*?(\*/|\Z)', '', text, flags=re.S).strip(' \t\r\n;')


def run(session, text):
    for number, statement in statements(text):
        if session.stop:
            raise Interrupted
        started = time.monotonic()
        if statement.startswith('.'):
            command(session, statement)
        elif not is_blank(statement):
            try:
                query(session, statement)
            except (sqlite3.Error, sqlite3.Warning) as error:
                if session.stop:
                    raise Interrupted
                where = 'line %d: ' % number if '\n' in text.strip() else ''
                raise Failure('%s%s' % (where, error))
            if session.timer:
                session.write('Run Time: %.3f s\n' % (time.monotonic() - started))
        session.out.flush()


def query(session, statement):
    cursor = session.connection.execute(statement)
    names = [column[0] for column in cursor.description or ()]
    first = cursor.fetchone() if names else None
    if first is not None:
        MODES[session.mode](session, names, itertools.chain([first], cursor))


def run_cell(session, text):
    """Runs a cell and returns its exit code."""
    code = 1
    try:
        run(session, text)
        code = 0
    except Leave as leave:
        code = leave.args[0]
    except Interrupted:
        complain('Interrupted')
    except Exception as failure:
        complain('Error: %s' % failure)
    session.out.flush()
    sys.stdout.flush()
    return code


def complain(text):
    sys.stdout.flush()
    sync()
    sys.stderr.write(text + '\n')
    sys.stderr.flush()
    sync()


# --- completion ---------------------------------------------------------------------------------------------------------

WORDS = ('ABORT ADD AFTER ALL ALTER ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY CASCADE CASE CAST CHECK COLLATE '
         'COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP DATABASE DEFAULT DELETE DESC '
         'DETACH DISTINCT DROP EACH ELSE END ESCAPE EXCEPT EXISTS EXPLAIN FOR FOREIGN FROM FULL GLOB GROUP HAVING IF IGNORE IN INDEX '
         'INNER INSERT INTERSECT INTO IS JOIN KEY LEFT LIKE LIMIT NATURAL NOT NULL OFFSET ON OR ORDER OUTER OVER PARTITION PLAN PRAGMA '
         'PRIMARY QUERY RECURSIVE REFERENCES REINDEX RELEASE RENAME REPLACE RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET '
         'TABLE TEMP THEN TO TRANSACTION TRIGGER UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHOUT '
         'INTEGER REAL TEXT BLOB').split()
FUNCTIONS = ('abs avg changes char coalesce count date datetime dense_rank first_value format glob group_concat hex ifnull iif instr '
             'json json_array json_each json_extract json_object julianday lag last_insert_rowid last_value lead length like lower '
             'ltrim max min ntile nullif printf quote random rank replace round row_number rtrim sqlite_version strftime substr sum '
             'time total trim typeof unicode upper').split()


def suggestions(session, code):
    """The start of the last word of the code, and its completions."""
    before, line = code.rpartition('\n')[::2]
    if line.startswith('.') and re.fullmatch(r'\.\w*', line):
        return len(code) - len(line), ['.' + name for name in sorted(list(COMMANDS) + list(SYNONYMS)) if name.startswith(line[1:])]
    word = re.search(r'(?:(\w+)\.)?(\w*)\Z', code)
    table, prefix = word.groups()
    start = len(code) - len(prefix)
    begins = lambda names: [name for name in names if name.lower().startswith(prefix.lower())]
    names = session.names
    if table is not None:
        known = {name.lower(): columns for name, columns in names.items()}
        # The name of a table, or one that the statement gives to a table, as in FROM orders AS o.
        aliases = re.findall(r'\b(\w+)(?:\s+AS)?\s+%s\b' % re.escape(table), code, re.I)
        columns = next((known[name.lower()] for name in [table] + aliases if name.lower() in known), [])
        return start, begins(columns)
    columns = sorted({column for known in names.values() for column in known})
    if not prefix:
        return start, sorted(names) + columns
    words = [word.lower() if prefix.islower() else word for word in WORDS]
    found = begins(sorted(names)) + begins(columns) + begins(words) + begins(FUNCTIONS)
    return start, list(dict.fromkeys(found))


# --- messages -----------------------------------------------------------------------------------------------------------

PIECE = 4000
numbers = {'last': 0}
taken = threading.Condition()
acknowledged = {'last': 0}
speaking = threading.Lock()


def send(pipe, message):
    payload = json.dumps(message).encode('ascii')
    with speaking:
        numbers['last'] += 1
        number = numbers['last']
        for start in range(0, len(payload), PIECE):
            piece = payload[start:start + PIECE]
            last = start + PIECE >= len(payload)
            os.write(pipe, number.to_bytes(4, 'little') + len(piece).to_bytes(2, 'little') + bytes([last]) + piece)
    return number


def sync():
    """Returns when the runner has read all output so far."""
    if PIPES is None:
        return
    number = send(PIPES[1], {'say': 'sync'})
    with taken:
        while acknowledged['last'] < number:
            taken.wait()


def listen(session, cells):
    for line in io.open(PIPES[0], encoding='utf-8', newline='\n'):
        message = json.loads(line)
        what = message['do']
        if what == 'ack':
            with taken:
                acknowledged['last'] = max(acknowledged['last'], message['id'])
                taken.notify_all()
        elif what == 'run':
            cells.put(message)
        elif what == 'complete':
            try:
                start, found = suggestions(session, message['code'])
            except Exception:
                start, found = None, []
            send(PIPES[2], {'say': 'completions', 'id': message['id'], 'start': start, 'suggestions': found[:1000]})
        elif what == 'bye':
            cells.put(None)
        elif what == 'wake':
            # The main thread may be in a query, where it does not notice the signal.
            session.connection.interrupt()
    # The runner has ended, and so does everything that it started.
    os.killpg(0, signal.SIGKILL)


def serve():
    session = Session()
    cells = queue.Queue()

    def interrupted(number, frame):
        session.stop = True

    signal.signal(signal.SIGINT, interrupted)
    threading.Thread(target=listen, args=(session, cells), daemon=True).start()
    send(PIPES[1], {'say': 'ready'})
    for cell in iter(cells.get, None):
        session.stop = False
        send(PIPES[2], {'say': 'started', 'id': cell['id']})
        code = run_cell(session, cell['code'])
        session.stop = False
        session.remember()
        send(PIPES[1], {'say': 'done', 'id': cell['id'], 'code': code})


def execute(path):
    """Runs a file as a program."""
    session = Session()
    try:
        text = read_file(path)
    except Failure as failure:
        sys.exit('Error: %s' % failure)
    sys.exit(run_cell(session, text))


sys.stdout = os.fdopen(1, 'w', 1 << 16, encoding='utf-8', errors='replace', newline='\n', closefd=False)
if PIPES is None:
    execute(sys.argv[1])
else:
    serve()
