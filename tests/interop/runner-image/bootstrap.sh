# shellcheck shell=sh
# The agent's entry point sources this file. The positional parameters of its shell are the program that it will start: the
# agent's runner, with the runtime type and the interpreter from the image's labels. Our runner replaces it.
while [ $# -gt 0 ] && [ "$1" != ai.backend.kernel ]; do shift; done
shift
while [ "${1#-}" != "$1" ]; do shift; done
set -- /usr/local/bin/bai-repl runner --host 0.0.0.0 "$@"
