-- The driver of Lua, of 5.1 and later; crates/bai-runner/src/wire.rs describes the messages. Lua has one thread and no
-- signals, so the driver reads messages between cells and while it waits for the runner.
--
-- Lua's own program raises an error at the first SIGINT while it runs an argument `-e`, and the second one kills it. So
-- it is started with many such arguments, each of which calls the function that this file returns. After an interrupted
-- cell the function returns, and in the next argument SIGINT raises an error again.
--
-- `local` variables live on: a cell ends with a closure over those of its outermost scope, and the next cell is compiled as
-- a function whose free variables are joined with that closure's. So functions of all cells share them.

local control, report, aside = ...
report = assert(io.open('/dev/fd/' .. report, 'wb'))
aside = assert(io.open('/dev/fd/' .. aside, 'wb'))
report:setvbuf('full', 8192)
aside:setvbuf('full', 8192)
io.stdout:setvbuf('line')
io.stdin:setvbuf('line')

-- Functions that cells may replace.
local pcall, xpcall, error, tostring, type, select, pairs, print = pcall, xpcall, error, tostring, type, select, pairs, print
local load, unpack = loadstring or load, table.unpack or unpack
local concat, floor, sort = table.concat, math.floor, table.sort
local stdout, stderr, stdin = io.stdout, io.stderr, io.stdin
local debug, execute, popen = debug, os.execute, io.popen
local globals = _G

local suggest, explain
local cells, sources, kept = 0, {}, {}
local interrupted, secret = false, false

-- ---- messages

local number = 0

-- Sends a message, in frames that are written in one piece.
local function send(pipe, payload)
    number = (number + 1) % 0x40000000
    local start = 1
    repeat
        local piece = payload:sub(start, start + 3999)
        start = start + 4000
        pipe:write(string.char(number % 256, floor(number / 256) % 256, floor(number / 65536) % 256, floor(number / 16777216),
            #piece % 256, floor(#piece / 256), start > #payload and 1 or 0), piece)
        pipe:flush()
    until start > #payload
    return number
end

local function unescape(text)
    return (text:gsub('\\(.)', function(c) return c == 'n' and '\n' or c == 'r' and '\r' or c end))
end

local function quote(text)
    return '"' .. text:gsub('[%c"\\]', function(c) return ('\\u%04x'):format(c:byte()) end) .. '"'
end

-- The number of code points in a text.
local function length(text)
    return select(2, text:gsub('[^\128-\191]', ''))
end

local function complete(id, code)
    local ok, prefix, names = pcall(suggest, code)
    local start, list = 'null', {}
    if ok and prefix then
        start = length(code) - length(prefix)
        for _, name in ipairs(names) do
            if #list < 1000 and name:sub(1, #prefix) == prefix and not name:find('^_bai_') then list[#list + 1] = quote(name) end
        end
    end
    send(aside, ('{"say":"completions","id":%s,"start":%s,"suggestions":[%s]}'):format(id, start, concat(list, ',')))
end

-- Returns when the runner has read all earlier output.
local function say(payload)
    stdout:flush()
    local ack = 'ack ' .. send(report, payload)
    repeat
        local line = control:read('*l')
        local id, text = (line or ''):match('^complete (%d+) ?(.*)')
        if id then complete(id, unescape(text)) end
    until line == ack or not line
end

-- ---- standard streams

-- Two pipes have no common order, so a write to standard error waits before and after until the runner has read the output.
local methods = getmetatable(stdout).__index
local write, read = methods.write, methods.read

local function complain(text)
    say('{"say":"sync"}')
    write(stderr, text)
    say('{"say":"sync"}')
end

function methods.write(file, ...)
    if file ~= stderr then return write(file, ...) end
    say('{"say":"sync"}')
    write(file, ...)
    say('{"say":"sync"}')
    return file
end

local function about_to_read(file)
    if file ~= stdin then return end
    stdout:flush()
    if secret then say('{"say":"ask","password":true,"stdin":true}') end
end

function methods.read(file, ...)
    about_to_read(file)
    return read(file, ...)
end

function io.read(...)
    return io.input():read(...)
end

-- There is no terminal, so there is no echo to turn off.
local function is_stty(command)
    local sign = type(command) == 'string' and command:match('^%s*stty%f[%s].-(%-?)echo%f[^%w]')
    if sign then secret = sign == '-' end
    return sign or type(command) == 'string' and command:find('^%s*stty%s') ~= nil
end

function os.execute(command)
    stdout:flush()
    if command == nil then return execute() end
    if is_stty(command) then return true, 'exit', 0 end
    local ok, how, code = execute(command)
    -- Lua does not notice the signal that has ended its child.
    local killed = how == 'signal' and code == 2 or how == 'exit' and code == 130 or type(ok) == 'number' and ok % 128 == 2
    if killed then error('interrupted!', 2) end
    return ok, how, code
end

function io.popen(command, ...)
    stdout:flush()
    return popen(is_stty(command) and ':' or command, ...)
end

-- ---- functions that would change or end the interpreter

local Exit = {}
local exit = os.exit

function os.exit(code)
    error(setmetatable({ code = code == nil and 0 or code == true and 0 or code == false and 1 or code }, Exit), 0)
end

local function is_interrupt(problem)
    return type(problem) == 'string' and problem:find('interrupted!$') ~= nil
end

-- No code catches the error that ends a cell.
local function through(ok, problem, ...)
    if not ok and (is_interrupt(problem) or getmetatable(problem) == Exit) then error(problem, 0) end
    return ok, problem, ...
end

function globals.pcall(...) return through(pcall(...)) end
function globals.xpcall(...) return through(xpcall(...)) end

-- ---- source text

local blocks = { ['function'] = 1, ['do'] = 1, ['if'] = 1, ['repeat'] = 1, ['end'] = -1, ['until'] = -1 }

-- Scans a cell: the `local` names of its outermost scope in order, every word in it, and where that scope returns.
local function scan(code)
    local at, depth, names, words, returns = 1, 0, {}, {}, nil
    while true do
        at = code:find('%S', at)
        if not at then return names, words, returns end
        local level = code:match('^%-%-%[(=*)%[', at) or code:match('^%[(=*)%[', at)
        if level then
            at = (select(2, code:find(']' .. level .. ']', at, true)) or #code) + 1
        elseif code:find('^%-%-', at) then
            at = code:find('\n', at, true) or #code + 1
        elseif code:find('^["\']', at) then
            local sign, from = code:sub(at, at), at + 1
            repeat
                local stop = code:find('[\\\n' .. sign .. ']', from) or #code
                from = stop + (code:sub(stop, stop) == '\\' and 2 or 1)
            until from > #code or code:sub(stop, stop) ~= '\\'
            at = from
        elseif code:find('^[%a_]', at) then
            local word = code:match('^[%w_]+', at)
            words[word] = true
            at = at + #word
            depth = depth + (blocks[word] or 0)
            if word == 'return' and depth == 0 then returns = at - #word end
            if word == 'local' and depth == 0 then
                local name = code:match('^%s+function%s+([%a_][%w_]*)', at)
                if name then
                    names[#names + 1] = name
                else
                    local more = at
                    repeat
                        local found, mark, stop = code:match('^%s*([%a_][%w_]*)%s*<?%s*(%a*)%s*>?%s*()', more)
                        if code:match('^%s*[%a_][%w_]*%s*<', more) == nil then
                            found, stop = code:match('^%s*([%a_][%w_]*)%s*()', more)
                            mark = ''
                        end
                        if found and mark ~= 'close' then names[#names + 1] = found end
                        more = stop and code:match('^,()', stop)
                    until not more
                end
            end
        elseif code:find('^%.?%d', at) then
            at = at + #code:match('^[%w_.]+', at)
        else
            at = at + 1
        end
    end
end

-- The start of the expression at the end of a cell of statements, or nil.
local function last_expression(code, name)
    local line = #code
    for _ = 1, 50 do
        while line > 0 and code:sub(line, line) ~= '\n' and code:sub(line, line) ~= ';' do line = line - 1 end
        if line == 0 then return nil end
        if load(code:sub(1, line) .. ' return ' .. code:sub(line + 1), name) then return line + 1 end
        line = line - 1
    end
end

-- Joins the free variables of a cell with those of the cells before it.
local function join(cell)
    for at = 1, 255 do
        local name, value = debug.getupvalue(cell, at)
        if not name then return end
        local variable = kept[name]
        if variable and debug.upvaluejoin then
            debug.upvaluejoin(cell, at, variable.closure, variable.at)
        elseif variable then
            -- Lua 5.1 cannot join: functions of other cells keep a variable of their own.
            debug.setupvalue(cell, at, select(2, debug.getupvalue(variable.closure, variable.at)))
            kept[name] = { closure = cell, at = at }
        end
    end
end

local function box(value)
    return { closure = function() return value end, at = 1 }
end

-- Keeps the variables of the closure at the end of a cell. Their names are given, because a constant is not a variable of it.
local function keep(names, closure)
    local values = { closure() }
    for at, name in ipairs(names) do kept[name] = box(values[at]) end
    for at = 1, #names do
        local name = debug.getupvalue(closure, at)
        if name then kept[name] = { closure = closure, at = at } end
    end
end

-- The cell as a function, or nil and the error.
local function compile(code, name)
    local starts
    if load('return ' .. code, name) then
        starts = 1
    else
        local ok, problem = load(code, name)
        if not ok then
            starts = last_expression(code, name)
            if not starts then return nil, problem end
        end
    end
    local names, words, returns = scan(code)
    local used = { '_bai_keep', '_bai_all' }
    for word in pairs(words) do
        if kept[word] and #used < 190 then used[#used + 1] = word end
    end
    -- If a name was declared twice, the last one counts.
    local own, seen = {}, {}
    for at = #names, 1, -1 do
        if not seen[names[at]] then own[#own + 1] = names[at] end
        seen[names[at]] = true
    end
    local ending = {}
    for at = 1, #own, 50 do
        local some = { unpack(own, at, math.min(at + 49, #own)) }
        ending[#ending + 1] = ('_bai_keep({"%s"}, function() return %s end)'):format(concat(some, '","'), concat(some, ', '))
    end
    local split = starts or returns or #code + 1
    local before = code:sub(1, split - 1) .. (starts and '' or split > #code and '\n' or ' ') .. concat(ending, ' ') .. ' '
    local function make(rest)
        local head = 'local ' .. concat(used, ', ') .. ' = ... return function(...) '
        return load(head .. before .. rest .. '\nend', name)
    end
    -- As arguments, calls do not replace the frame of the cell that makes them, so traces show it.
    local maker = starts and make('return _bai_all(' .. code:sub(split):gsub('[;%s]+$', '') .. '\n)')
    local problem
    if not maker then
        maker, problem = make((starts and 'return ' or '') .. code:sub(split))
        if not maker then return nil, problem end
    end
    local cell = maker(keep, function(...) return ... end)
    join(cell)
    return cell, nil, own
end

-- ---- cells

-- The message and the place of an uncaught error, without the driver's frames. The cell's variables are kept.
local function handler(cell, own)
    return function(problem)
        if getmetatable(problem) == Exit then return problem end
        interrupted = interrupted or is_interrupt(problem)
        local wanted = {}
        for _, name in ipairs(own) do wanted[name] = true end
        for level = 2, 200 do
            local frame = debug.getinfo(level, 'f')
            if not frame then break end
            if frame.func == cell then
                for at = 1, 250 do
                    local name, value = debug.getlocal(level, at)
                    if not name then break end
                    if wanted[name] then kept[name] = box(value) end
                end
                break
            end
        end
        local text = problem
        local meta = getmetatable(problem)
        if type(meta) == 'table' and meta.__tostring then
            text = tostring(problem)
        elseif type(problem) ~= 'string' then
            text = type(problem) == 'number' and tostring(problem) or ('(error object is a %s value)'):format(type(problem))
        end
        local lines = {}
        for line in debug.traceback('', 2):gmatch('[^\n]+') do
            if line:find('^%s+%[C%]: in .-xpcall') then
                -- xpcall runs the cell; a tail call has replaced its frame.
                lines[#lines] = lines[#lines]:gsub(': in .*$', ': in main chunk'):gsub('%(%.%.%.tail calls%.%.%.%)', 'in main chunk')
                break
            end
            if not line:find('<bai-repl driver>', 1, true) then lines[#lines + 1] = line end
        end
        text = text:gsub('^<bai%-repl driver>:%d+: ', '')
        return (#lines > 2 or is_interrupt(problem)) and text .. '\n' .. concat(lines, '\n') or text
    end
end

local function results(ok, ...)
    return ok, select('#', ...), { ... }
end

local function evaluate(code, shows)
    cells = cells + 1
    local name = '=<cell ' .. cells .. '>'
    sources[name:sub(2)] = code
    -- `name?`, which is otherwise invalid.
    local asked = code:match('^%s*([%a_][%w_.:]*)%?%??%s*$')
    local cell, problem, own = compile(asked and ('_bai_doc("%s")'):format(asked) or code, name)
    if not cell then
        complain(problem .. '\n')
        return 1
    end
    local ok, count, values = results(xpcall(cell, handler(cell, own)))
    stdout:flush()
    problem = values[1]
    if not ok and getmetatable(problem) == Exit then
        local code = tonumber(problem.code) or 1
        -- Neither a fraction nor infinity is an exit code.
        return code % 1 == 0 and code % 256 or 1
    end
    if not ok then
        complain(tostring(problem) .. '\n')
        return 1
    end
    -- The value of io.write is not shown.
    if shows and count > 0 and not (count == 1 and values[1] == stdout) then print(unpack(values, 1, count)) end
    return 0
end

local function run(id, code, shows)
    local status = 1
    local ok = pcall(function()
        send(aside, ('{"say":"started","id":%s}'):format(id))
        status = evaluate(code, shows)
    end)
    interrupted = interrupted or not ok
    secret = false
    repeat
        ok = pcall(function()
            stdout:flush()
            send(report, ('{"say":"done","id":%s,"code":%d}'):format(id, status))
        end)
        interrupted = interrupted or not ok
    until ok
end

local function wait()
    local line, problem = control:read('*l')
    if not line and not problem then
        -- The runner has ended, and so does everything that it started.
        execute('kill -KILL 0')
    end
    return line
end

-- Serves until a cell is interrupted.
local function live()
    if cells == 0 then send(report, '{"say":"ready"}') end
    interrupted = false
    while not interrupted do
        local ok, line = pcall(wait)
        if not ok then return end
        if line == 'bye' then exit(0, true) end
        local word, id, text = (line or ''):match('^(%a+) (%d+) ?(.*)$')
        if word == 'run' or word == 'script' then run(id, unescape(text), word == 'run') end
        if word == 'complete' then complete(id, unescape(text)) end
    end
end
