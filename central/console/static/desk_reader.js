// A card laid on a desk reader that types like a keyboard: its number goes where a card is asked for, wherever the
// focus is, and sends nothing by itself unless it was laid into a field that says so (data-card="sends").
"use strict";

{
const SHORTEST = 8; // characters: four bytes of a card
const KEY_MS = 60; // on average; nobody types eight of them so fast
const ID_NUMBER = /^\d{17}[\dX]$/i;
const CARD_NUMBER = /^[\dA-F]{8,20}$/i; // what else is scanned, such as a case's number, is left alone
const WRITES = "liuhen-desk-reader"; // how this computer's reader writes numbers; kept in this browser alone

const readings = {
  hex: (text) => text,
  "hex-turned": turned,
  decimal: (text) => hexOf(text),
  "decimal-turned": (text) => turned(hexOf(text)),
};

function turned(hex) {
  return (hex.length % 2 ? `0${hex}` : hex).match(/../g).reverse().join("");
}

function hexOf(text) {
  return /^\d+$/.test(text) ? BigInt(text).toString(16).toUpperCase().padStart(8, "0") : text;
}

function asGatewaysWrite(text) {
  const writes = localStorage.getItem(WRITES);
  return ID_NUMBER.test(text) ? text : (readings[writes] ?? readings.hex)(text);
}

// --- what comes so fast that no hand typed it ------------------------------------------------------------

let burst = "";
let beganAt = 0;
let lastAt = 0;
let field = null; // where it was typed, and what stood there before
let before = "";

function forget() {
  burst = "";
}

function begin(event) {
  burst = "";
  beganAt = event.timeStamp;
  field = event.target.matches("input, textarea") ? event.target : null;
  before = field?.value ?? "";
}

function isCard(text, at) {
  const fast = text.length >= SHORTEST && (at - beganAt) / text.length <= KEY_MS;
  return fast && (CARD_NUMBER.test(text) || ID_NUMBER.test(text));
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return forget();
  if (event.key.length === 1) {
    if (!burst || event.timeStamp - lastAt > 2 * KEY_MS) begin(event);
    burst += event.key;
    lastAt = event.timeStamp;
  } else if (event.key === "Enter") {
    const text = burst.trim();
    forget();
    if (isCard(text, event.timeStamp)) taken(asGatewaysWrite(text), event);
  } else if (event.key !== "Shift") forget();
}, true);

// --- where it goes ---------------------------------------------------------------------------------------

function taken(number, event) {
  const target = targetOf(field);
  if (!target && field) return; // a page that asks for no card: what was typed is what was typed
  const sends = target && field === target && target.dataset.card === "sends";
  if (!sends) event.preventDefault();
  if (!target) liuhen.seek(number);
  else put(target, number);
  if (target && !sends) onward(target);
}

function targetOf(typed) {
  if (typed?.matches("[data-card]")) return typed;
  const open = document.querySelector("dialog[open]");
  const all = [...(open ?? document.getElementById("content")).querySelectorAll("[data-card]")];
  const line = typed?.closest("fieldset")?.querySelector("[data-card]");
  return line ?? all.find((each) => !each.value) ?? all[0] ?? null;
}

function put(target, number) {
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const picks = ID_NUMBER.test(number) ? target.dataset.idPicks : target.dataset.cardPicks;
  if (picks) {
    const [name, value] = picks.split(":");
    target.form.elements[name].value = value;
  }
  if (field && field !== target) field.value = before;
  target.value = number;
  target.dispatchEvent(new Event("input", { bubbles: true }));
  target.dispatchEvent(new Event("change", { bubbles: true }));
}

function onward(target) {
  target.focus();
  target.select();
}

// --- how the reader of this computer writes --------------------------------------------------------------

const choice = document.querySelector("[data-reader-writes]");
if (choice) {
  choice.value = localStorage.getItem(WRITES) ?? "hex";
  choice.addEventListener("change", () => localStorage.setItem(WRITES, choice.value));
}
}
