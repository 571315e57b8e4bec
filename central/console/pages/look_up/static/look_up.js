// Look up: rooms are found while one types, and a revealed value shuts the form that asked for it.
"use strict";

const name_ = document.querySelector("[data-rooms]");

if (name_) {
  const target = document.getElementById(name_.dataset.rooms);
  const form = name_.form;
  let waiting = 0;

  async function find() {
    const body = new URLSearchParams({ room_name: name_.value });
    if (form.elements.community) body.set("community", form.elements.community.value);
    const answer = await fetch("/look-up/rooms", { method: "POST", body }).catch(() => null);
    if (answer?.ok) target.innerHTML = await answer.text();
    else liuhen.answered("centre", false);
  }

  name_.addEventListener("input", (event) => {
    if (event.isComposing) return; // a Chinese input method is still choosing
    clearTimeout(waiting);
    waiting = setTimeout(find, 150);
  });
  name_.addEventListener("compositionend", find);
}

document.body.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest("[data-reveals]");
  if (!form || !event.detail.successful) return;
  form.reset();
  form.closest("details").open = false;
});
