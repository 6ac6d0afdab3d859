# The driver of bash: reads messages of words from the runner, runs cells in this shell, and reports how they ended.
# crates/bai-runner/src/wire.rs describes the messages. All names begin with _bai_, because the user's code shares the shell.
#
# Without a terminal, a cell that exits, is interrupted, or fails under `set -e` ends the shell. So the shell hands its
# state to a new one that replaces it in the same process: variables, functions, options, traps.

_bai_in=$1 _bai_out=$2 _bai_aside=$3 _bai_heir=$4
set --
shopt -s expand_aliases
exec {_bai_stdin}<&0
_bai_command_here='(^|[;|&(]|'$'\n''|(^|[[:space:]])(do|then|else|sudo|time))[[:space:]]*$'
declare -A _bai_ours=()
_bai_number=0 _bai_running= _bai_status=0 _bai_flags= _bai_waiting=()

# pipe, JSON: sends a message, in frames that are written in one piece.
_bai_send() {
    local LC_ALL=C piece header last=0 rest=$2
    ((_bai_number = (_bai_number + 1) & 0xffffffff))
    while :; do
        piece=${rest:0:4000} rest=${rest:4000}
        [[ -n $rest ]] || last=1
        printf -v header '\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x' \
            $((_bai_number & 255)) $((_bai_number >> 8 & 255)) $((_bai_number >> 16 & 255)) $((_bai_number >> 24 & 255)) \
            $((${#piece} & 255)) $((${#piece} >> 8)) $last
        printf "$header%s" "$piece" >&"$1"
        ((last)) && return
    done
}

# JSON: sends a message that keeps its place in the output; returns when the runner has read all earlier output.
_bai_say() {
    _bai_send "$_bai_out" "$1"
    local line number=$_bai_number
    while IFS= builtin read -r -u "$_bai_in" line; do
        case $line in
            "ack $number") return ;;
            complete\ *) _bai_complete "${line#complete }" ;;
            window\ *) _bai_window "$line" ;;
            run\ * | script\ *) _bai_waiting+=("$line") ;;
        esac
    done
    # The runner has ended, or user code has closed the pipe.
    trap - EXIT DEBUG
    exit 70
}

# Two pipes have no common order, so the driver waits between two commands until the output of the first has been read:
# always at the beginning of a cell, and after commands that took some time.
_bai_order() {
    [[ -n $_bai_running && $BASHPID == "$$" ]] || return 0
    if ((_bai_steps++ < 200)) || [[ ${EPOCHREALTIME/[.,]/} -gt $_bai_next ]]; then
        _bai_say '{"say":"sync"}'
        _bai_next=$((${EPOCHREALTIME/[.,]/} + 2000))
    fi
} 2>/dev/null

# "window columns rows NAME=VALUE…": sets the variables, except those to which the user gave another value.
_bai_window() {
    local IFS=' ' pair name
    for pair in $1; do
        name=${pair%%=*}
        [[ $pair == *=* ]] || continue
        [[ ${!name-dumb} == dumb || ${!name-} == "${_bai_ours[$name]-}" ]] || continue
        _bai_ours[$name]=${pair#*=}
        if [[ -n ${pair#*=} ]]; then export "$pair"; else unset -v "$name"; fi
    done
} 2>/dev/null

# text: sets _bai_quoted to its JSON.
_bai_quote() {
    local text=${1//\\/\\\\} c code
    text=${text//\"/\\\"}
    while [[ $text =~ [[:cntrl:]] ]]; do
        c=${BASH_REMATCH[0]}
        printf -v code '\\u%04x' "'$c"
        text=${text//"$c"/$code}
    done
    _bai_quoted="\"$text\""
}

# The builtin shows its question only on a terminal, and keeps the answer to itself only there.
read() {
    local _bai_arg _bai_question= _bai_secret= _bai_takes= _bai_elsewhere=
    for _bai_arg; do
        if [[ -n $_bai_takes ]]; then
            [[ $_bai_takes == p ]] && _bai_question=$_bai_arg
            _bai_takes=
            continue
        fi
        [[ $_bai_arg == -?* && $_bai_arg != -- ]] || break
        _bai_arg=${_bai_arg#-}
        while [[ -n $_bai_arg ]]; do
            case $_bai_arg in
                s*) _bai_secret=1 ;;
                u*) _bai_elsewhere=1 ;;&
                [adinNptu]*)
                    if [[ $_bai_arg == p?* ]]; then
                        _bai_question=${_bai_arg#p}
                    elif [[ $_bai_arg == ? ]]; then
                        _bai_takes=$_bai_arg
                    fi
                    break
                    ;;
            esac
            _bai_arg=${_bai_arg#?}
        done
    done
    if [[ -n $_bai_running && -z $_bai_elsewhere && /dev/fd/0 -ef /dev/fd/$_bai_stdin ]]; then
        [[ -n $_bai_question ]] && printf '%s' "$_bai_question" >&2
        if [[ -n $_bai_secret && $BASHPID == "$$" ]]; then
            _bai_say '{"say":"ask","password":true,"stdin":true}'
        fi
    fi
    builtin read "$@"
}

# "id code": answers with the completions of the last word.
_bai_complete() {
    local id=${1%% *} code word start list= item IFS=$'\n' kind LC_ALL=C.UTF-8
    printf -v code '%b' "${1#* }"
    word=${code##*[[:space:];|&<>()\"\'=]}
    local before=${code%"$word"}
    start=${#before}
    case $word in
        \$\{*) kind=v item='${' ;;
        \$*) kind=v item='$' ;;
        *)
            item= kind=f
            # A command comes first, or after a separator of commands.
            [[ $before =~ $_bai_command_here && $word != */* ]] && kind=c
            ;;
    esac
    local -A seen=()
    local found=0
    for word in $(compgen -"$kind" -- "${word#"$item"}"; :); do
        [[ $word == _bai_* || -n ${seen[$word]} ]] && continue
        ((++found > 500)) && break
        seen[$word]=1
        if [[ $kind == f ]]; then
            [[ -d ${word/#~/$HOME} ]] && word+=/
            printf -v word '%q' "$word"
            word=${word/#\\~/\~}
        fi
        _bai_quote "$item$word"
        list+=,$_bai_quoted
    done
    _bai_send "$_bai_aside" "{\"say\":\"completions\",\"id\":$id,\"start\":$start,\"suggestions\":[${list#,}]}"
} 2>/dev/null

# The state for a new shell, as commands.
_bai_testament() {
    local _bai_name _bai_names
    _bai_names=$(compgen -v)
    for _bai_name in $_bai_names; do
        case $_bai_name in
            _bai_*|_|BASH|BASHOPTS|BASHPID|BASH_*|COMP_*|DIRSTACK|EPOCH*|EUID|FUNCNAME|GROUPS|LINENO|PIPESTATUS|PPID|RANDOM|SHELLOPTS|SRANDOM|UID) ;;
            *) declare -p "$_bai_name" ;;
        esac
    done
    declare -f
    alias -p
    shopt -p
    umask -p
    trap -p | grep -v _bai_
    printf '_bai_flags=%q\n' "$_bai_flags"
    declare -p _bai_ours
} 2>/dev/null

# status: ends the cell in a new shell.
_bai_end() {
    { _bai_status=$1; _bai_keep_flags; } 2>/dev/null
    [[ $BASHPID == "$$" ]] || exit "$_bai_status"
    trap - EXIT DEBUG
    [[ -n $_bai_running ]] || exit "$_bai_status"
    local file fd
    file=$(umask 077; mktemp "${TMPDIR:-/tmp}/bai-repl-XXXXXXXX") || exit "$_bai_status"
    {
        printf '%s\0' "$_bai_driver"
        IFS=$' \t\n' _bai_testament
        printf '_bai_over %q %q\n\0' "$_bai_running" "$_bai_status"
    } >"$file"
    exec {fd}<"$file" {_bai_stdin}<&-
    rm -f "$file"
    exec "$BASH" --noprofile --norc -c 'IFS= read -r -d "" -u "$4" _bai_driver; eval "$_bai_driver"' \
        bash "$_bai_in" "$_bai_out" "$_bai_aside" "$fd"
}

# Options that would change the driver itself apply only to cells.
_bai_keep_flags() {
    _bai_flags=
    case $- in *e*) _bai_flags+=e ;; esac
    case $- in *f*) _bai_flags+=f ;; esac
    case $- in *n*) _bai_flags+=n ;; esac
    case $- in *u*) _bai_flags+=u ;; esac
    case $- in *v*) _bai_flags+=v ;; esac
    case $- in *x*) _bai_flags+=x ;; esac
    set +efnuvx
}

# id, status: the cell is over.
_bai_over() {
    _bai_running= _bai_status=$2
    _bai_send "$_bai_out" "{\"say\":\"done\",\"id\":$1,\"code\":$2}"
}

_bai_return() {
    return "$1"
}

_bai_interrupt() {
    [[ -n $_bai_running && $BASHPID == "$$" ]] && exit 130
}

# line: sets _bai_code to the code to run; reports that it can be interrupted.
_bai_begin() {
    local rest=${1#* }
    _bai_running=${rest%% *} _bai_steps=0 _bai_next=0
    printf -v _bai_code '%b' "${rest#* }"
    # Under `set -e`, the failure of the last cell would be one of this cell.
    local flags="_bai_return $_bai_status; "
    [[ -n $_bai_flags ]] && flags="set -$_bai_flags; "
    _bai_code="LINENO=1; $flags$_bai_code"
    _bai_send "$_bai_aside" "{\"say\":\"started\",\"id\":$_bai_running}"
}

if [[ -n $_bai_heir ]]; then
    IFS= builtin read -r -d '' -u "$_bai_heir" _bai_state
    exec {_bai_heir}<&-
    eval "$_bai_state" 2>/dev/null
    unset _bai_state
else
    _bai_send "$_bai_out" '{"say":"ready"}'
fi
trap _bai_interrupt INT
trap '_bai_end "$?"' EXIT
trap '_bai_order "$_"' DEBUG

while :; do
    if [[ ${#_bai_waiting[@]} -gt 0 ]]; then
        _bai_line=${_bai_waiting[0]}
        _bai_waiting=("${_bai_waiting[@]:1}")
    elif ! IFS= builtin read -r -u "$_bai_in" _bai_line; then
        # The runner has ended, and so does everything that it started.
        kill -KILL 0
    fi
    case $_bai_line in
        run\ * | script\ *)
            _bai_begin "$_bai_line"
            eval "$_bai_code"
            { _bai_status=$?; _bai_keep_flags; } 2>/dev/null
            _bai_over "$_bai_running" "$_bai_status"
            ;;
        complete\ *) _bai_complete "${_bai_line#complete }" ;;
        window\ *) _bai_window "$_bai_line" ;;
        bye) exit ;;
    esac
done
