// The live page beside htmx: no row twice, no endless list, and a word when the connection is lost.
"use strict";

const rows = document.getElementById("rows");
const banner = document.getElementById("offline");
const kept = Number(rows.dataset.kept);

function connected(yes) {
  banner.hidden = yes;
}

document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
  const fresh = new DOMParser().parseFromString(event.detail.data, "text/html").querySelector("li[id]");
  if (fresh && document.getElementById(fresh.id)) event.preventDefault();
});

document.body.addEventListener("htmx:sseMessage", () => {
  while (rows.children.length > kept) rows.lastElementChild.remove();
});

document.body.addEventListener("htmx:sseOpen", () => connected(true));
document.body.addEventListener("htmx:sseError", () => connected(false));
document.body.addEventListener("htmx:sendError", () => connected(false));
document.body.addEventListener("htmx:responseError", () => connected(false));
document.body.addEventListener("htmx:afterOnLoad", () => connected(true));
