#!/usr/bin/env bash
# SkillQuery on the rendered benchmark, beside others and without its parts; goes on where it was stopped.
# Usage: OPENBASKET=... skillquery.sh FOLDER   (about 15 GB, and hours on two cores)
set -euo pipefail
out=${1:?folder to write to}
run=${OPENBASKET:-openbasket}
data=$out/reels
here=$(cd "$(dirname "$0")" && pwd)
step() { echo; echo "\$ openbasket $*"; "$run" "$@"; }

mkdir -p "$out"
test -f "$data/openbasket/rendered.json" || step rendered "$data" --benchmark v1
test -f "$data/openbasket/ceiling.json" || step ceiling "$data"
for suite in rendered rendered-ablations; do
  step benchmark --data "$data" --suite "$suite" --out "$out/results"
  cp "$out/results/$suite.json" "$here/results/$suite.json"
  cp "$out/results/$suite.md" "$here/results/$suite.md"
done
cp "$data/openbasket/ceiling.json" "$here/results/rendered-ceiling.json"
cp "$out/results/skillquery/lessons/pretrain_report.json" "$here/results/rendered-lessons.json"
