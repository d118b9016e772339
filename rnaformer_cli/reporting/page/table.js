"use strict";

const table = document.getElementById("records");
const filter = document.getElementById("filter");
const shown = document.getElementById("shown");
const all = document.getElementById("all");
const records = [...table.tBodies]; // in the order of the input
const headings = [...table.tHead.rows[0].cells];
const collator = new Intl.Collator("en", { numeric: true });

function setOpen(record, isOpen) {
  record.querySelector("[aria-expanded]").setAttribute("aria-expanded", isOpen);
  record.rows[1].hidden = !isOpen;
  if (isOpen) addTools(record);
}

function isOpen(record) {
  return !record.rows[1].hidden;
}

// Ascending, descending, and then as in the input. Records without a value stay at the end; those
// without pairs have no value for pairs and confidence.
function sort(heading) {
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  const order = next[heading.getAttribute("aria-sort")];
  for (const other of headings) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", order);
  const value = (record) => record.rows[0].cells[heading.cellIndex].dataset.value;
  const isNumber = heading.querySelector("button").dataset.kind === "number";
  const compare = isNumber ? (a, b) => a - b : collator.compare;
  const sign = order === "descending" ? -1 : 1;
  const sorted = [...records];
  if (order !== "none") {
    sorted.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * compare(a, b);
    });
  }
  table.append(...sorted);
}

function text(record) {
  return `${record.rows[0].textContent} ${record.querySelector(".bases").textContent}`;
}

let texts = null; // computed for the first search

const COMPARE = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

// The numeric comparisons in a filter, such as `confidence < 0.5`, and its remaining words.
function parseFilter(words) {
  const comparisons = [];
  const rest = words.replace(/([a-z]\w*)\s*(<=|>=|<|>|=)\s*(\d*\.?\d+)(?![\w.])/g, (all, name, sign, number) => {
    const heading = headings.find((one) => one.textContent.trim().toLowerCase() === name);
    if (heading?.querySelector("button").dataset.kind !== "number") return all;
    comparisons.push((record) => {
      const data = record.rows[0].cells[heading.cellIndex].dataset;
      const value = data.number ?? data.value; // records without pairs are sorted by an empty value
      return value !== "" && COMPARE[sign](Number(value), Number(number));
    });
    return "";
  });
  return [comparisons, rest.trim()];
}

function show() {
  texts ??= records.map((record) => text(record).toLowerCase());
  const [comparisons, wanted] = parseFilter(filter.value.toLowerCase());
  let count = 0;
  records.forEach((record, index) => {
    record.hidden = !(texts[index].includes(wanted) && comparisons.every((is) => is(record)));
    count += record.hidden ? 0 : 1;
  });
  shown.value = wanted || comparisons.length ? `${count} of ${records.length}` : "";
}

function openAll() {
  const visible = records.filter((record) => !record.hidden);
  const isAnyClosed = visible.some((record) => !isOpen(record));
  for (const record of visible) setOpen(record, isAnyClosed);
  all.textContent = isAnyClosed ? "Close all" : "Open all";
}

for (const record of records) {
  setOpen(record, false); // without this script, all are open
  record.querySelector("[aria-expanded]").addEventListener("click", () => {
    setOpen(record, !isOpen(record));
  });
}
for (const heading of headings) {
  heading.querySelector("button").addEventListener("click", () => sort(heading));
}
filter.addEventListener("input", show);
all.addEventListener("click", openAll);
