/* The page to talk from: a button, what both sides sound like, a keypad. */
"use strict";

const at = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const keys = [..."123456789*0#"].map((digit) => {
  const key = Object.assign(document.createElement("button"), { type: "button", textContent: digit, disabled: true });
  key.onclick = () => window.current && window.current.press(digit);
  at("keys").append(key);
  return key;
});

Trunkline.button(
  { label: "Talk", transport: asked.get("transport") || "auto", ticket: asked.get("ticket") || "" },
  (box) => at("here").append(box),
);
document.addEventListener("trunkline", ({ detail }) => {
  window.current = detail.call;
  keys.forEach((key) => { key.disabled = detail.state !== "talking"; });
  const ways = { webrtc: "Sound goes over WebRTC (Opus).", websocket: "Sound goes over a WebSocket (PCM, 16 kHz)." };
  at("way").textContent = detail.state === "talking" ? ways[detail.call.transport] || "" : "";
});
setInterval(() => {
  const call = window.current;
  at("mine").value = call && !call.over ? Trunkline.level(call.mine) : 0;
  at("theirs").value = call && !call.over ? Trunkline.level(call.theirs) : 0;
}, 80);
