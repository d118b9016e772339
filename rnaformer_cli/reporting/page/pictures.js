// Tools of an open record: copy its structure; save, zoom, move and query its pictures.

const SVG = "http://www.w3.org/2000/svg";
const INKSCAPE = "http://www.inkscape.org/namespaces/inkscape";
const PNG_SCALE = 3; // pixels of a PNG for each pixel of the picture, if it is not too large
const PNG_LIMIT = 8000; // pixels of a side
const tip = document.createElement("div");
tip.className = "tip";
tip.setAttribute("role", "status");
tip.hidden = true;
document.body.append(tip);

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function fileName(record, end) {
  const name = record.rows[0].cells[0].dataset.value.replace(/[^\w.-]+/g, "_").slice(0, 100);
  return `${name || "record"}${end}`;
}

function addButton(parent, text, label, action) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.setAttribute("aria-label", label);
  button.title = label;
  button.addEventListener("click", action);
  parent.append(button);
  return button;
}

// The picture as a standalone file: with its whole area, a font, and named layers.
function standalone(svg) {
  const copy = svg.cloneNode(true);
  const [, , width, height] = svg.dataset.whole.split(" ");
  copy.setAttribute("viewBox", svg.dataset.whole);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("font-family", "DejaVu Sans, Verdana, Arial, sans-serif");
  copy.removeAttribute("tabindex");
  for (const layer of copy.querySelectorAll("[data-layer]")) {
    layer.id = layer.dataset.layer;
    layer.setAttributeNS(INKSCAPE, "inkscape:groupmode", "layer");
    layer.setAttributeNS(INKSCAPE, "inkscape:label", layer.dataset.layer);
  }
  copy.querySelectorAll(".read").forEach((one) => one.classList.remove("read"));
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
}

async function toPng(svg) {
  const image = new Image();
  image.src = URL.createObjectURL(standalone(svg));
  await image.decode();
  const scale = Math.min(PNG_SCALE, PNG_LIMIT / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// The visible part of the picture: x, y, width, height.
function area(svg) {
  return svg.getAttribute("viewBox").split(" ").map(Number);
}

function zoom(svg, factor, x = 0.5, y = 0.5) {
  const [left, top, width, height] = area(svg);
  const whole = svg.dataset.whole.split(" ").map(Number);
  const size = Math.min(Math.max(width * factor, whole[2] / 60), whole[2]);
  const [wide, high] = [size, (size * height) / width];
  const inside = (value, low, limit) => Math.min(Math.max(value, low), Math.max(low, limit));
  const across = inside(left + (width - wide) * x, whole[0], whole[0] + whole[2] - wide);
  const down = inside(top + (height - high) * y, whole[1], whole[1] + whole[3] - high);
  svg.setAttribute("viewBox", `${across} ${down} ${wide} ${high}`);
}

function move(svg, across, down) {
  const [left, top, width, height] = area(svg);
  svg.setAttribute("viewBox", `${left + across * width} ${top + down * height} ${width} ${height}`);
  zoom(svg, 1);
}

// The bases of a record, with partners and probabilities from its list of pairs.
function readBases(record) {
  const letters = [...record.querySelector(".bases").textContent.split("\n")[0]];
  const partners = letters.map(() => []);
  for (const line of (record.querySelector(".pairs")?.textContent ?? "").split("\n")) {
    const found = line.match(/(\d+)-\s*(\d+)\s+\S+\s+([\d.]+)/);
    if (!found) continue;
    const [left, right] = [Number(found[1]), Number(found[2])];
    partners[left - 1].push([right, found[3]]);
    partners[right - 1].push([left, found[3]]);
  }
  const reactivities = record.querySelector("[data-reactivities]")?.dataset.reactivities.split(",") ?? [];
  const name = (base) => `${letters[base - 1]}${base}`;
  return {
    length: letters.length,
    base(base) {
      const pairs = partners[base - 1].map(([other, score]) => `${name(other)}, probability ${score}`);
      const reactivity = reactivities[base - 1] ? `, relative reactivity ${reactivities[base - 1]}` : "";
      return `${name(base)}: ${pairs.length ? `pairs with ${pairs.join("; ")}` : "unpaired"}${reactivity}`;
    },
    pair(left, right) {
      const found = partners[left - 1].find(([other]) => other === right);
      const what = found ? `probability ${found[1]}` : "not in the predicted structure";
      return `${name(left)}-${name(right)}: ${what}`;
    },
  };
}

function readPicture(svg, bases) {
  const circles = [...svg.querySelectorAll('[data-layer="bases"] use')];
  let current = -1;

  function showTip(element, text, x, y) {
    svg.querySelector(".read")?.classList.remove("read");
    element?.classList.add("read");
    tip.hidden = !text;
    tip.textContent = text;
    tip.style.left = `${Math.min(x + 12, window.innerWidth - tip.offsetWidth - 4)}px`;
    tip.style.top = `${Math.min(y + 14, window.innerHeight - tip.offsetHeight - 4)}px`;
  }

  function showBase(index) {
    current = (index + circles.length) % circles.length;
    const box = circles[current].getBoundingClientRect();
    showTip(circles[current], bases.base(current + 1), box.right, box.bottom);
  }

  svg.addEventListener("pointermove", (event) => {
    const pair = event.target.closest?.("[data-pair]");
    const index = circles.indexOf(event.target);
    if (index >= 0) current = index;
    if (index >= 0) showTip(event.target, bases.base(index + 1), event.clientX, event.clientY);
    else if (pair) showTip(pair, bases.pair(...pair.dataset.pair.split("-").map(Number)), event.clientX, event.clientY);
    else showTip(null, dotText(event), event.clientX, event.clientY);
  });

  // The text for the pair at the pointer in a dot plot, from its position in the frame.
  function dotText(event) {
    if (circles.length) return "";
    const frame = svg.querySelector('[data-layer="frame"]').getBoundingClientRect();
    const at = (value, low, size) => Math.ceil((bases.length * (value - low)) / size);
    const [x, y] = [at(event.clientX, frame.left, frame.width), at(event.clientY, frame.top, frame.height)];
    const isInside = x > 0 && y > 0 && x <= bases.length && y <= bases.length && x !== y;
    return isInside ? bases.pair(Math.min(x, y), Math.max(x, y)) : "";
  }

  svg.addEventListener("pointerleave", () => showTip(null, "", 0, 0));
  svg.addEventListener("blur", () => showTip(null, "", 0, 0));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && event.shiftKey) move(svg, step[0] / 5, step[1] / 5);
    else if (step && step[0] && circles.length) showBase(current + step[0]);
    else if (event.key === "+" || event.key === "=") zoom(svg, 0.8);
    else if (event.key === "-") zoom(svg, 1.25);
    else if (event.key === "0") svg.setAttribute("viewBox", svg.dataset.whole);
    else if (event.key === "Escape") showTip(null, "", 0, 0);
    else return;
    event.preventDefault();
  });
}

function addPictureTools(record, figure, bases) {
  const svg = figure.querySelector("svg");
  svg.dataset.whole = svg.getAttribute("viewBox");
  svg.setAttribute("tabindex", "0");
  const tools = document.createElement("div");
  tools.className = "picture-tools";
  const view = figure.classList[1];
  addButton(tools, "SVG", "Save as SVG", () => save(standalone(svg), fileName(record, `-${view}.svg`)));
  addButton(tools, "PNG", "Save as PNG", async () => save(await toPng(svg), fileName(record, `-${view}.png`)));
  addButton(tools, "+", "Zoom in", () => zoom(svg, 0.8));
  addButton(tools, "−", "Zoom out", () => zoom(svg, 1.25));
  addButton(tools, "Whole", "Show the whole picture", () => svg.setAttribute("viewBox", svg.dataset.whole));
  figure.prepend(tools);
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // without Ctrl the page scrolls
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    zoom(svg, event.deltaY > 0 ? 1.25 : 0.8, x, y);
  }, { passive: false });
  svg.addEventListener("pointermove", (event) => {
    if (event.buttons !== 1 || svg.getAttribute("viewBox") === svg.dataset.whole) return;
    move(svg, -event.movementX / svg.clientWidth, -event.movementY / svg.clientHeight);
  });
  readPicture(svg, bases);
}

function addTools(record) {
  if (record.dataset.tools) return; // made when the record is first opened
  record.dataset.tools = "made";
  const letters = record.querySelector(".letters");
  const tools = document.createElement("div");
  tools.className = "picture-tools";
  const [sequence, structure] = record.querySelector(".bases").textContent.split("\n");
  if (structure) {
    const button = addButton(tools, "Copy dot-bracket", "Copy dot-bracket", async () => {
      await copyText(`>${record.rows[0].cells[0].dataset.value}\n${sequence}\n${structure}\n`);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy dot-bracket"), 1500);
    });
    letters.before(tools);
  }
  const figures = record.querySelectorAll(".picture");
  if (!figures.length) return;
  const bases = readBases(record);
  for (const figure of figures) addPictureTools(record, figure, bases);
}

function tableText() {
  const clean = (text) => text.replace(/\s+/g, " ").trim();
  const rows = [...table.tBodies].filter((record) => !record.hidden).map((record) => record.rows[0]);
  const cells = rows.map((row) => [...row.cells].map((cell) => clean(cell.dataset.number ?? cell.dataset.value)));
  return [headings.map((heading) => clean(heading.textContent)), ...cells]
    .map((row) => `${row.join("\t")}\n`)
    .join("");
}

const tsv = document.getElementById("tsv");
tsv.addEventListener("click", () => {
  save(new Blob([tableText()], { type: "text/tab-separated-values" }), "records.tsv");
});
tsv.hidden = false;
for (const note of document.querySelectorAll(".scripted")) note.hidden = false;
