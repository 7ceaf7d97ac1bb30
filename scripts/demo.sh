#!/usr/bin/env bash
# From a bare Debian 12 to an answer: installs what the build needs, builds the leoam command, fetches a small model
# and asks it about a document of 7,600 tokens, the GNU General Public License that every Debian carries. Twice: with
# full attention and all KV in RAM; with a tenth of that RAM, the rest on disk, and a tenth of the KV attended to.
# usage: scripts/demo.sh ["another question"]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

document=/usr/share/common-licenses/GPL-3
question=${1:-Who published this license, and when?}

scripts/deps.sh
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$(nproc)" --target leoam_cli
scripts/models.sh smollm2

model=${LEOAM_MODELS:-models}/SmolLM2-135M-Instruct.Q4_1.gguf
ask() {
  echo
  echo "leoam ask $model --document $document $* \"$question\""
  build/release/leoam ask "$model" --document "$document" "$@" "$question"
}
ask
ask --policy leoam --host-budget 18MiB
