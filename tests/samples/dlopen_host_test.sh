#!/usr/bin/env bash
# The plug-in host with a real model. usage: dlopen_host_test.sh HOST LIBRARY SOURCE
set -euo pipefail
model=${LEOAM_MODELS:-$3/models}/SmolLM2-135M-Instruct.Q4_1.gguf
if ! [ -e "$model" ]; then
  echo "SKIPPED: $model is not there; run scripts/models.sh"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" "$2" "$model" "$folder"
