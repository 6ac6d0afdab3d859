#!/usr/bin/env bash
# Measures `bai-repl runner` and the runner of Backend.AI's own agents (PyPI: backend.ai-kernel): output from a child
# and from a cell to the agent's socket, and queued cells. `runner.py` in this folder sends the same requests to both.
#
#   benches/runner.sh [path of bai-repl, default target/dist/bai-repl]
#
# Needs root, because the other runner keeps its folders in /home; it gets its own /home. Creates a virtual environment
# below target/.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/dist/bai-repl}")
venv=$PWD/target/bench-runner
folder=$(mktemp -d)
runner=
finish() {
    [ -z "$runner" ] || kill "$runner" 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap finish EXIT

# shellcheck source=tests/interop/venv.sh
. tests/interop/venv.sh
if ! [ -e "$venv/made" ]; then
    rm -rf "$venv"
    "$(interpreter 3.13 3.12)" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check backend.ai-kernel==26.9.6 ipykernel==6.29.5
    "$venv/bin/python" -m ipykernel install --prefix "$venv" >/dev/null
    touch "$venv/made"
fi
python=$venv/bin/python

mkdir "$folder/work" "$folder/config"
echo '{"replin": 21200, "replout": 21201, "sshd": 21202, "ttyd": 21203}' >"$folder/config/intrinsic-ports.json"

"$program" runner python "$python" --operations-port 21210 --replies-port 21211 --workdir "$folder/work" --config "$folder/none" >/dev/null &
runner=$!
"$python" benches/runner.py "bai-repl runner" 21210 21211
kill "$runner"
wait "$runner" || true

# The runner starts as in a container. It executes itself again under another name, and then Python no longer finds the
# environment. Its messages about missing programs are not relevant.
packages=$("$python" -c 'import site; print(site.getsitepackages()[0])')
unshare --mount --kill-child --fork sh -c '
    mount -t tmpfs none /home && mkdir /home/work && cp -r "$1/config" /home/config && cd /home/work
    exec env HOME=/home/work VIRTUAL_ENV="$3" PYTHONPATH="$4" "$2" -s -m ai.backend.kernel python "$2"' \
    sh "$folder" "$python" "$venv" "$packages" >/dev/null 2>&1 &
runner=$!
"$python" benches/runner.py "backend.ai-kernel 26.9.6" 21200 21201
