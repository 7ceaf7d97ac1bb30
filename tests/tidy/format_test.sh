#!/usr/bin/env bash
# Every C and C++ file is as clang-format leaves it. Skipped (77) where clang-format 14 is not installed: another
# version breaks lines elsewhere.
set -euo pipefail
cd "$1"
command -v clang-format-14 >/dev/null || { echo "clang-format-14 is not installed (scripts/deps.sh --dev)"; exit 77; }
folders=()
for folder in bindings c_api kernels runtime samples sdk tests; do [ ! -d "$folder" ] || folders+=("$folder"); done
wrong=$(find "${folders[@]}" -type f \( -name '*.cc' -o -name '*.c' -o -name '*.h' -o -name '*.hpp' \) -print0 |
  xargs -0 clang-format-14 --dry-run 2>&1 | sed -n 's/:.*code should be clang-formatted.*//p' | sort -u)
[ -z "$wrong" ] || { printf 'run clang-format-14 -i on:\n%s\n' "$wrong"; exit 1; }
