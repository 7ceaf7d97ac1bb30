#!/usr/bin/env bash
# Format, lint and documentation of the Rust binding as far as there are tools for them, then its tests against the
# library that LEOAM_LIBRARY names.
# usage: conformance_test.sh TARGET_DIR
set -euo pipefail
export CARGO_TARGET_DIR=$1
: "${LEOAM_MODELS:=$LEOAM_SOURCE_DIR/models}"
export LEOAM_MODELS
cd "$LEOAM_SOURCE_DIR/bindings/rust"

if command -v rustfmt >/dev/null && command -v cargo-fmt >/dev/null; then
  cargo fmt --check
else
  echo "SKIPPED: rustfmt is not installed, the format of the Rust files is not looked at"
fi
if command -v cargo-clippy >/dev/null; then
  cargo clippy --offline --quiet --workspace --all-targets -- -D warnings
else
  echo "SKIPPED: cargo-clippy is not installed, the Rust files are not linted"
fi
RUSTDOCFLAGS="-D warnings" cargo doc --offline --quiet --no-deps -p leoam -p leoam-sys
cargo test --offline --workspace
