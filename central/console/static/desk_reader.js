// A card laid on a desk reader that types like a keyboard: its number goes where a card is asked for, wherever the
// focus is, and sends nothing by itself unless it was laid into a field that says so (data-card="sends"). On a page
// that asks for no card it is searched.
"use strict";

{
const SHORTEST = 8; // characters: four bytes of a card
const KEY_MS = 60; // on average; nobody types eight of them so fast
const ID_NUMBER = /^\d{17}[\dX]$/i;
const CARD_NUMBER = /^([\dA-F]{8,20}|\d{21,25})$/i; // what else is scanned is left alone
const ALL_DIGITS = /^\d+$/; // a case's number may be such, too: see isOfAnother
const UIDS = [ // 4, 7 and 10 bytes: the most digits that each has, in decimal and in hexadecimal
  [10, 8],
  [17, 14],
  [25, 20],
];
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
  if (!ALL_DIGITS.test(text)) return text;
  const hex = BigInt(text).toString(16);
  const [, whole] = UIDS.find(([decimal, long]) => text.length <= decimal && hex.length <= long) ?? [0, 0];
  return hex.padStart(whole, "0"); // a decimal says nothing of the zeros at its front
}

function writes() {
  const chosen = localStorage.getItem(WRITES);
  return chosen in readings ? chosen : "hex";
}

function asGatewaysWrite(text) {
  return (ID_NUMBER.test(text) ? text : readings[writes()](text)).toUpperCase();
}

// Digits alone of a length that no card has as this computer's reader writes it.
function isOfAnother(text) {
  if (!ALL_DIGITS.test(text) || ID_NUMBER.test(text)) return false;
  const decimal = writes().startsWith("decimal"); // which may leave out the zeros at the front of a byte or so
  return !UIDS.some(([most, hex]) => (decimal ? text.length <= most && text.length > most - 3 : text.length === hex));
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
  field = event.target.matches("input, textarea, select") ? event.target : null;
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
    if (isCard(text, event.timeStamp)) taken(text, event);
  } else if (event.key !== "Shift") forget();
}, true);

// --- where it goes ---------------------------------------------------------------------------------------

let laid = { field: null, number: "" }; // the last one

function taken(text, event) {
  const asksForIt = field?.matches("[data-card]");
  if (field?.type === "password" || (field && !asksForIt && isOfAnother(text))) return;
  const number = asGatewaysWrite(text);
  const all = cardFields();
  const target = targetOf(number, all);
  const sends = target && field === target && target.dataset.card === "sends";
  if (!sends) event.preventDefault();
  if (field && field !== target) restore();
  if (target) {
    put(target, number);
    laid = { field: target, number };
    if (!sends) onward(target);
  } else if (all.length) liuhen.toast(document.getElementById("toasts").dataset.full);
  else liuhen.seek(number);
}

function cardFields() {
  const around = document.querySelector("dialog[open]") ?? document.getElementById("content");
  const all = [...around.querySelectorAll("[data-card]")];
  return field?.matches("[data-card]") ? all.filter((each) => each.form === field.form) : all;
}

// Where the focus is, of its line, or the first that is empty. What another card filled is not filled anew: after one
// card the focus is still there when the next one is laid. Only a form with a single field takes the later one.
function targetOf(number, all) {
  const stood = (each) => (each === field ? before : each.value);
  if (all.includes(field)) {
    const again = field === laid.field && stood(field) === laid.number && number !== laid.number;
    if (!again || all.length === 1) return field;
  }
  const line = field?.closest("fieldset")?.querySelector("[data-card]");
  const empty = (each) => each && !stood(each);
  return all.find((each) => stood(each) === number) ?? (empty(line) ? line : all.find(empty)) ?? null;
}

function restore() {
  if (field.value === before) return;
  field.value = before;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function put(target, number) {
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const picks = ID_NUMBER.test(number) ? target.dataset.idPicks : target.dataset.cardPicks;
  if (picks) {
    const [name, value] = picks.split(":");
    target.form.elements[name].value = value;
  }
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
