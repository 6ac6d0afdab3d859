// The driver of Node.js; crates/bai-runner/src/wire.rs describes the messages. There are two threads. This one, the main
// thread, only runs cells, so that they see an ordinary Node.js. The other one, `aside`, talks to the runner. It completes
// names and stops cells even while this one is busy, as a debugger would.
//
// Cells are evaluated as in the console of a browser: names can be declared again, `await` works at the top level, and
// the cell has a value.
(function main(pipes, require) {
    'use strict';
    const fs = require('fs');
    const util = require('util');
    const inspector = require('inspector');
    const { Worker, MessageChannel } = require('worker_threads');
    const { Readable } = require('stream');
    const { createRequire, builtinModules } = require('module');

    const [CONTROL_IN, CONTROL_OUT, ASIDE_OUT] = pipes;
    const PIECE = 4096 - 7;
    // Memory that the two threads share: [0] the last message whose output the runner has read, [1] the SIGINTs that this
    // thread has noticed, [2] the length of the answer for which this thread waits, or a code; and the answer.
    const shared = new Int32Array(new SharedArrayBuffer(16));
    const answer = new Uint8Array(new SharedArrayBuffer(1 << 16));
    const TAKEN = 0, NOTICED = 1, ANSWER = 2;
    const NOT_YET = -1, NEVER = -2, NOBODY_ASKS = -3;
    Atomics.store(shared, ANSWER, NOBODY_ASKS);
    const { port1: port, port2: portOfAside } = new MessageChannel();
    const { wait: waitFor } = Atomics;
    const load = Atomics.load, add = Atomics.add;
    const store = Atomics.store;
    const writeSync = fs.writeSync;
    const inspect = util.inspect;

    // --- messages -------------------------------------------------------------------------------------------------

    let number = 0;
    function send(message) {
        const payload = Buffer.from(JSON.stringify(message));
        // The other thread numbers its own messages; these are odd.
        number = (number + 2) % 0x7fffffff | 1;
        for (let start = 0; start < payload.length; start += PIECE) {
            const piece = payload.subarray(start, start + PIECE);
            const header = Buffer.alloc(7);
            header.writeUInt32LE(number, 0);
            header.writeUInt16LE(piece.length, 4);
            header[6] = start + PIECE >= payload.length ? 1 : 0;
            writeAll(CONTROL_OUT, Buffer.concat([header, piece]));
        }
    }

    function writeAll(fd, bytes) {
        while (bytes.length) {
            try {
                bytes = bytes.subarray(writeSync(fd, bytes));
            } catch (error) {
                if (error.code !== 'EAGAIN') throw error;
            }
        }
    }

    // Returns when the runner has read all earlier output.
    function say(message) {
        send(message);
        for (let taken; (taken = load(shared, TAKEN)) !== number;) waitFor(shared, TAKEN, taken);
    }

    // --- standard streams -----------------------------------------------------------------------------------------

    // Two pipes have no common order, so a change from one to the other waits until the first has been read.
    let last = 1;
    function order(stream, fd) {
        const write = stream._write, writev = stream._writev;
        const settle = () => {
            if (last !== fd) {
                last = fd;
                say({ say: 'sync' });
            }
        };
        stream._write = function (chunk, encoding, done) {
            settle();
            return write.call(this, chunk, encoding, done);
        };
        if (writev) {
            stream._writev = function (chunks, done) {
                settle();
                return writev.call(this, chunks, done);
            };
        }
    }

    // The window in which a person sees the output. The methods of a terminal are those that write escape sequences.
    const tty = require('tty');
    const ours = {};
    function setWindow({ columns, rows, variables }) {
        for (const [name, value] of Object.entries(variables)) {
            const now = process.env[name];
            if (now !== undefined && now !== 'dumb' && now !== ours[name]) continue;
            ours[name] = value;
            if (value === null) delete process.env[name];
            else process.env[name] = value;
        }
        for (const stream of [process.stdout, process.stderr]) {
            const before = stream.columns + 'x' + stream.rows;
            for (const [name, value] of Object.entries({ columns, rows, isTTY: columns === null ? null : true })) {
                if (value === null) delete stream[name];
                else stream[name] = value;
            }
            for (const name of ['clearLine', 'clearScreenDown', 'cursorTo', 'moveCursor', 'getWindowSize', 'getColorDepth', 'hasColors']) {
                if (columns === null) delete stream[name];
                else stream[name] = tty.WriteStream.prototype[name];
            }
            if (columns !== null && before !== columns + 'x' + rows) stream.emit('resize');
        }
    }

    function complain(text) {
        process.stderr.write(text.endsWith('\n') ? text : text + '\n');
    }

    // The user's input, which is requested when code reads it.
    class StandardInput extends Readable {
        constructor() {
            super({ read: () => this.ask() });
            this.fd = 0;
            this.waits = false;
        }

        ask() {
            if (!this.waits) {
                this.waits = true;
                setImmediate(() => this.waits && current && send({ say: 'ask', password: false }));
            }
        }

        answer(text) {
            if (this.waits) {
                this.waits = false;
                this.push(text === '\u0004' ? null : text + '\n');
            }
        }

        ref() { return this; }
        unref() { return this; }
        setRawMode() { return this; }
    }

    let stdin = new StandardInput();
    Object.defineProperty(process, 'stdin', {
        configurable: true,
        enumerable: true,
        get() {
            if (stdin.destroyed || stdin.readableEnded) stdin = new StandardInput();
            return stdin;
        },
    });

    // Reads a line synchronously: the other thread brings it. A wait for memory ends when a cell is stopped; a wait for a pipe would not.
    function readLine(password) {
        store(shared, ANSWER, NOT_YET);
        try {
            say({ say: 'ask', password });
            let length;
            while ((length = load(shared, ANSWER)) === NOT_YET) waitFor(shared, ANSWER, NOT_YET);
            return length === NEVER ? null : Buffer.from(answer.subarray(0, length)).toString('utf8');
        } finally {
            store(shared, ANSWER, NOBODY_ASKS);
            answer.fill(0);
        }
    }

    function prompt(question = '', fallback = null) {
        if (question !== '') process.stdout.write(String(question) + (/\s$/.test(question) ? '' : ' '));
        const line = readLine(false);
        return line === '' && fallback !== null ? fallback : line;
    }
    prompt.password = function (question = 'Password: ') {
        process.stdout.write(String(question));
        return readLine(true);
    };

    // --- the namespace of cells -----------------------------------------------------------------------------------

    const hidden = (name, value) => Object.defineProperty(globalThis, name, {
        value, writable: true, configurable: true, enumerable: false,
    });
    const requireHere = createRequire(process.cwd() + '/cell.js');
    hidden('require', requireHere);
    hidden('module', { exports: {}, id: '<cell>', paths: requireHere.resolve.paths('x') || [] });
    hidden('exports', globalThis.module.exports);
    hidden('prompt', prompt);
    hidden('_', undefined);
    for (const name of builtinModules) {
        if (/^[a-z]\w*$/.test(name) && !(name in globalThis)) {
            Object.defineProperty(globalThis, name, {
                configurable: true,
                enumerable: false,
                get: () => requireHere(name),
                set: (value) => Object.defineProperty(globalThis, name, {
                    value, writable: true, configurable: true, enumerable: true,
                }),
            });
        }
    }
    const { pathToFileURL } = require('url');
    const isPath = (name) => /^(\.{0,2}\/|file:)/.test(name);
    hidden('_bai_import', (name, options) => {
        let target = String(name);
        if (isPath(target)) {
            target = target.startsWith('file:') ? target : pathToFileURL(require('path').resolve(target)).href;
        } else if (!target.startsWith('node:') && !builtinModules.includes(target)) {
            // A package is searched from the session's folder. If only `import` finds it, the name is used unchanged.
            try {
                target = pathToFileURL(requireHere.resolve(target)).href;
            } catch {}
        }
        return import(target, options);
    });

    class Exit {
        constructor(code) { this.code = code; }
    }
    const { reallyExit } = process;
    process.exit = (code) => {
        if (code === undefined) code = process.exitCode === undefined ? 0 : process.exitCode;
        throw new Exit(Number(code) | 0);
    };

    // Ends the process normally, as without further work.
    function leave() {
        try {
            process.emit('exit', 0);
        } finally {
            // Else Node says that it waits for a debugger.
            session.disconnect();
            reallyExit(0);
        }
    }
    process.argv = [process.argv[0], ''];
    process.execArgv = [];

    // --- source text ----------------------------------------------------------------------------------------------

    // Calls action(code, start) for every piece of code outside of strings, comments, templates and regular expressions.
    function mapCode(source, action) {
        let out = '', from = 0, at = 0, before = '';
        const depth = [];
        const skip = (end) => {
            out += action(source.slice(from, at)) + source.slice(at, end);
            at = from = end;
        };
        while (at < source.length) {
            const c = source[at], two = source.slice(at, at + 2);
            if (two === '//') {
                const end = source.indexOf('\n', at);
                skip(end < 0 ? source.length : end);
            } else if (two === '/*') {
                const end = source.indexOf('*/', at + 2);
                skip(end < 0 ? source.length : end + 2);
            } else if (c === '"' || c === "'") {
                let end = at + 1;
                while (end < source.length && source[end] !== c && source[end] !== '\n') end += source[end] === '\\' ? 2 : 1;
                skip(Math.min(end + 1, source.length));
                before = 'x';
            } else if (c === '`' || (c === '}' && depth.length && depth[depth.length - 1] === 0)) {
                if (c === '}') depth.pop();
                let end = at + 1;
                while (end < source.length && source[end] !== '`' && source.slice(end, end + 2) !== '${') {
                    end += source[end] === '\\' ? 2 : 1;
                }
                if (source[end] === '$') depth.push(0);
                skip(Math.min(end + (source[end] === '$' ? 2 : 1), source.length));
                before = 'x';
            } else if (c === '/' && /(^|[(,=:[!&|?{};+\-*%~^<>\n]|\b(return|typeof|case|in|of|delete|void|await))\s*$/.test(before)) {
                let end = at + 1, inClass = false;
                while (end < source.length && source[end] !== '\n' && (inClass || source[end] !== '/')) {
                    if (source[end] === '[') inClass = true;
                    if (source[end] === ']') inClass = false;
                    end += source[end] === '\\' ? 2 : 1;
                }
                skip(Math.min(end + 1, source.length));
                before = 'x';
            } else {
                if (depth.length && c === '{') depth[depth.length - 1]++;
                if (depth.length && c === '}') depth[depth.length - 1]--;
                before = (before + c).slice(-12);
                at++;
            }
        }
        return out + action(source.slice(from));
    }

    // `import` statements and calls become calls of the driver, because the evaluator supports neither.
    function translate(source) {
        if (!source.includes('import')) return source;
        const statement = /^([ \t]*)import\s+(?:([\w$*{},\s]+?)\s+from\s+)?(['"])([^'"\n]+)\3[ \t]*;?/gm;
        source = source.replace(statement, (whole, space, names, quote, module) => {
            const call = `await _bai_import(${JSON.stringify(module)})`;
            if (!names) return `${space}${call}, undefined;`;
            const targets = [];
            const named = names.match(/\{([^}]*)\}/);
            const rest = names.replace(/\{[^}]*\}/, '').split(',').map((part) => part.trim()).filter(Boolean);
            const star = rest.find((part) => part.startsWith('*'));
            const plain = rest.find((part) => !part.startsWith('*'));
            if (plain) targets.push(`default: ${plain}`);
            if (named) targets.push(...named[1].split(',').map((part) => part.trim().replace(/\s+as\s+/, ': ')).filter(Boolean));
            const all = star && star.replace(/^\*\s*as\s+/, '');
            if (all && plain) return `${space}const ${all} = ${call}, {default: ${plain}} = ${all};`;
            if (all) return `${space}const ${all} = ${call};`;
            return `${space}const {${targets.join(', ')}} = ${call};`;
        });
        return mapCode(source, (code) => code.replace(/(^|[^.\w$])import(\s*\()/g, '$1_bai_import$2'));
    }

    // --- cells ----------------------------------------------------------------------------------------------------

    const session = new inspector.Session();
    session.connect();
    let current = null, cells = 0;

    const isObject = (text) => /^\s*\{/.test(text) && !/;\s*$/.test(text);

    function evaluate(expression, done) {
        session.post('Runtime.evaluate', {
            expression, replMode: true, awaitPromise: true, objectGroup: 'cell', includeCommandLineAPI: false,
        }, done);
    }

    function run(id, source, shows) {
        const cell = current = { id, shows, over: false };
        cells++;
        const name = `\n//# sourceURL=<cell-${cells}>`;
        const text = translate(source);
        const answer = (error, result) => finish(cell, error, result);
        if (!isObject(text)) return evaluate(text + name, answer);
        // A cell that could be an object is an object. If that is invalid, it is a block.
        evaluate(`(${text}\n)${name}`, (error, result) => {
            const failed = result && result.exceptionDetails && result.exceptionDetails.exception;
            if (failed && failed.className === 'SyntaxError') return evaluate(text + name, answer);
            answer(error, result);
        });
    }

    // The real values for the inspector's descriptions.
    let taken;
    hidden('_bai_take', (value) => { taken = value; });
    function valueOf(remote, done) {
        if (!remote.objectId) {
            if (remote.unserializableValue === undefined) return done(remote.value);
            return done((0, eval)(remote.unserializableValue));
        }
        session.post('Runtime.callFunctionOn', {
            functionDeclaration: 'function () { _bai_take(this) }', objectId: remote.objectId, silent: true,
        }, () => {
            const value = taken;
            taken = undefined;
            // A symbol arrives in its wrapper.
            done(remote.type === 'symbol' ? value.valueOf() : value);
        });
    }

    function finish(cell, error, result) {
        if (cell.over) return;
        if (error || !result) return interrupted(cell);
        const failure = result.exceptionDetails;
        if (failure) {
            // A rejected promise is reported as one.
            return valueOf(failure.exception || result.result, (value) => fail(cell, value));
        }
        valueOf(result.result, (value) => {
            try {
                if (cell.shows) show(value);
            } catch (problem) {
                return fail(cell, problem);
            }
            end(cell, process.exitCode === undefined ? 0 : Number(process.exitCode) | 0);
        });
    }

    function show(value) {
        if (value === undefined) return;
        globalThis._ = value;
        process.stdout.write(inspect(value, { colors: false, depth: 4, maxArrayLength: 100 }) + '\n');
    }

    function describe(value) {
        if (!util.types.isNativeError(value)) return 'Uncaught ' + inspect(value);
        // The driver's own frames do not help the user.
        let ours = false;
        const lines = inspect(value).split('\n').filter((line) => {
            const frame = /^ {4}at /.test(line);
            if (frame && /<cell-\d+>/.test(line)) ours = false;
            else if (frame && /bai-repl driver|node:inspector|\(native\)|<anonymous>:\d+:\d+\)?$/.test(line)) ours = true;
            return !(frame && ours);
        });
        return lines.join('\n');
    }

    function fail(cell, value) {
        if (cell.over) return;
        if (value instanceof Exit) return end(cell, value.code);
        globalThis._error = value;
        try {
            complain(describe(value));
        } catch {
            complain('Uncaught exception that cannot be shown');
        }
        end(cell, 1);
    }

    function interrupted(cell) {
        if (cell.over) return;
        complain('Interrupted');
        end(cell, 1);
    }

    function end(cell, code) {
        if (cell.over) return;
        cell.over = true;
        process.exitCode = undefined;
        // A reader that still waits has waited for this cell's input.
        if (stdin.waits) stdin = new StandardInput();
        if (current === cell) current = null;
        session.post('Runtime.releaseObjectGroup', { objectGroup: 'cell' }, () => {});
        // Streams on pipes are written at once; queued output goes first.
        process.stdout.write('', () => process.stderr.write('', () => send({ say: 'done', id: cell.id, code })));
    }

    process.on('uncaughtException', (error) => {
        if (error instanceof Exit) return current ? end(current, error.code) : undefined;
        complain(describe(error));
    });
    process.on('unhandledRejection', (error) => {
        if (error instanceof Exit) return current ? end(current, error.code) : undefined;
        complain(describe(error));
    });

    // The signal itself. This thread abandons a cell that waits; the other thread stops one that computes.
    const noticed = () => {
        add(shared, NOTICED, 1);
        // A listener of the user for the signal decides what happens.
        if (current && process.listenerCount('SIGINT') === 1) interrupted(current);
    };
    process.on('SIGINT', noticed);

    port.on('message', (message) => {
        if (message.do === 'run') run(message.id, message.code, !message.script);
        else if (message.do === 'input') stdin.answer(message.text);
        else if (message.do === 'window') setWindow(message);
        else if (message.do === 'bye') leave();
        // The cell was stopped and has not reported it, because it had waited before.
        else if (message.do === 'stopped' && current && current.id === message.id) interrupted(current);
    });

    order(process.stdout, 1);
    order(process.stderr, 2);
    const aside = new Worker(`(${asideMain.toString()})()`, {
        eval: true,
        stdin: false,
        workerData: { pipes, shared, answer, port: portOfAside },
        transferList: [portOfAside],
        execArgv: [],
    });
    aside.on('error', (error) => {
        complain('bai-repl driver: ' + error.stack);
        reallyExit(70);
    });

    // --- the other thread -----------------------------------------------------------------------------------------

    function asideMain() {
        const fs = require('fs');
        const inspector = require('inspector');
        const { workerData } = require('worker_threads');
        const { pipes: [CONTROL_IN, CONTROL_OUT, ASIDE_OUT], shared, answer, port } = workerData;
        const TAKEN = 0, NOTICED = 1, ANSWER = 2, PIECE = 4096 - 7;
        const NOT_YET = -1, NEVER = -2;
        // A main thread that has not noticed a signal after this many milliseconds is computing.
        const COMPUTES_AFTER = 60;
        const session = new inspector.Session();
        session.connectToMainThread();
        const post = (method, parameters) => new Promise((done) => {
            session.post(method, parameters, (error, result) => done(error ? {} : result));
        });

        let number = 0;
        function send(pipe, message) {
            const payload = Buffer.from(JSON.stringify(message));
            number = (number + 2) % 0x7fffffff & ~1;
            for (let start = 0; start < payload.length; start += PIECE) {
                const piece = payload.subarray(start, start + PIECE);
                const header = Buffer.alloc(7);
                header.writeUInt32LE(number, 0);
                header.writeUInt16LE(piece.length, 4);
                header[6] = start + PIECE >= payload.length ? 1 : 0;
                fs.writeSync(pipe, Buffer.concat([header, piece]));
            }
        }

        let cell = null;

        let lastNoticed = 0;

        async function interrupt() {
            const wanted = cell, before = lastNoticed;
            const deadline = Date.now() + COMPUTES_AFTER;
            while (Atomics.load(shared, NOTICED) === before) {
                if (cell !== wanted) return;
                if (Date.now() > deadline) {
                    await post('Runtime.terminateExecution', {});
                    port.postMessage({ do: 'stopped', id: wanted });
                    return;
                }
                await new Promise((done) => setTimeout(done, 2));
            }
            lastNoticed = Atomics.load(shared, NOTICED);
        }

        // To the synchronous reader, if there is one, else to the listeners.
        function input(message) {
            if (Atomics.load(shared, ANSWER) !== NOT_YET) return port.postMessage(message);
            const bytes = Buffer.from(message.text).subarray(0, answer.length);
            answer.set(bytes);
            Atomics.store(shared, ANSWER, message.text === '\u0004' ? NEVER : bytes.length);
            Atomics.notify(shared, ANSWER);
        }

        const PATH = /((?:[\p{L}_$][\p{L}\p{N}_$]*|\]|\))?(?:\??\.[\p{L}_$][\p{L}\p{N}_$]*)*\??\.)?([\p{L}_$][\p{L}\p{N}_$]*)?$/u;
        const IDENTIFIER = /^[\p{L}_$][\p{L}\p{N}_$]*$/u;
        const WORDS = 'async await break case catch class const continue debugger default delete do else export extends false ' +
            'finally for function if import in instanceof let new null of return static super switch this throw true try ' +
            'typeof undefined var void while with yield';

        async function suggest(code) {
            const [, path = '', prefix = ''] = PATH.exec(code) || [];
            let names = [];
            const module = /\b(?:require|import)\s*\(\s*['"]([^'"]*)$|\bfrom\s+['"]([^'"]*)$/.exec(code);
            if (module) {
                const typed = module[1] === undefined ? module[2] : module[1];
                names = require('module').builtinModules.filter((name) => !name.startsWith('_') && name.startsWith(typed));
                return { start: [...code].length - [...typed].length, names };
            }
            const quick = { throwOnSideEffect: true, timeout: 300, silent: true, objectGroup: 'completion' };
            if (path) {
                const expression = path.replace(/\??\.$/, '');
                if (!expression || /[\])]$/.test(expression)) return { start: null, names };
                // Not as a cell, whose answer would wait until the main thread is idle.
                const { result } = await post('Runtime.evaluate', { expression: `(${expression})`, ...quick });
                if (!result || result.subtype === 'error' && !/error/i.test(expression)) return { start: null, names };
                names = await members(result, quick);
            } else {
                if (!prefix) return { start: null, names };
                const { names: lexical = [] } = await post('Runtime.globalLexicalScopeNames', {});
                const { result } = await post('Runtime.evaluate', { expression: 'globalThis', ...quick });
                names = [...lexical, ...await members(result || {}, quick), ...WORDS.split(' ')];
            }
            await post('Runtime.releaseObjectGroup', { objectGroup: 'completion' });
            names = [...new Set(names)].filter((name) => name.startsWith(prefix) && IDENTIFIER.test(name) && !name.startsWith('_bai_'));
            // The object's own names come before inherited ones; names with an underscore come last.
            names.sort((a, b) => a.startsWith('_') - b.startsWith('_'));
            return { start: [...code].length - [...prefix].length, names: names.slice(0, 1000) };
        }

        async function members(remote, quick) {
            let object = remote.objectId;
            if (!object) {
                const kinds = { string: 'String', number: 'Number', boolean: 'Boolean', bigint: 'BigInt', symbol: 'Symbol' };
                const kind = kinds[remote.type];
                if (!kind) return [];
                const { result } = await post('Runtime.evaluate', { expression: `${kind}.prototype`, ...quick });
                object = result && result.objectId;
            }
            if (!object) return [];
            const { result = [] } = await post('Runtime.getProperties', { objectId: object, ownProperties: false });
            return result.map((property) => property.name);
        }

        async function complete(id, code) {
            let answer = { start: null, names: [] };
            try {
                answer = await suggest(code);
            } catch {}
            send(ASIDE_OUT, { say: 'completions', id, start: answer.start, suggestions: answer.names });
        }

        function handle(message) {
            switch (message.do) {
                case 'ack':
                    // Messages of the main thread have odd numbers.
                    if (message.id & 1) {
                        Atomics.store(shared, TAKEN, message.id);
                        Atomics.notify(shared, TAKEN);
                    }
                    break;
                case 'run':
                    cell = message.id;
                    lastNoticed = Atomics.load(shared, NOTICED);
                    port.postMessage(message);
                    send(ASIDE_OUT, { say: 'started', id: message.id });
                    break;
                case 'bye':
                    session.disconnect();
                    port.postMessage(message);
                    break;
                case 'window':
                    port.postMessage(message);
                    break;
                case 'input':
                    input(message);
                    break;
                case 'wake':
                    interrupt();
                    break;
                case 'complete':
                    complete(message.id, message.code);
                    break;
            }
        }

        let text = '';
        const decoder = new (require('string_decoder').StringDecoder)('utf8');
        const stream = fs.createReadStream(null, { fd: CONTROL_IN, autoClose: false });
        stream.on('data', (chunk) => {
            text += decoder.write(chunk);
            const lines = text.split('\n');
            text = lines.pop();
            for (const line of lines) handle(JSON.parse(line));
        });
        // The runner has ended, and so does everything that it started.
        stream.on('end', () => process.kill(0, 'SIGKILL'));
        send(CONTROL_OUT, { say: 'ready' });
    }
})
//# sourceURL=bai-repl driver
