#!/usr/bin/env bash
# Compiles the public headers alone, as every language that they promise, with gcc and with clang when it is there.
# usage: header_test.sh C_INCLUDE CPP_INCLUDE
set -euo pipefail
include=$1 cpp_include=$2
strict=(-pedantic -Wall -Wextra -Wshadow -Wconversion -Werror -fsyntax-only)
use_c='leoam_error error; LEOAM_INIT(error); return (int)error.code + LEOAM_STOP;'
use_cpp='leoam::Instance instance; leoam::Model model(instance, ""); leoam::Session session(model);
  leoam::Request request = session.submit({.prompt = model.tokenize("a"), .max_tokens = 1});
  for (const leoam::Event& event : request) { if (event.token >= 0) return 1; }'

for compiler in gcc clang clang-14; do
  command -v "$compiler" >/dev/null || continue
  for standard in c99 c11; do
    for header in leoam.h types.h session.h request.h store.h api.h; do
      echo "$compiler $standard $header"
      printf '#include <leoam/%s>\nint main(void) { %s }\n' "$header" "$use_c" |
        "$compiler" -std="$standard" "${strict[@]}" -I "$include" -xc -
    done
  done
  for standard in c++11 c++17 c++20; do
    echo "$compiler $standard leoam.h"
    printf '#include <leoam/leoam.h>\nint main() { %s }\n' "$use_c" |
      "$compiler" -std="$standard" "${strict[@]}" -I "$include" -xc++ -
  done
  echo "$compiler c++20 leoam.hpp"
  printf '#include <leoam/leoam.hpp>\nint main() { %s }\n' "$use_cpp" |
    "$compiler" -std=c++20 "${strict[@]}" -I "$include" -I "$cpp_include" -xc++ -
done
