// What every page does: dialogs, the command palette, toasts, menus, and a word when the centre is silent.
"use strict";

{ // pages have names of their own; what they may call stands in `liuhen`
const palette = document.getElementById("palette");
const offline = document.getElementById("offline");
const toasts = document.getElementById("toasts");

// What was done is said once, and not again when the page is loaded again.
const address = new URL(location.href);
if (address.searchParams.has("done")) {
  address.searchParams.delete("done");
  history.replaceState(null, "", address);
}

// --- dialogs and menus -----------------------------------------------------------------------------------

function opened(id) {
  const dialog = document.getElementById(id);
  if (dialog.open) return;
  dialog.showModal();
  if (dialog === palette) seek();
}

document.addEventListener("click", (event) => {
  const { target } = event;
  const opener = target.closest("[data-opens]");
  if (opener) opened(opener.dataset.opens);
  else if (target.closest("[data-closes]") || target.matches("dialog[open]")) target.closest("dialog")?.close();
  else if (target.closest("[data-dismiss]")) target.closest("[data-toast]").remove();
  else if (target.closest("[data-prints]")) window.print();
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    opened("palette");
  }
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
});

// --- the palette: what is typed goes by POST, so that no name ever stands in an address ----------------

const seeking = palette.querySelector("[data-palette]");
const typed = seeking.elements.text;
const foundHere = document.getElementById("palette-found");
let waiting = 0;
let asked = 0;

function seekFor(text) {
  opened("palette");
  typed.value = text;
  seek();
}

async function seek() {
  const mine = ++asked;
  const answer = await fetch("/find", { method: "POST", body: new URLSearchParams({ text: typed.value }) }).catch(() => null);
  if (mine !== asked) return;
  if (answer?.ok) foundHere.innerHTML = await answer.text();
  else foundHere.textContent = toasts.dataset.broken;
}

typed.addEventListener("input", (event) => {
  if (event.isComposing) return; // a Chinese input method is still choosing
  clearTimeout(waiting);
  waiting = setTimeout(seek, 120);
});
typed.addEventListener("compositionend", seek);
seeking.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearTimeout(waiting);
  await seek(); // what stands there may be from before the last letters
  foundHere.querySelector("a")?.click();
});
palette.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const stops = [typed, ...foundHere.querySelectorAll("a")];
  const step = event.key === "ArrowDown" ? 1 : stops.length - 1;
  stops[(stops.indexOf(document.activeElement) + step) % stops.length].focus();
  event.preventDefault();
});

// --- where one is stays in sight, on a phone too -------------------------------------------------------

function showWhereOneIs() {
  for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
    const row = tab.parentElement;
    const right = tab.offsetLeft - row.offsetLeft + tab.offsetWidth;
    if (right > row.clientWidth) row.scrollLeft = right - (row.clientWidth + tab.offsetWidth) / 2;
  }
}

window.addEventListener("resize", showWhereOneIs);
showWhereOneIs();

// --- the other language keeps the question -------------------------------------------------------------

for (const link of document.querySelectorAll(".languages a")) {
  const query = new URLSearchParams(location.search);
  query.set("lang", new URLSearchParams(link.getAttribute("href")).get("lang"));
  link.search = query;
}

// --- toasts ----------------------------------------------------------------------------------------------

function toast(text) {
  const made = document.createElement("div");
  made.className = "toast";
  made.dataset.toast = "";
  made.textContent = text;
  toasts.append(made);
  setTimeout(() => made.remove(), 8000);
}

for (const each of document.querySelectorAll("[data-toast]")) {
  toasts.append(each);
  if (!each.querySelector("form")) setTimeout(() => each.remove(), 8000);
}

// --- a text that is copied -------------------------------------------------------------------------------

function mark(text) {
  const range = document.createRange();
  range.selectNodeContents(text);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

// Where the browser gives no clipboard, as without HTTPS or without leave, the text is marked, and it is
// tried the older way; where that does not go either, whoever reads copies what is marked.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text.textContent);
    return true;
  } catch {
    mark(text);
    return document.execCommand("copy");
  }
}

for (const box of document.querySelectorAll("[data-copied]")) {
  const button = box.querySelector("[data-copies]");
  const text = box.querySelector("code");
  const told = box.querySelector("[role=status]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    told.textContent = "";
    told.textContent = (await copied(text)) ? told.dataset.done : told.dataset.marked;
  });
}

// --- silence ---------------------------------------------------------------------------------------------

const silent = new Set(); // which of a page's ways to the centre do not answer

function answered(way, yes) {
  if (yes) silent.delete(way);
  else silent.add(way);
  offline.hidden = silent.size === 0;
}

window.addEventListener("offline", () => answered("network", false));
window.addEventListener("online", () => answered("network", true));
document.body.addEventListener("htmx:sendError", () => answered("centre", false));
document.body.addEventListener("htmx:timeout", () => answered("centre", false));
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr?.status) answered("centre", true);
});
document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status !== 401) toast(toasts.dataset.broken);
});

// --- a file to keep: its answer leads nowhere, and brings a cookie that says no more than that it was made -----

const MADE = "liuhen-file-"; // and the number it was asked for with: several may be made at a time
const LOOK_MS = 250;
const LONGEST_MS = 600000; // a case file of 100,000 entries takes some minutes

function saysWhenMade(asks, attribute) {
  const told = document.getElementById(asks.dataset.file);
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  const number = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const address = new URL(asks.getAttribute(attribute), location.href);
  address.searchParams.set("file", number);
  asks.setAttribute(attribute, address.pathname + address.search);
  told.textContent = "";
  const began = Date.now();
  const looking = setInterval(() => {
    const made = document.cookie.split("; ").includes(`${MADE}${number}=1`);
    if (made || Date.now() - began > LONGEST_MS) clearInterval(looking);
    if (!made) return;
    document.cookie = `${MADE}${number}=; Max-Age=0; Path=/; SameSite=Strict`;
    told.textContent = told.dataset.made;
  }, LOOK_MS);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-file]");
  if (link) saysWhenMade(link, "href");
});

// --- what is sent: once, and with a sign of life ---------------------------------------------------------

const SLOW_MS = 300; // sooner answered, and nothing flickers
const STUCK_MS = 20000; // the browser was told to stop, and stayed
const FILE_MS = 2000; // what leads nowhere, but to a file that is kept (data-file), can be asked for again soon

function free(form) {
  form.removeAttribute("aria-busy");
  document.documentElement.classList.remove("waits");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog" || form.closest("[hx-post], [hx-get]")) return;
  if (silent.has("network")) {
    event.preventDefault(); // else the browser shows a page of its own, and what was typed is gone
    toast(toasts.dataset.unsent);
  } else if (form.hasAttribute("aria-busy")) event.preventDefault();
  else {
    form.setAttribute("aria-busy", "true");
    if (form.dataset.file) saysWhenMade(form, "action");
    setTimeout(() => form.hasAttribute("aria-busy") && document.documentElement.classList.add("waits"), SLOW_MS);
    // A file that opens a tab of its own takes long: it is not asked for twice.
    setTimeout(free, "file" in form.dataset && !form.target ? FILE_MS : STUCK_MS, form);
  }
});

window.addEventListener("pageshow", () => document.querySelectorAll("form[aria-busy]").forEach(free));

window.liuhen = { answered, toast, seek: seekFor };
}
