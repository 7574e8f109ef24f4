#!/usr/bin/env bash
# The main job on real seasons, verb by verb. Usage: OPENBASKET_REAL_DATA=... OPENBASKET=... real.sh OUT
set -euo pipefail
out=${1:?folder to write to}
data=${OPENBASKET_REAL_DATA:?folder of the real play-by-play}
run=${OPENBASKET:-openbasket}
ws=$out/workspace
step() { echo; echo "\$ openbasket $*"; "$run" "$@"; }

mkdir -p "$out"
started=$(date +%s)
step import euroleague "$data/events/euroleague" "$data/events/eurocup" --into "$ws"
step check "$ws"
step label "$ws"
echo "import to labels: $(($(date +%s) - started)) s"
step split "$ws" --unseen-season 21-22 --unseen-league eurocup
step split "$ws" --audit
step statistics "$ws"
# A whole real game, filmed from its transcript, and a reel of one of its players.
step render "$ws" --game E2022-100
step reels "$ws" --subject P009733_euroleague_22_23 --events 12
step build "$ws"
step verify "$ws"
echo
echo "Done. Open $ws/videos/E2022-100.mp4 and $ws/BASKET/22-23/euroleague/P009733_22_23.mp4"
