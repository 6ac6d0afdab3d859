# shellcheck shell=bash
# Virtual environments with the genuine packages, for the scripts in this folder, which source this file.

# Prints the first interpreter of these versions that can create a virtual environment, from PATH or pyenv.
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

# Creates a virtual environment from its folder, its requirements, and the Python versions that support them. Creates it
# again if the requirements have changed.
make_venv() {
    local venv=$1 requirements=$2 python
    shift 2
    if cmp -s "$requirements" "$venv/requirements"; then return; fi
    python=$(interpreter "$@")
    if [ -z "$python" ]; then
        echo "no Python of $* is installed for $requirements: it is left out"
        return 1
    fi
    rm -rf "${venv:?}"
    "$python" -m venv "$venv" || exit 1
    # The requirements list all packages, because some dependencies of old packages can no longer be built. An error
    # here fails the run, although the caller tests the exit code of this function: for the caller only a missing
    # interpreter counts.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements" || exit 1
    cp "$requirements" "$venv/requirements"
}
