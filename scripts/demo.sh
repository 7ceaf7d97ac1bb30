#!/usr/bin/env bash
# From a bare Debian 12 to an answer: installs what the build needs, builds the leoam command, fetches a small model
# and asks it about a document of 7,600 tokens, the GNU General Public License that every Debian carries. Twice: with
# full attention and all KV in RAM; with a tenth of that RAM, the rest on disk, and a tenth of the KV attended to.
# Then it times both over the same document and writes a page with charts, which takes two to three minutes.
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
figures=$(mktemp -d)
trap 'rm -rf "$figures"' EXIT

# answer_to NAME argument ...: asks; the figures are kept under the name.
answer_to() {
  local name=$1
  shift
  echo
  echo "leoam ask $model --document $document $* \"$question\""
  build/release/leoam ask "$model" --document "$document" "$@" --audit --json "$question" >"$figures/$name"
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["answer"].strip())' "$figures/$name"
}
answer_to exact
tenth=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["host_kv_peak_bytes"] // 10)' "$figures/exact")
answer_to leoam --policy leoam --host-budget "$tenth"

python3 - "$figures/exact" "$figures/leoam" <<'PYTHON'
import json, sys

answers = [json.load(open(path)) for path in sys.argv[1:]]
rows = [
    ("", "exact, all in RAM", "leoam, a tenth of it"),
    ("tokens per second", *(f"{a['stats']['decode_tokens_per_second']:.1f}" for a in answers)),
    ("first token after, s", *(f"{a['stats']['time_to_first_token_us'] / 1e6:.1f}" for a in answers)),
    ("KV cache, MB", *(f"{a['kv_bytes'] / 1e6:.1f}" for a in answers)),
    ("of it in RAM at most, MB", *(f"{a['host_kv_peak_bytes'] / 1e6:.1f}" for a in answers)),
    ("read from disk, MB", *(f"{a['disk_read_bytes'] / 1e6:.1f}" for a in answers)),
    ("attended to", *(f"{100 * (a['selection'] or {}).get('attended_share', 1):.1f} %" for a in answers)),
    ("of attention captured by that", *(f"{100 * (a['selection'] or {}).get('captured_mass', 1):.1f} %" for a in answers)),
    ("of attention certainly in it", *(f"{100 * (a['selection'] or {}).get('mean_coverage', 1):.1f} %" for a in answers)),
]
print()
for name, *values in rows:
    print(f"{name:<30}" + "".join(f"{value:>24}" for value in values))
PYTHON

report=build/release/demo.html
echo
echo "leoam bench $model --text-file $document --context 7600 --policy exact,leoam --host-budget all,10% ..."
build/release/leoam bench "$model" --text-file "$document" --context 7600 --policy exact,leoam --host-budget all,10% \
  --generate 12 --repeat 5 --report "$report" --picture "${report%.html}.svg"
echo
echo "The page with charts: $PWD/$report"
