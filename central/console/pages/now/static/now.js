// Now, beside htmx: no row twice, no endless list, and a word when it does not move any more.
"use strict";

const rows = document.getElementById("rows"); // none where the role sees no entries

function beginAgain() {
  location.reload(); // the centre has another database: what is shown here is not in it
}

document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
  const fresh = new DOMParser().parseFromString(event.detail.data, "text/html").querySelector("li[id]");
  if (fresh && document.getElementById(fresh.id)) event.preventDefault();
});

document.body.addEventListener("htmx:sseMessage", () => {
  while (rows.children.length > Number(rows.dataset.kept)) rows.lastElementChild.remove();
});

document.body.addEventListener("htmx:sseOpen", (event) => {
  liuhen.answered("entries", true);
  event.detail.source.addEventListener("again", beginAgain);
  event.detail.source.addEventListener("passed", () => (document.getElementById("passed").hidden = false));
});
document.body.addEventListener("htmx:sseError", () => liuhen.answered("entries", false));

// --- parts that are asked for again and again: what has not changed is left alone, and so are focus and scrolling

const shown = new Map(); // what each part said last, by its id

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target, serverResponse, requestConfig } = event.detail;
  if (!target.matches("#alarms, #map, #gateways")) return;
  if (requestConfig.verb === "get" && shown.get(target.id) === serverResponse) event.detail.shouldSwap = false;
  shown.set(target.id, serverResponse);
  target.dataset.scrolled = target.querySelector("ul")?.scrollTop ?? 0;
});

document.body.addEventListener("htmx:afterSettle", (event) => {
  const { target, requestConfig } = event.detail;
  if (target?.id !== "alarms") return;
  for (const each of target.querySelectorAll("[data-toast]")) {
    liuhen.toast(each.querySelector("span").textContent); // outlasts the next answer
    each.remove();
  }
  const list = target.querySelector("ul");
  if (list) list.scrollTop = Number(target.dataset.scrolled);
  if (requestConfig?.verb === "post") (target.querySelector(".undoable button") ?? list)?.focus();
});

if (typeof htmx === "undefined") document.getElementById("still").hidden = false;

const filter = document.querySelector("[data-filter]");
filter?.addEventListener("change", () => filter.requestSubmit());
