"use strict";
// The page is whole without this: here the matrix learns to find rows by words and to sort them by a column.
const matrix = document.querySelector(".matrix");
const groups = [...matrix.querySelectorAll(".group")];
const cases = [...matrix.querySelectorAll(".case")];
const home = cases.map((row) => row.parentNode);

const words = document.getElementById("words");
const texts = new Map();
document.getElementById("tools").hidden = false;
words.addEventListener("input", () => {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const row of cases) {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    row.hidden = !wanted.every((word) => texts.get(row).includes(word));
    left += !row.hidden;
  }
  for (const group of groups) group.classList.toggle("empty", !group.querySelector(".case:not([hidden])"));
  document.getElementById("found").value = wanted.length ? `${left} of ${cases.length}` : "";
});

// How much of its bound a cell's error takes up; what is no number comes first, what was not measured last.
const number = (text) => Number(text.replace(/[✗~,\s]/g, "").replace("inf", "Infinity"));
const taken = (row, column) => {
  const cell = row.firstElementChild.children[column];
  const bound = cell.querySelector("i");
  if (!bound || cell.classList.contains("none")) return -1;
  const part = number(cell.firstChild.data) / number(bound.textContent);
  return Number.isNaN(part) ? Infinity : part;
};
const flat = matrix.appendChild(document.createElement("div"));
const columns = [...matrix.querySelectorAll(".head > span")].slice(1);
const buttons = columns.map((head, n) => {
  const button = document.createElement("button");
  button.type = "button";
  button.title = "Sort by how much of its bound the error takes up; again: as before";
  button.setAttribute("aria-pressed", "false");
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => sort(n));
  return button;
});

function sort(column) {
  const on = buttons[column].getAttribute("aria-pressed") === "false";
  buttons.forEach((button, n) => button.setAttribute("aria-pressed", String(on && n === column)));
  matrix.classList.toggle("flat", on);
  if (!on) return cases.forEach((row, n) => home[n].append(row));
  const known = new Map(cases.map((row) => [row, taken(row, column + 1)]));
  flat.append(...[...cases].sort((a, b) => known.get(b) - known.get(a)));
}
