#!/usr/bin/env bash
# Everything the tests need, then the tests. The last line is ctest's summary, summed over the builds that ran; the
# exit status is 0 only when all built and passed. What was skipped is listed above it.
# usage: scripts/test.sh [--sanitize | --full]
#   (default)    the optimised build, all tests but those labelled `long`
#   --sanitize   the same tests also with AddressSanitizer + UndefinedBehaviorSanitizer, and with ThreadSanitizer
#   --full       all that, the `long` tests, clang 14 with its linter, and a minute of fuzzing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

presets=(release)
deps=()
filter=(--label-exclude '^long$')
case ${1:-} in
  '') ;;
  --sanitize) presets=(asan tsan release) ;;
  --full)
    presets=(asan tsan clang debug release)
    deps=(--dev)
    filter=()
    ;;
  *) sed -n '4,7s/^# //p' "$0" >&2; exit 2 ;;
esac

scripts/deps.sh --bindings "${deps[@]}"
scripts/models.sh all
LEOAM_MODELS=$(realpath "${LEOAM_MODELS:-models}")
export LEOAM_MODELS PYTHONDONTWRITEBYTECODE=1

n_failed=0
n_run=0
skipped=
for preset in "${presets[@]}"; do
  echo "== $preset"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" --parallel "$(nproc)" -- --quiet
  log=build/$preset/ctest.log
  status=0
  ctest --preset "$preset" --parallel "$(nproc)" "${filter[@]}" 2>&1 | tee "$log" || status=$?
  if ! [[ $(grep 'tests failed out of' "$log") =~ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]]; then
    echo "test.sh: ctest gave no summary for $preset" >&2
    exit 1
  fi
  n_run=$((n_run + BASH_REMATCH[2]))
  n_failed=$((n_failed + BASH_REMATCH[1]))
  [ "$status" -eq 0 ] || [ "${BASH_REMATCH[1]}" -gt 0 ] || exit "$status"
  skipped+=$(sed -n "s/^\[  SKIPPED \] \(.*\) (.*/$preset \1/p" "build/$preset/Testing/Temporary/LastTest.log")$'\n'
  skipped+=$(sed -n "s/^.*Test *#[0-9]*: \([a-z0-9_]*\).*\*Skipped.*/$preset \1/p" "$log")$'\n'
done
if [ "${1:-}" = --full ]; then scripts/fuzz.sh 20; fi

skipped=$(sort -u <<<"$skipped" | sed '/^$/d')
[ -z "$skipped" ] || printf 'Skipped:\n%s\n' "$skipped"
printf '%d%% tests passed, %d tests failed out of %d\n' \
  $((n_run > 0 ? (n_run - n_failed) * 100 / n_run : 0)) "$n_failed" "$n_run"
[ "$n_failed" -eq 0 ] && [ "$n_run" -gt 0 ]
