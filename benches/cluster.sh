#!/bin/sh
# Measures the program against a cluster, and the official Python client if $OFFICIAL is the path of its `backend.ai`:
# wall and processor time of one `print(1)` in an existing session, and the speed and peak memory of 20 MB and 100 MB of
# lines.
#
#   BACKEND_ENDPOINT=… BACKEND_ACCESS_KEY=… BACKEND_SECRET_KEY=… [OFFICIAL=…/bin/backend.ai] [IMAGE=python:3.13] \
#     benches/cluster.sh [path of bai-repl, default target/dist/bai-repl]
#
# It creates one session and destroys it. The session gets 2 GiB, because the kernel keeps a copy of the 100 MB of
# lines, which needs more than the minimum of many images. Needs GNU time.
set -eu
program=${1:-target/dist/bai-repl}
image=${IMAGE:-python:3.13}
name=bench-$$
rounds=${ROUNDS:-5}
trap '"$program" rm -q "$name" > /dev/null' EXIT
trap 'exit 130' INT TERM

measured() { # LABEL COMMAND...: one line; the command's own output is only counted
  label=$1; shift
  bytes=$({ /usr/bin/time -o "/tmp/$name.time" -f '%e s wall, %U + %S s CPU, %M KiB peak' "$@" 2> "/tmp/$name.err" || {
    code=$?; sed 's/^/    /' "/tmp/$name.err" | tail -n 3 >&2; echo "    exit code $code" >&2; }; } | wc -c)
  printf '%-44s %s, %s bytes\n' "$label" "$(tail -n 1 "/tmp/$name.time")" "$bytes"
}

lines() { # MEGABYTES: as many lines of 50 bytes
  printf 'for i in range(%s): print("%%049d" %% i)' $(($1 * 20000))
}

"$program" -q -r cpu=1 -r mem=2g -t "$name" "$image" -c 'pass'
for _ in $(seq "$rounds"); do
  measured "ours: print(1)" "$program" -t "$name" "$image" -c 'print(1)'
done
for _ in $(seq "$rounds"); do
  measured "ours, --no-prelude: print(1)" "$program" --no-prelude -t "$name" "$image" -c 'print(1)'
done
for size in 20 100; do
  measured "ours: $size MB of lines" "$program" -t "$name" "$image" -c "$(lines "$size")"
  measured "ours, --transport poll: $size MB of lines" \
    "$program" --transport poll -t "$name" "$image" -c "$(lines "$size")"
done
if [ -n "${OFFICIAL:-}" ]; then
  for _ in $(seq "$rounds"); do
    measured "official: print(1)" "$OFFICIAL" run -q -t "$name" "$image" -c 'print(1)'
  done
  # This run is the last one: the client crashes on frames above 4 MiB and leaves the session stuck.
  measured "official: 20 MB of lines" timeout 120 "$OFFICIAL" run -q -t "$name" "$image" -c "$(lines 20)"
fi
rm -f "/tmp/$name.time" "/tmp/$name.err"
