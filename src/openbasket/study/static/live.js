// Keeps the overview up to date.
"use strict";
setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch("/admin", { redirect: "error" }).catch(() => null);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page.getElementById("live");
  if (now) document.getElementById("live").replaceChildren(...now.childNodes);
}, 5000);
