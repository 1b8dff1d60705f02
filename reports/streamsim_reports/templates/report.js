"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, body, head, index));
  });
}

function sort(table, body, head, index) {
  const numeric = head.classList.contains("number");
  const before = head.getAttribute("aria-sort") ?? (numeric ? "ascending" : "descending");
  const upwards = before === "descending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
  const number = (cell) => (cell.dataset.sort ? Number(cell.dataset.sort) : NaN);
  const compare = (a, b) => {
    const [left, right] = upwards ? [a.cells[index], b.cells[index]] : [b.cells[index], a.cells[index]];
    if (!numeric) return left.textContent.trim().localeCompare(right.textContent.trim(), undefined, { numeric: true });
    // what is not known stays at the end, whichever way the rest is sorted
    const unknown = Number.isNaN(number(a.cells[index])) - Number.isNaN(number(b.cells[index]));
    return unknown || number(left) - number(right);
  };
  body.append(...[...body.rows].sort(compare));
}

const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = root.dataset.theme || system;
  root.dataset.theme = now === "dark" ? "light" : "dark";
});

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.of).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const each of closed) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
});
