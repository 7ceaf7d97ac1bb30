#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for a while, from the inputs in tests/fuzz/corpus (chat_template:
# the golden templates). New inputs go to build/fuzz/corpus; what crashes, leaks or takes too long goes to
# build/fuzz/failures and fails the run.
# usage: scripts/fuzz.sh SECONDS [NAME...]      NAME: that of a file in tests/fuzz (default: all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ${1:-} =~ ^[0-9]+$ ]] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
seconds=$1
shift

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.cc; do names+=("$(basename "$source" _fuzz.cc)"); done
fi

scripts/deps.sh --dev
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --parallel "$(nproc)" --target "${names[@]/%/_fuzz}"

failed=()
for name in "${names[@]}"; do
  corpus=build/fuzz/corpus/$name
  failures=build/fuzz/failures/$name
  seeds=tests/fuzz/corpus/$name
  [ "$name" != chat_template ] || seeds=tests/golden/chat_template/templates
  mkdir -p "$corpus" "$failures"
  echo "fuzz.sh: $name, $seconds s"
  # The limits are those that a hostile file must not break: a second of time, a bounded amount of memory.
  "build/fuzz/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=65536 \
    -print_final_stats=1 -artifact_prefix="$failures/" "$corpus" "$seeds" || failed+=("$name")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz.sh: failed: ${failed[*]} (inputs in build/fuzz/failures)" >&2
  exit 1
fi
