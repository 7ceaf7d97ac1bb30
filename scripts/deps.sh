#!/usr/bin/env bash
# The one list of the distribution's packages that LeoAM needs (Debian 12). Does nothing when all are present.
# usage: scripts/deps.sh [--bindings] [--dev] [--print]
#   --bindings  also other languages, and the hosts that samples run in
#   --dev       also the second compiler, the linters and the fuzzing run-time
#   --print     list the packages, one a line, and install nothing
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config binutils  # build
  libfmt-dev libutf8proc-dev liburing-dev    # linked into the library
  libssl-dev libxxhash-dev libflatbuffers-dev
  flatbuffers-compiler                       # its schemas
  libcli11-dev nlohmann-json3-dev            # the command, and tests
  libargon2-dev                              # linked into the command only
  libgtest-dev                               # tests
  python3 python3-pip ca-certificates        # tests/tidy; scripts/models.sh
)
binding_packages=(
  swig luajit cargo openjdk-17-jdk-headless  # bindings, and their tests
  mono-mcs mono-runtime libmono-system-core4.0-cil
  neovim love xvfb                           # hosts of samples, in tests
)
dev_packages=(clang-14 libclang-rt-14-dev clang-tidy-14 clang-format-14)

print=false
for argument in "$@"; do
  case $argument in
    --bindings) packages+=("${binding_packages[@]}") ;;
    --dev) packages+=("${dev_packages[@]}") ;;
    --print) print=true ;;
    *) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
  esac
done
if $print; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "deps.sh: missing ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "deps.sh: installing ${missing[*]}"
# Quiet when all goes well; what apt says is shown when it does not.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" >"$log" 2>&1; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
  cat "$log" >&2
  echo "deps.sh: apt-get could not install ${missing[*]}" >&2
  exit 1
fi
