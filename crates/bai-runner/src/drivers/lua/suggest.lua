
-- ---- completions at the cursor, without a call of the user's code

local keywords = { 'and', 'break', 'do', 'else', 'elseif', 'end', 'false', 'for', 'function', 'goto', 'if', 'in', 'local', 'nil', 'not',
    'or', 'repeat', 'return', 'then', 'true', 'until', 'while' }

local function variable(name)
    local known = kept[name]
    if known then return select(2, debug.getupvalue(known.closure, known.at)) end
    return rawget(globals, name)
end

-- A field, also one that a table inherits.
local function field(value, name)
    for _ = 1, 20 do
        if type(value) == 'table' and rawget(value, name) ~= nil then return rawget(value, name) end
        local meta = debug.getmetatable(value)
        value = type(meta) == 'table' and rawget(meta, '__index')
        if type(value) ~= 'table' then return nil end
    end
end

-- The value of a path of names, or nil.
local function resolve(path)
    local value
    for sign, name in path:gmatch('([.:]?)([%a_][%w_]*)') do
        if sign == '' then value = variable(name) else value = field(value, name) end
        if value == nil then return nil end
    end
    return value
end

local function members(value, only_functions)
    local names, seen = {}, {}
    for _ = 1, 20 do
        if type(value) == 'table' then
            local here = {}
            for name, item in next, value do
                local fits = type(name) == 'string' and name:find('^[%a_][%w_]*$') and not seen[name]
                if fits and (type(item) == 'function' or not only_functions) then
                    here[#here + 1], seen[name] = name, true
                end
            end
            sort(here)
            for _, name in ipairs(here) do names[#names + 1] = name end
        end
        local meta = debug.getmetatable(value)
        value = type(meta) == 'table' and rawget(meta, '__index')
        if type(value) ~= 'table' then break end
    end
    return names
end

local function files(prefix)
    local list = {}
    local pipe = popen("ls -1dp -- '" .. prefix:gsub("'", "'\\''") .. "'* 2>/dev/null")
    for line in pipe:lines() do list[#list + 1] = line end
    pipe:close()
    return list
end

-- Whether a line ends inside a string, and the string's text so far.
local function in_string(line)
    local sign, from
    local at = 1
    while at <= #line do
        local c = line:sub(at, at)
        if sign then
            if c == '\\' then at = at + 1 elseif c == sign then sign = nil end
        elseif c == '"' or c == "'" then
            sign, from = c, at + 1
        end
        at = at + 1
    end
    return sign and line:sub(from)
end

-- The typed part of the word, and its completions.
function suggest(code)
    local line = code:match('[^\n]*$')
    local text = in_string(line)
    if text then
        local before = line:sub(1, #line - #text - 1)
        local owner = before:match('([%a_][%w_.]*)%[$')
        if owner then
            local value, names = resolve(owner), {}
            for name in next, type(value) == 'table' and value or {} do
                if type(name) == 'string' then names[#names + 1] = name end
            end
            sort(names)
            return text, names
        end
        if before:find('require%s*%(?%s*$') then
            local names = members(package.loaded)
            for name in pairs(package.preload) do names[#names + 1] = name end
            return text, names
        end
        return text, files(text)
    end
    if line:find('%.%.[%w_]*$') or line:find('%d%.$') then return nil end
    local path, sign, prefix = line:match('([%a_][%w_.:]*)([.:])([%w_]*)$')
    if path then
        local value = resolve(path)
        if value == nil then return nil end
        return prefix, members(value, sign == ':')
    end
    prefix = line:match('[.:]([%w_]*)$')
    if prefix then
        -- A literal.
        return line:find('["\')]:[%w_]*$') and prefix or nil, members('')
    end
    prefix = line:match('[%a_][%w_]*$')
    if not prefix then return nil end
    local names = {}
    for name in pairs(kept) do names[#names + 1] = name end
    sort(names)
    for _, name in ipairs(members(globals)) do names[#names + 1] = name end
    for _, name in ipairs(keywords) do names[#names + 1] = name end
    local list, seen = {}, {}
    for _, name in ipairs(names) do
        if not seen[name] then list[#list + 1], seen[name] = name, true end
    end
    return prefix, list
end
