# shellcheck shell=bash
# Virtual environments with packages of the genuine article, for the scripts beside this one, which source it.

# The first interpreter among these versions that can make a virtual environment, in PATH or in pyenv.
interpreter() {
    local version found
    for version in "$@"; do
        for found in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
            if [ -x "$found" ] && "$found" -c "import sys, venv, ensurepip; assert '%d.%d' % sys.version_info[:2] == '$version'" 2>/dev/null; then
                echo "$found"
                return
            fi
        done
    done
}

# A virtual environment: its folder, requirements, versions of Python that they can take. Made anew when the requirements change.
make_venv() {
    local venv=$1 requirements=$2 python
    shift 2
    if cmp -s "$requirements" "$venv/requirements"; then return; fi
    python=$(interpreter "$@")
    if [ -z "$python" ]; then
        echo "no Python of $* is here for $requirements: it is left out"
        return 1
    fi
    rm -rf "${venv:?}"
    "$python" -m venv "$venv" || exit 1
    # All that is needed is listed: some of what old packages ask for themselves can no longer be built. A failure here is one of the run,
    # though the caller asks whether this worked: there only a missing interpreter counts.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements" || exit 1
    cp "$requirements" "$venv/requirements"
}
