#!/usr/bin/env bash
# SkillQuery on the rendered benchmark, beside others, without its parts, on unseen leagues and on real ones; goes
# on where it was stopped. Usage: OPENBASKET=... [OPENBASKET_REAL_DATA=...] skillquery.sh FOLDER
# (about 25 GB, and hours on two cores; without real play-by-play that part is left out, and said)
set -euo pipefail
out=${1:?folder to write to}
run=${OPENBASKET:-openbasket}
data=$out/reels real=$out/real
played=${OPENBASKET_REAL_DATA:-} failed=0
here=$(cd "$(dirname "$0")" && pwd)
step() { echo; echo "\$ openbasket $*"; "$run" "$@"; }
tables() { # DATA SUITE RESULTS
  step benchmark --data "$1" --suite "$2" --out "$3" || failed=1 # of one model; the others have their rows
  cp "$3/$2.json" "$3/$2.md" "$here/results/"
}

mkdir -p "$out"
made_of=$(sha256sum < "$here/../src/openbasket/rendered/v1.toml" | cut -d' ' -f1)
grep -qs "$made_of" "$data/openbasket/rendered.json" || step rendered "$data" --benchmark v1
test -f "$data/openbasket/ceiling.json" || step ceiling "$data"
for suite in rendered rendered-ablations rendered-unseen rendered-frames; do
  tables "$data" "$suite" "$out/results"
done
cp "$data/openbasket/ceiling.json" "$here/results/rendered-ceiling.json"
cp "$out/results/skillquery/lessons/pretrain_report.json" "$here/results/rendered-lessons.json"
cp "$out/results/more-lessons/lessons/pretrain_report.json" "$here/results/rendered-more-lessons.json"

if [ ! -d "$played/events/euroleague" ] || [ ! -d "$played/events/aba" ]; then
  echo "No play-by-play of EuroLeague and ABA at '$played' (OPENBASKET_REAL_DATA): rendered-real is left out." >&2
  exit "$failed"
fi
if [ ! -f "$real/openbasket/rendered.json" ]; then
  euroleague=$played/events/euroleague aba=$played/events/aba
  step import euroleague "$euroleague"/{header,{playbyplay,boxscore,points}_{2020,2021}}.parquet --into "$real"
  step import aba "$aba"/{main_info,{play_by_play,box_score,shots}_2021-22}.parquet --into "$real"
  step label "$real"
  step split "$real" --unseen-league aba --by-name
  step rendered "$real" --real
fi
test -f "$real/openbasket/ceiling.json" || step ceiling "$real"
tables "$real" rendered-real "$out/results-real"
cp "$real/openbasket/ceiling.json" "$here/results/rendered-real-ceiling.json"
exit "$failed"
