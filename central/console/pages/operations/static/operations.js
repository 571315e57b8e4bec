// The form of a command: only the fields that count for what is chosen. Without scripts all of them stand there.
"use strict";

const action = document.querySelector("select[data-with-door]");

function fit() {
  for (const [field, takes] of [["door", action.dataset.withDoor], ["minutes", action.dataset.withMinutes]]) {
    document.getElementById(field).closest(".field").hidden = !takes.split(" ").includes(action.value);
  }
}

if (action) {
  action.addEventListener("change", fit);
  window.addEventListener("pageshow", fit); // a browser that goes back puts in again what was chosen
  fit();
}
