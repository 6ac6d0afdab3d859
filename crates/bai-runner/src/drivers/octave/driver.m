% The driver of Octave; crates/bai-runner/src/wire.rs describes the messages. Octave before 7 has no JSON, so the runner's
% messages are words. All names begin with __bai_, and functions are locked, because `clear all` removes unlocked ones.
%
% An interrupt is not an error here: it passes every `catch`, and would end the driver too. But it runs the cleanup of
% `unwind_protect`, and an error that is raised there takes its place. __bai_guard__ rests on that.

% name, value: state that lasts between calls.
function value = __bai_state__(name, value)
  mlock();
  persistent state = struct("number", 0, "exit", [], "starting", true, "woken", false, "seen", {cell(0, 2)}, "in", -1, "out", -1, "aside", -1);
  if (nargin == 2)
    state.(name) = value;
  end
  value = state.(name);
end

% --- messages ---------------------------------------------------------------------------------------------------------

function text = __bai_json__(text)
  mlock();
  text = strrep(strrep(text, "\\", "\\\\"), "\"", "\\\"");
  for code = unique(double(text(text < " " & text >= 0)))
    text = strrep(text, char(code), sprintf("\\u%04x", code));
  end
  text = ["\"" text "\""];
end

% Sends a message, in frames that are written in one piece.
function number = __bai_send__(pipe, text)
  mlock();
  number = __bai_state__("number", mod(__bai_state__("number") + 1, 2^32));
  bytes = uint8(text);
  for start = 1:4000:numel(bytes)
    piece = bytes(start:min(start + 3999, end));
    size = numel(piece);
    header = [mod(floor(number ./ 256 .^ (0:3)), 256), mod(size, 256), floor(size / 256), start + 3999 >= numel(bytes)];
    fwrite(pipe, [uint8(header), piece]);
    fflush(pipe);
  end
end

function line = __bai_line__()
  mlock();
  do
    line = fgetl(__bai_state__("in"));
  until (! isempty(line))
  if (! ischar(line))
    % The runner has ended.
    kill(getpid(), SIG.KILL);
  end
  if (strncmp(line, "complete ", 9))
    __bai_complete__(line);
  elseif (strncmp(line, "window ", 7))
    __bai_window__(line);
  elseif (strcmp(line, "wake"))
    __bai_state__("woken", true);
  end
end

% "window columns rows NAME=VALUE…": sets the variables, except those to which the user gave another value.
function __bai_window__(line)
  mlock();
  persistent ours = struct();
  for pair = strsplit(line, " ")(4:end)
    at = index(pair{1}, "=");
    name = pair{1}(1:at - 1);
    value = pair{1}(at + 1:end);
    now = getenv(name);
    if (any(strcmp(now, {"", "dumb"})) || (isfield(ours, name) && strcmp(now, ours.(name))))
      ours.(name) = value;
      if (isempty(value)) unsetenv(name); else setenv(name, value); end
    end
  end
end

% Sends a message that keeps its place in the output; returns when the runner has read all earlier output.
function __bai_say__(text)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  fflush(stdout);
  fflush(stderr);
  answer = sprintf("ack %d", __bai_send__(__bai_state__("out"), text));
  while (! strcmp(__bai_line__(), answer))
  end
end

function __bai_sync__()
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  __bai_say__("{\"say\":\"sync\"}");
end

function __bai_tell__(text)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  __bai_sync__();
  builtin("fputs", stderr, [text "\n"]);
  __bai_sync__();
end

% --- reading and writing ----------------------------------------------------------------------------------------------

% A line of the user; empty at the end of the input.
function line = __bai_ask__(prompt)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  puts(prompt);
  __bai_say__("{\"say\":\"ask\",\"password\":false}");
  line = "";
  while (! strncmp(line, "input ", 6))
    if (__bai_state__("woken"))
      __bai_stop__();
    end
    line = __bai_line__();
  end
  line = do_string_escapes(line(7:end));
  if (strcmp(line, "\004"))
    line = "";
  end
end

function value = input(prompt, kind)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  value = __bai_ask__(prompt);
  if (nargin < 2)
    if (isempty(strtrim(value)))
      value = [];
    else
      value = evalin("caller", value);
    end
  end
end

function value = yes_or_no(prompt)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  do
    answer = __bai_ask__([prompt "(yes or no) "]);
  until (any(strcmp(answer, {"yes", "no"})))
  value = strcmp(answer, "yes");
end

function keyboard(varargin)
  mlock();
  if (! __bai_state__("starting"))
    error("keyboard: there is no debugger here");
  end
end

% Two pipes have no common order, so a write to standard error waits before and after until the output has been read.
function varargout = __bai_write__(name, arguments, count)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  is_error = numel(arguments) > 1 && isequal(arguments{1}, 2);
  if (is_error)
    __bai_sync__();
  end
  [varargout{1:count}] = builtin(name, arguments{:});
  if (is_error)
    __bai_sync__();
  end
end

function varargout = fprintf(varargin)
  mlock();
  if (! __bai_state__("starting"))
    [varargout{1:nargout}] = __bai_write__("fprintf", varargin, nargout);
  end
end

function varargout = fputs(varargin)
  mlock();
  if (! __bai_state__("starting"))
    [varargout{1:nargout}] = __bai_write__("fputs", varargin, max(nargout, 1));
  end
end

function varargout = fdisp(varargin)
  mlock();
  if (! __bai_state__("starting"))
    [varargout{1:nargout}] = __bai_write__("fdisp", varargin, nargout);
  end
end

function varargout = warning(varargin)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  if (any(strcmp(varargin, "local")))
    evalin("caller", ["builtin(\"warning\"" sprintf(", \"%s\"", varargin{:}) ");"]);
    return;
  end
  is_told = nargin > 0 && ! isstruct(varargin{1}) && ! any(strcmp(varargin{1}, {"on", "off", "error", "query"}));
  if (is_told)
    __bai_sync__();
  end
  [varargout{1:nargout}] = builtin("warning", varargin{:});
  if (is_told)
    __bai_sync__();
  end
end

% The driver's pipes are files like any other.
function status = fclose(file)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  if (! strcmp(file, "all"))
    status = builtin("fclose", file);
    return;
  end
  ours = [__bai_state__("in"), __bai_state__("out"), __bai_state__("aside")];
  for file = setdiff(fopen("all")(:)', ours)
    builtin("fclose", file);
  end
  status = 0;
end

% A command receives the interrupt for the cell too.
function varargout = system(varargin)
  mlock();
  if (nargin == 0)
    return;
  end
  __bai_sync__();
  if (__bai_state__("woken"))
    __bai_stop__();
  end
  [varargout{1:nargout}] = builtin("system", varargin{:});
  __bai_sync__();
  if (__bai_state__("woken"))
    __bai_stop__();
  end
end

function doc(varargin)
  mlock();
  if (! __bai_state__("starting"))
    help(varargin{:});
  end
end

% Ends the cell. No `catch` of the cell stops an interrupt.
function __bai_exit__(arguments)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  numbers = arguments(cellfun(@isnumeric, arguments));
  if (isempty(numbers))
    numbers = {0};
  end
  code = [double(numbers{1})(:); 1](1);
  if (! isfinite(code))
    code = 1;
  end
  __bai_state__("exit", fix(code));
  __bai_stop__();
end

% Raises the interrupt that ends the cell.
function __bai_stop__()
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  kill(getpid(), SIG.INT);
  while (true)
    pause(0.001);
  end
end

function exit(varargin)
  mlock();
  __bai_exit__(varargin);
end

function quit(varargin)
  mlock();
  __bai_exit__(varargin);
end

% --- figures ----------------------------------------------------------------------------------------------------------

% The whole content of a figure. Octave's own flag for changes does not help: `drawnow` and `pause` clear it.
function content = __bai_look__(figure)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  content = arrayfun(@get, findall(figure), "UniformOutput", false);
end

% Shows the figures that have changed since they were shown last.
function __bai_figures__()
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  seen = __bai_state__("seen");
  now = cell(0, 2);
  for figure = sort(get(0, "children"))'
    content = __bai_look__(figure);
    before = cellfun(@(known) isequal(known, figure), seen(:, 1));
    if (! isempty(get(figure, "children")) && ! (any(before) && isequaln(seen{before, 2}, content)))
      __bai_draw__(figure);
      content = __bai_look__(figure);
    end
    now(end + 1, :) = {figure, content};
  end
  __bai_state__("seen", now);
end

function __bai_draw__(figure)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  % A figure has the size of its window, with a finer resolution.
  size = round(1.5 * get(figure, "position")(3:4));
  folder = __bai_private_folder__();
  picture = fullfile(folder, "figure.png");
  current = get(0, "currentfigure");
  set(0, "currentfigure", figure);
  unwind_protect
    drawnow(sprintf("pngcairo size %d,%d linewidth 2 fontscale 1.2", size), picture);
    file = fopen(picture, "r");
    bytes = fread(file, Inf, "*uint8");
    fclose(file);
  unwind_protect_cleanup
    set(0, "currentfigure", current);
    [~] = unlink(picture);
    [~] = rmdir(folder);
  end_unwind_protect
  if (! isempty(bytes))
    __bai_say__(["{\"say\":\"media\",\"mime\":\"image/png\",\"data\":\"" base64_encode(bytes) "\"}"]);
  end
end

% A new folder in the temporary folder, for its owner only. The mask is an octal number.
function folder = __bai_private_folder__()
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  folder = tempname();
  mask = umask(77);
  unwind_protect
    [~] = mkdir(folder);
  unwind_protect_cleanup
    umask(mask);
  end_unwind_protect
end

% --- completion -------------------------------------------------------------------------------------------------------

% "complete id code": answers with the completions of the last word.
function __bai_complete__(line)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  [id, ~, ~, next] = sscanf(line, "complete %d", 1);
  code = do_string_escapes(line(next + 1:end));
  word = regexp(code, '[A-Za-z_][\w.]*$', "match", "once");
  found = {};
  if (! isempty(word))
    try
      found = evalin("base", ["completion_matches(\"" word "\")"]);
      found = unique(strtrim(cellstr(found)));
    catch
      found = {};
    end
    found = found(! cellfun(@isempty, found));
    if (! strncmp(word, "__", 2))
      found = found(! strncmp(found, "__", 2));
    end
    found = found(1:min(end, 1000));
  end
  before = code(1:end - numel(word));
  % Continuation bytes of a character do not count.
  start = sum(bitand(uint8(before), 192) != 128);
  list = strjoin(cellfun(@__bai_json__, found(:)', "UniformOutput", false), ",");
  __bai_send__(__bai_state__("aside"), sprintf("{\"say\":\"completions\",\"id\":%d,\"start\":%d,\"suggestions\":[%s]}", id, start, list));
end

% --- cells ------------------------------------------------------------------------------------------------------------

% The text of an error, as Octave writes it.
function __bai_report__(problem)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  text = problem.message;
  if (! strncmp(text, "parse error", 11))
    text = ["error: " text];
  end
  frames = problem.stack;
  ours = find(strncmp({frames.name}, "__bai_", 6), 1);
  frames = frames(1:min([numel(frames), ours - 1]));
  if (! isempty(frames))
    text = [text "\nerror: called from"];
    for frame = frames'
      text = sprintf("%s\n    %s at line %d column %d", text, frame.name, frame.line, frame.column);
    end
  end
  if (! isempty(strfind(text, "no graphics toolkits")))
    text = [text "\ninstall gnuplot to plot without a display, for example with `apt install gnuplot-nox`"];
  end
  __bai_tell__(text);
end

% Runs an action, and returns whether it was interrupted.
function interrupted = __bai_guard__(action)
  mlock();
  interrupted = true;
  try
    unwind_protect
      action();
      interrupted = false;
    unwind_protect_cleanup
      if (interrupted)
        error("interrupted");
      end
    end_unwind_protect
  catch
  end_try_catch
end

function __bai_cell__(text)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  __bai_state__("code", 1);
  try
    evalin("base", text);
    __bai_figures__();
    __bai_state__("code", 0);
  catch problem
    __bai_report__(problem);
    __bai_guard__(@__bai_figures__);
  end_try_catch
end

function __bai_over__(id)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  fflush(stdout);
  fflush(stderr);
  __bai_send__(__bai_state__("out"), sprintf("{\"say\":\"done\",\"id\":%d,\"code\":%d}", id, __bai_state__("code")));
end

% "run id code" or "script id code"
function __bai_run__(line)
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  line = line(index(line, " ") + 1:end);
  [id, ~, ~, next] = sscanf(line, "%d", 1);
  text = do_string_escapes(line(next + 1:end));
  __bai_state__("exit", []);
  __bai_state__("woken", false);
  __bai_send__(__bai_state__("aside"), sprintf("{\"say\":\"started\",\"id\":%d}", id));
  if (__bai_guard__(@() __bai_cell__(text)))
    if (isempty(__bai_state__("exit")))
      __bai_guard__(@() __bai_tell__("Interrupted"));
    else
      __bai_state__("code", __bai_state__("exit"));
    end
  end
  % An interrupt that comes so late is not for the next cell.
  while (__bai_guard__(@() __bai_over__(id)))
  end
end

function __bai_step__()
  mlock();
  if (__bai_state__("starting"))
    return;
  end
  line = __bai_line__();
  if (strncmp(line, "run ", 4) || strncmp(line, "script ", 7))
    __bai_run__(line);
  elseif (strcmp(line, "bye"))
    builtin("quit");
  end
end

function __bai_main__(in, out, aside)
  mlock();
  __bai_state__("in", in);
  __bai_state__("out", out);
  __bai_state__("aside", aside);
  evalin("base", "clear __bai_i __bai_l __bai_s");
  page_screen_output(false);
  page_output_immediately(true);
  crash_dumps_octave_core(false);
  builtin("warning", "off", "backtrace");
  if (any(strcmp(available_graphics_toolkits(), "gnuplot")))
    builtin("warning", "off", "Octave:gnuplot-graphics");
    graphics_toolkit("gnuplot");
    set(0, "defaultfigurevisible", "off");
  end
  % Each function is called once, which locks it.
  __bai_json__(""); __bai_window__("window 0 0"); __bai_ask__(); __bai_write__(); __bai_exit__(); __bai_complete__(); __bai_report__(); __bai_run__();
  input(); yes_or_no(); keyboard(); fprintf(); fputs(); fdisp(); warning(); fclose(); system(); doc(); exit(); quit();
  for action = {@__bai_stop__, @__bai_say__, @__bai_sync__, @__bai_tell__, @__bai_look__, @__bai_private_folder__, @__bai_draw__, @__bai_figures__, @__bai_cell__, @__bai_over__, @__bai_step__}
    action{1}();
  end
  __bai_state__("starting", false);
  __bai_send__(out, "{\"say\":\"ready\"}");
  while (true)
    __bai_guard__(@__bai_step__);
  end
end
% The end.
