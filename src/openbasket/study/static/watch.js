// Reports how far the video was played, keeps playback from running ahead, and opens the way on.
"use strict";
(() => {
  const video = document.getElementById("video");
  const { form, duration, enough, fastest } = video.dataset;
  const go = document.getElementById("go");
  const play = document.getElementById("play");
  const say = (text) => { const state = document.getElementById("state"); if (state.textContent !== text) state.textContent = text; };
  let reached = Number(video.dataset.reached); // as far as it was played without a gap
  let counted = reached; // what the server has agreed to
  let sending = false;

  document.getElementById("player").hidden = false;
  go.disabled = true;
  document.getElementById("why").hidden = false;

  function show() {
    const share = Math.min(100, Math.floor(100 * counted / Number(enough)));
    document.getElementById("watched").value = share;
    document.getElementById("share").textContent = share + " %";
    if (go.disabled && counted >= Number(enough)) { go.disabled = false; document.getElementById("why").hidden = true; say("You can go on."); }
  }

  async function report() {
    if (sending) return;
    sending = true;
    try {
      const answer = await fetch("/study/beat", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ form, position: reached, speed: video.paused ? 0 : video.playbackRate }),
      });
      if (answer.status === 409) { location.reload(); return; } // watched in another tab
      if (!answer.ok) throw new Error(String(answer.status));
      counted = Math.max(counted, (await answer.json()).reached);
      if (go.disabled) say("");
      show();
    } catch {
      say("The connection is lost. Keep this page open; it goes on by itself.");
    } finally {
      sending = false;
    }
  }

  video.addEventListener("timeupdate", () => {
    if (video.seeking) return;
    const now = video.currentTime;
    if (now > reached && now - reached < 2.5) reached = now;
  });
  video.addEventListener("seeking", () => {
    if (video.currentTime > reached + 1) {
      video.currentTime = reached;
      say("You can go back, but not ahead of what you have watched.");
    }
  });
  video.addEventListener("ratechange", () => {
    if (video.playbackRate > Number(fastest)) video.playbackRate = Number(fastest);
  });
  video.addEventListener("ended", () => { reached = Math.max(reached, video.duration || 0); report(); });
  video.addEventListener("pause", report);
  video.addEventListener("play", () => { play.textContent = "Pause"; });
  video.addEventListener("pause", () => { play.textContent = "Play"; });
  video.addEventListener("error", () => say("The video cannot be played. Load the page again; if that does not help, tell us."));
  play.addEventListener("click", () => { if (video.paused) video.play(); else video.pause(); });
  document.getElementById("back").addEventListener("click", () => { video.currentTime = Math.max(0, video.currentTime - 10); });
  document.getElementById("speed").addEventListener("change", (event) => { video.playbackRate = Number(event.target.value); });
  video.addEventListener("loadedmetadata", () => { if (reached > 1 && reached < Number(duration) - 1) video.currentTime = reached; });
  setInterval(report, 5000);
  report();
  show();
})();
