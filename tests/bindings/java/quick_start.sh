#!/usr/bin/env bash
# Compiles and runs the first Java program of the README, as somebody would who copies it.
# usage: quick_start.sh JAVAC JAVA JAR README
set -euo pipefail
javac=$1 java=$2 jar=$3 readme=$4
model=${LEOAM_MODELS:-$LEOAM_SOURCE_DIR/models}/SmolLM2-135M-Instruct.Q4_1.gguf
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed -n '/^```java$/,/^```$/{/^```/d;p};/^```$/q' "$readme" >"$folder/QuickStart.java"
lines=$(wc -l <"$folder/QuickStart.java")
[ "$lines" -ge 5 ] && [ "$lines" -le 15 ] || { echo "$readme: the quick start has $lines lines, not 5 to 15"; exit 1; }
"$javac" -Xlint:all -Werror -cp "$jar" -d "$folder" "$folder/QuickStart.java"
[ -r "$model" ] || { echo "SKIPPED: $model is not there: scripts/models.sh brings it"; exit 77; }
export XDG_CACHE_HOME=$folder/cache XDG_STATE_HOME=$folder/state
answer=$("$java" -cp "$jar:$folder" QuickStart "$model")
printf '%s\n' "$answer"
[ "${#answer}" -ge 10 ] || { echo "the quick start says nothing"; exit 1; }
