// Says whether a name is free while it is typed. Without this script, the form says it when it is sent.
"use strict";
const PAUSE_MILLISECONDS = 400;
const field = document.getElementById("name");
const verdict = document.getElementById("verdict");
let timer;
let latest = 0;

async function look(wished, number) {
  const query = new URLSearchParams({ wished, lang: document.documentElement.lang });
  let found = { state: "", text: "" };
  try {
    const answer = await fetch(`/name?${query}`);
    if (answer.ok) found = await answer.json();
  } catch {
    // Nothing is said; the form is checked when it is sent.
  }
  if (number !== latest) return;
  verdict.textContent = found.text;
  verdict.dataset.state = found.state;
}

if (field && !field.readOnly) {
  field.addEventListener("input", () => {
    clearTimeout(timer);
    latest += 1;
    const number = latest;
    const wished = field.value;
    verdict.textContent = "";
    if (wished.trim()) timer = setTimeout(() => look(wished, number), PAUSE_MILLISECONDS);
  });
}
