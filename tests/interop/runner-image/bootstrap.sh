# shellcheck shell=sh
# The agent's entry point reads this file in its own shell, whose words are the program that it will start: the agent's runner, with the
# runtime type and the interpreter that the labels of the image name. Ours takes its place.
while [ $# -gt 0 ] && [ "$1" != ai.backend.kernel ]; do shift; done
shift
while [ "${1#-}" != "$1" ]; do shift; done
set -- /usr/local/bin/bai-repl runner --host 0.0.0.0 "$@"
