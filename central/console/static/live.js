// The live page beside htmx: no row twice, no endless list, and a word when it does not move any more.
"use strict";

const rows = document.getElementById("rows");
const kept = Number(rows.dataset.kept);
const silent = new Set(); // which of our two ways to the centre do not answer: entries, gateways

function answered(way, yes) {
  if (yes) silent.delete(way);
  else silent.add(way);
  document.getElementById("offline").hidden = silent.size === 0;
}

function beginAgain() {
  location.reload(); // the centre has another database: what is shown here is not in it
}

document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
  const fresh = new DOMParser().parseFromString(event.detail.data, "text/html").querySelector("li[id]");
  if (fresh && document.getElementById(fresh.id)) event.preventDefault();
});

document.body.addEventListener("htmx:sseMessage", () => {
  while (rows.children.length > kept) rows.lastElementChild.remove();
});

document.body.addEventListener("htmx:sseOpen", (event) => {
  answered("entries", true);
  event.detail.source.addEventListener("again", beginAgain);
});
document.body.addEventListener("htmx:sseError", () => answered("entries", false));
document.body.addEventListener("htmx:afterRequest", (event) => answered("gateways", event.detail.successful));

if (typeof htmx === "undefined") document.getElementById("still").hidden = false;
