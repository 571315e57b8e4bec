// Look up: rooms are found at the first pause in typing, and a revealed value shuts the form that asked for it,
// and is not offered again.
"use strict";

const PAUSE_MS = 100; // longer than between two keys of whoever types fast
const name_ = document.querySelector("[data-rooms]");

if (name_) {
  const target = document.getElementById(name_.dataset.rooms);
  const form = name_.form;
  let shown = asked(); // what the rooms below are found for
  let finding = false;

  function asked() {
    const body = new URLSearchParams({ room_name: name_.value });
    if (form.elements.community) body.set("community", form.elements.community.value);
    return body.toString();
  }

  // One question at a time, and another one for what was typed meanwhile.
  async function find() {
    if (finding) return;
    finding = true;
    try {
      while (shown !== asked()) {
        const wanted = asked();
        const body = new URLSearchParams(wanted);
        const answer = await fetch("/look-up/rooms", { method: "POST", body }).catch(() => null);
        if (!answer?.ok) {
          liuhen.answered("centre", false);
          return;
        }
        target.innerHTML = await answer.text();
        shown = wanted;
      }
    } finally {
      finding = false;
    }
  }

  // Whoever is still typing reads no rooms: they are found at the first pause.
  let pause;
  function findSoon() {
    clearTimeout(pause);
    pause = setTimeout(find, PAUSE_MS);
  }

  name_.addEventListener("input", (event) => {
    if (!event.isComposing) findSoon(); // a Chinese input method is still choosing
  });
  name_.addEventListener("compositionend", findSoon);
  form.elements.community?.addEventListener("change", find);

  // Nobody asks for a room that stood there for another name: the centre finds it by what is written.
  form.addEventListener("submit", () => {
    clearTimeout(pause);
    if (shown !== asked()) target.replaceChildren();
  });
}

// `toggle` does not bubble: it is caught on its way down.
document.addEventListener("toggle", ({ target }) => {
  if (!target.open || !target.dataset.reveal || target.querySelector("form")) return;
  const form = document.getElementById("reveal-form").content.firstElementChild.cloneNode(true);
  const hidden = target.dataset.fields.split(" ");
  form.elements.record.value = target.dataset.reveal;
  for (const option of [...form.elements.field.options]) if (!hidden.includes(option.value)) option.remove();
  // A name that is revealed here is shown at the other entries with the same mark, too.
  for (const other of document.querySelectorAll(`[data-reveal][data-alias="${target.dataset.alias}"]`)) {
    if (other === target) continue;
    const beside = document.createElement("input");
    Object.assign(beside, { type: "hidden", name: "beside", value: other.dataset.reveal });
    form.append(beside);
  }
  form.setAttribute("hx-target", `#revealed-${target.dataset.reveal}`);
  target.append(form);
  htmx.process(form);
}, true);

document.body.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest("[data-reveals]");
  if (!form || !event.detail.successful) return;
  // What was refused is told below the form, which keeps what was typed.
  if (document.querySelector(form.getAttribute("hx-target")).lastElementChild?.matches(".error")) return;
  form.reset();
  const asked = form.closest("details");
  asked.open = false;
  asked.querySelector("summary").focus();
  withoutWhatIsShown();
});

document.body.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.target.closest("[data-reveals]");
  if (form) document.querySelectorAll(`${form.getAttribute("hx-target")} > .error`).forEach((each) => each.remove());
});

// What an entry shows already is not offered there again.
function withoutWhatIsShown() {
  for (const details of document.querySelectorAll("[data-reveal]")) {
    const shown = document.querySelectorAll(`#revealed-${details.dataset.reveal} > [data-field]`);
    const fields = new Set(details.dataset.fields.split(" "));
    for (const each of shown) fields.delete(each.dataset.field);
    details.dataset.fields = [...fields].join(" ");
    if (fields.size === 0) details.remove();
    for (const option of details.querySelectorAll("option")) if (!fields.has(option.value)) option.remove();
  }
}
