// Passkeys: what the centre asks for goes to the authenticator, and what that signs goes back.
"use strict";

const failed = document.getElementById("passkey-failed");

function bytesOf(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

function textOf(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
  return btoa(characters.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function known(credentials) {
  return (credentials ?? []).map((each) => ({ ...each, id: bytesOf(each.id) }));
}

async function sent(path, body) {
  const how = { method: "POST", headers: { "Content-Type": "application/json" } };
  const answer = await fetch(path, body === undefined ? how : { ...how, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

function said(credential) {
  const response = { clientDataJSON: textOf(credential.response.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = textOf(credential.response[part]);
  }
  return { id: credential.id, rawId: textOf(credential.rawId), type: credential.type, response };
}

async function made(options) {
  const user = { ...options.user, id: bytesOf(options.user.id) };
  const challenge = bytesOf(options.challenge);
  const excludeCredentials = known(options.excludeCredentials);
  return navigator.credentials.create({ publicKey: { ...options, user, challenge, excludeCredentials } });
}

async function used(options) {
  const allowCredentials = known(options.allowCredentials);
  const publicKey = { ...options, challenge: bytesOf(options.challenge), allowCredentials };
  return navigator.credentials.get({ publicKey });
}

async function asked(button) {
  const { passkey, path, next } = button.dataset;
  failed.hidden = true;
  button.disabled = true;
  try {
    const { options } = await sent(`${path}/options`);
    const answer = said(await (passkey === "make" ? made(options) : used(options)));
    const name = document.getElementById("passkey-name")?.value;
    await sent(path, passkey === "make" ? { answer, name: name || navigator.platform || "-" } : { answer });
    location.assign(next);
  } catch (error) {
    if (error.message === "401" && passkey === "make") location.assign("/sign-in/code"); // prove it again
    failed.hidden = false;
    button.disabled = false;
  }
}

const named = !/^[\d.]+$|:/.test(location.hostname); // a passkey belongs to a name, never to a number

if (window.PublicKeyCredential && named) {
  for (const part of document.querySelectorAll("[data-passkeys]")) part.hidden = false;
  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.addEventListener("click", () => asked(button));
  }
}
