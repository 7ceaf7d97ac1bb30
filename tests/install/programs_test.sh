#!/usr/bin/env bash
# Installs into a folder outside the tree, moves it, and builds programs against it: with the CMake package, with
# pkg-config, in C and C++. Runs what it built.
# usage: programs_test.sh CMAKE SOURCE_DIR BUILD_DIR CC CXX
set -euo pipefail
cmake=$1 source=$2 build=$3 cc=$4 cxx=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$cmake" --install "$build" --prefix "$work/first" >/dev/null
mv first prefix  # nothing in it may know where it was
prefix=$work/prefix
if grep -rIl -e "$source" -e "$work/first" prefix; then
  echo "the files above name a folder of the machine that built them" >&2
  exit 1
fi

echo "== CMake package"
for language in c cpp; do
  cp -r "$source/samples/$language" "$language"
  "$cmake" -G Ninja -S "$language" -B "$language/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >/dev/null
  "$cmake" --build "$language/build" >/dev/null
  status=0
  "$language/build/answer" 2>usage.txt || status=$?
  [ "$status" -eq 2 ] && grep -q usage usage.txt
  status=0
  "$language/build/answer" "$work/absent.gguf" question 2>absent.txt || status=$?
  [ "$status" -eq 1 ] && grep -q not_found absent.txt
done

echo "== pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name leoam.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir leoam)
cp "$source/tests/install/version.c" "$source/tests/install/version.cc" .
read -ra flags <<<"$(pkg-config --cflags --libs leoam)"
"$cc" -std=c99 -pedantic -Wall -Wextra -Werror version.c "${flags[@]}" -Wl,-rpath,"$libdir" -o version_c
"$cxx" -std=c++20 -pedantic -Wall -Wextra -Werror version.cc "${flags[@]}" -Wl,-rpath,"$libdir" -o version_cc
[ "$(./version_c)" = "LeoAM $(pkg-config --modversion leoam | cut -d. -f1,2)" ]
./version_cc >/dev/null

echo "== command"
if [ -e "$prefix/bin/leoam" ]; then "$prefix/bin/leoam" --version; fi

model=${LEOAM_MODELS:-$source/models}/SmolLM2-135M-Instruct.Q4_1.gguf
if [ -e "$model" ]; then
  echo "== an answer"
  for language in c cpp; do
    "$language/build/answer" "$model" "How many days are in a week?" | tee answer.txt
    echo
    grep -q 7 answer.txt
  done
fi
