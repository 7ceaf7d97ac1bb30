#!/usr/bin/env bash
# A smallest program answers, and says what is wrong with a model that is not there.
# usage: answer_test.sh SOURCE PROGRAM [ARGUMENT ...]
set -euo pipefail
model=${LEOAM_MODELS:-$1/models}/SmolLM2-135M-Instruct.Q4_1.gguf
shift
if ! [ -e "$model" ]; then
  echo "SKIPPED: $model is not there; run scripts/models.sh"
  exit 77
fi
XDG_STATE_HOME=$(mktemp -d)
export XDG_STATE_HOME
trap 'rm -rf "$XDG_STATE_HOME"' EXIT
answer=$("$@" "$model" "What is a lighthouse for?")
echo "$answer"
[ ${#answer} -gt 20 ]
if wrong=$("$@" /nowhere.gguf "Anything?" 2>&1); then
  echo "it did not fail without a model"
  exit 1
fi
grep -q /nowhere.gguf <<<"$wrong"
