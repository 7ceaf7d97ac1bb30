#!/usr/bin/env bash
# Runs the conformance tests and keeps what they leave behind in a folder of its own. What the JVM's own checks say,
# when they are asked for, is a failure.
# usage: conformance.sh JAVA CLASSPATH OLD_LIBRARY [JVM option ...]
set -euo pipefail
java=$1 classpath=$2 old=$3
shift 3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export XDG_STATE_HOME=$folder/state XDG_CACHE_HOME=$folder/cache LC_ALL=C.UTF-8
code=0
"$java" "$@" -ea -Xmx512m -Dleoam.test.old="$old" -cp "$classpath" io.leoam.Conformance 2>&1 |
  tee "$folder/output" || code=${PIPESTATUS[0]}
if grep -nE 'WARNING in native method|WARNING: JNI|FATAL ERROR in native|exceeds capacity' "$folder/output"; then
  echo "the JVM warns of a wrong use of JNI: see above"
  exit 1
fi
exit "$code"
