
# Bash splits words at colons. This joins the parts of an image name such as python:3.6 before they are completed, and
# leaves out of the answers what is already in front of the last colon. The answers are escaped for a word without quotes, so
# only plain ones fit into a quoted word. They are not patterns for names of files.
_bai_repl() {
    local i last current head word words=() index=0
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)) && [[ $word != *: ]]; then
            word=$2
        fi
        last=$((${#words[@]} - 1))
        if ((i > 1)) && [[ $word == :* || ${words[last]} == *: ]]; then
            words[last]+=$word
        else
            words+=("$word")
        fi
        if ((i == COMP_CWORD)); then
            index=$((${#words[@]} - 1))
        fi
    done
    current=${words[index]}
    head=${current%"${current##*:}"}
    local quoted=${COMP_WORDS[COMP_CWORD]} flags=$- answer answers=()
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$index
    set -f
    _clap_complete_bai_repl "$1" "$current"
    [[ $flags == *f* ]] || set +f
    if [[ $quoted == [\"\']* ]]; then
        for answer in "${COMPREPLY[@]}"; do
            [[ $answer == *\\* ]] || answers+=("$answer")
        done
        COMPREPLY=("${answers[@]}")
    fi
    if [[ $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$head"}")
    fi
}
