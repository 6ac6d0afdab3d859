
-- ---- the documentation of a name

local function lines_of(source)
    local text = sources[source:match('^=(.*)') or '']
    if not text and source:sub(1, 1) == '@' then
        local file = io.open(source:sub(2))
        text = file and file:read('*a') or ''
        if file then file:close() end
    end
    local lines = {}
    for line in ((text or '') .. '\n'):gmatch('(.-)\n') do lines[#lines + 1] = line end
    return lines
end

local function describe(name, value)
    local about = debug.getinfo(value, 'Su')
    local parameters = {}
    for at = 1, about.nparams or 0 do parameters[at] = debug.getlocal(value, at) end
    if about.isvararg then parameters[#parameters + 1] = '...' end
    if about.what == 'C' then return 'function ' .. name .. '\nbuilt in' end
    local lines = { ('function %s(%s)'):format(name, concat(parameters, ', ')), about.short_src .. ':' .. about.linedefined }
    local source = lines_of(about.source)
    local at = about.linedefined - 1
    local above = {}
    while at > 0 and source[at]:find('^%s*%-%-') do
        table.insert(above, 1, (source[at]:gsub('^%s*%-%-+ ?', '')))
        at = at - 1
    end
    return concat(lines, '\n') .. (#above > 0 and '\n\n' .. concat(above, '\n') or '')
end

function explain(name)
    local value = resolve(name)
    if value == nil then return name .. ' is not known' end
    if type(value) == 'function' then return describe(name, value) end
    local lines = { ('%s = %s'):format(name, tostring(value)), type(value) }
    if type(value) == 'table' then
        lines[#lines + 1] = ''
        for at, key in ipairs(members(value)) do
            if at > 200 then break end
            local item = field(value, key)
            local plain = type(item) == 'string' or type(item) == 'number' or type(item) == 'boolean'
            lines[#lines + 1] = ('  %s  %s'):format(key, plain and tostring(item) or type(item))
        end
        if #value > 0 then lines[#lines + 1] = ('  and %d items'):format(#value) end
    end
    return concat(lines, '\n')
end

function globals._bai_doc(name) print(explain(name)) end
globals.arg = { [0] = 'lua' }
return live
