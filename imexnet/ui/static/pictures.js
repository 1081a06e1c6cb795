// The pictures of the page: metres or classes at the pointer, the distance between two clicks, the
// pixel that is asked about, by mouse, finger or arrow keys, and the address that follows it.
// Runs in the page's component `values`, whose value is the JSON of `answers.pointer_values`.
const PICTURES = ["photo", "resnet", "imexnet", "truth", "error-resnet", "error-imexnet",
  "spot-resnet", "spot-imexnet", "heat-resnet", "heat-imexnet", "change-resnet",
  "change-imexnet"].map((name) => "#" + name).join(", ");
const FOLLOWING = "#spot-resnet, #spot-imexnet, #heat-resnet, #heat-imexnet";
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const OURS = ["task", "example", "photo", "x", "y", "x2", "y2", "about", "show", "trunk", "boundary",
  "scale", "part", "opacity", "lines", "method", "angle"]; // of the address
const NAMES = { resnet: "ResNet", imexnet: "IMEXNet", truth: "Truth" };
const HINT = `${matchMedia("(hover: none)").matches ? "Tap" : "Point at"} a picture to read its values.`;
let known = null;
let clicks = [];

function unpack(text) {
  if (!text) return null;
  const content = JSON.parse(text);
  for (const grid of Object.values(content.grids)) {
    const bytes = Uint8Array.from(atob(grid.data), (c) => c.charCodeAt(0));
    grid.values = new Uint16Array(bytes.buffer);
  }
  return content;
}

// Where an image lies in its box, which may letterbox it, and on the full screen enlarge it.
function frame(image) {
  const box = image.getBoundingClientRect();
  const most = image.closest(".fullscreen") ? Infinity : 1;
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight, most);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const [left, top] = [box.left + (box.width - width) / 2, box.top + (box.height - height) / 2];
  return { left, top, width, height };
}

// (across, down) from 0 to 1 in the picture under the pointer.
function place(event) {
  const image = event.target.closest?.(PICTURES)?.querySelector("img");
  if (!known || !element.isConnected || !image?.naturalWidth) return null;
  const { left, top, width, height } = frame(image);
  const [across, down] = [(event.clientX - left) / width, (event.clientY - top) / height];
  return across >= 0 && across < 1 && down >= 0 && down < 1 ? [across, down] : null;
}

function value(grid, [across, down]) {
  return grid.values[Math.floor(down * grid.height) * grid.width + Math.floor(across * grid.width)];
}

// Metres to the right, down and away from a pinhole camera: as `point_cloud.points`.
function point(grid, at) {
  const depth = value(grid, at) / 1000;
  const longest = Math.max(...known.size);
  const reach = 2 * Math.tan((known.angle * Math.PI) / 360) * depth;
  const [x, y] = at.map((share, axis) => ((share - 0.5) * reach * known.size[axis]) / longest);
  return [x, y, depth];
}

function each(words) {
  return Object.entries(known.grids).map(([name, grid]) => `${NAMES[name]} ${words(grid)}`);
}

function answers(at) {
  return each((grid) =>
    known.classes ? known.classes[value(grid, at)] : `${(value(grid, at) / 1000).toFixed(2)} m`);
}

function distance() {
  const apart = each((grid) => {
    const [a, b] = clicks.map((at) => point(grid, at));
    return `${Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]).toFixed(2)} m`;
  });
  return `Between the last two clicks: ${apart.join(" · ")} ` +
    `(for a camera that sees ${Math.round(known.angle)}° along the longer side).`;
}

// Notes the last clicks on this answer, also for the next mount: Gradio may mount the page twice.
function keep(places) {
  clicks = places;
  window.imexnetClicked = { of: props.value, places };
}

function measured() {
  return Boolean(known) && !known.classes && clicks.length === 2;
}

function say() {
  const line = element.querySelector(".readout");
  if (!line) return;
  if (!known || !clicks.length) {
    line.textContent = known && !known.classes
      ? `${HINT} Two clicks measure the distance between them.` : HINT;
  } else {
    const here = `At the point: ${answers(clicks.at(-1)).join(" · ")}.`;
    const before = `At the previous point: ${answers(clicks[0]).join(" · ")}.`;
    line.textContent = measured() ? `${here} ${before} ${distance()}` : here;
  }
}

function number(name) {
  return document.querySelector(`#${name} input`);
}

function put(name, value) {
  const input = number(name);
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

// Asks for a pixel of the photo. The crosshair is there at once; the light follows.
function ask(column, row) {
  const look = document.querySelector("#look");
  if (!look || look.offsetParent === null) return;
  if (number("other-column")) { // a box lies between the last two pixels
    put("other-column", number("column").value);
    put("other-row", number("row").value);
  }
  put("column", column);
  put("row", row);
  mark();
  setTimeout(() => look.click(), 0);
}

// Dims the pictures of the field of view until the next ones are there.
function follow(is) {
  for (const shown of document.querySelectorAll(FOLLOWING)) shown.classList.toggle("following", is);
}

// Draws the crosshair on every picture, where the numbers say, and the box that is asked about or, of
// a distance, the line to its other end: measures all, then draws all.
function mark() {
  const [column, row, otherColumn, otherRow] =
    ["column", "row", "other-column", "other-row"].map((name) => parseFloat(number(name)?.value));
  const boxed = otherColumn >= 0 && otherRow >= 0;
  const places = [...document.querySelectorAll(PICTURES)].map((shown) => {
    const image = shown.querySelector("img");
    if (!(known && image?.naturalWidth && column >= 0 && row >= 0)) return [shown];
    const outer = shown.getBoundingClientRect(), { left, top, width, height } = frame(image);
    const across = (pixels) => (pixels / known.size[0]) * width;
    const down = (pixels) => (pixels / known.size[1]) * height;
    const here = [across(column + 0.5), down(row + 0.5)];
    const box = boxed && [
      across(Math.min(column, otherColumn)) - here[0], down(Math.min(row, otherRow)) - here[1],
      across(Math.abs(column - otherColumn) + 1), down(Math.abs(row - otherRow) + 1)];
    const away = !box && measured() && [clicks[0][0] * width - here[0], clicks[0][1] * height - here[1]];
    return [shown, left - outer.left + here[0], top - outer.top + here[1], box, away];
  });
  for (const [shown, left, top, box, away] of places) {
    let cross = shown.querySelector(":scope > .crosshair");
    if (left === undefined) {
      cross?.remove();
      continue;
    }
    if (!cross) {
      cross = shown.appendChild(document.createElement("div"));
      cross.className = "crosshair";
      cross.setAttribute("aria-hidden", "true"); // the numbers say it, too
    }
    cross.style.left = `${left}px`;
    cross.style.top = `${top}px`;
    cross.classList.toggle("boxed", Boolean(box));
    cross.classList.toggle("measured", Boolean(away));
    if (box) {
      ["--left", "--top", "--width", "--height"].forEach((name, side) =>
        cross.style.setProperty(name, `${box[side]}px`));
    } else if (away) {
      cross.style.setProperty("--length", `${Math.hypot(...away)}px`);
      cross.style.setProperty("--angle", `${Math.atan2(away[1], away[0])}rad`);
    }
  }
}

function followAddress() {
  const state = document.querySelector("#view-state");
  const query = state?.dataset.query ?? ""; // without a photo, no view
  opened ??= state && query;
  // The address that the page was opened with stays until another view has come: it is still read.
  if (address === null && (!state || query === opened)) return;
  if (query === address) return;
  address = query;
  const url = new URL(window.location.href);
  OURS.forEach((name) => url.searchParams.delete(name));
  new URLSearchParams(query).forEach((value, name) => url.searchParams.set(name, value));
  history.replaceState(history.state, "", url);
}

window.imexnetPictures?.abort(); // of an earlier mount
window.imexnetPictures = new AbortController();
const options = { signal: window.imexnetPictures.signal };
const captured = { ...options, capture: true };
const root = document.querySelector(".gradio-container") ?? document.body;
const tip = root.querySelector(".pointer-tip") ?? root.appendChild(document.createElement("div"));
tip.className = "pointer-tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // the line below the pictures says it, too
let address = null;
let opened = null; // the query of the view that the page brought along
let chosen = false; // whether the last press was on one of our pictures

document.addEventListener("pointermove", (event) => {
  const at = place(event);
  tip.hidden = !at;
  if (!at) return;
  tip.textContent = answers(at).join("\n");
  const left = event.clientX + (event.clientX > innerWidth / 2 ? -tip.offsetWidth - 14 : 14);
  tip.style.transform = `translate(${left}px, ${event.clientY + 14}px)`;
}, options);
document.addEventListener("pointerdown", (event) => {
  chosen = Boolean(event.target.closest?.(PICTURES));
}, captured);
document.addEventListener("click", (event) => {
  const at = event.target.matches?.("img") ? place(event) : null; // not on a button over it
  tip.hidden = true; // till the next move: the line below has the values, and the photo may go
  if (!at) return;
  keep([...clicks, at].slice(-2));
  say();
  ask(...at.map((share, axis) => Math.floor(share * known.size[axis])));
}, captured);
document.addEventListener("keydown", (event) => {
  const move = MOVES[event.key], focus = document.activeElement;
  const state = document.querySelector("#view-state");
  if (!move || !state || !(chosen || focus?.closest?.(PICTURES))) return;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (focus?.matches("input, textarea, select, [role=slider], [role=tab]")) return;
  event.preventDefault();
  const { stepX, stepY, width, height } = state.dataset, cells = event.shiftKey ? 10 : 1;
  const moved = (name, way, step, size) =>
    Math.max(0, Math.min(size - 1, Number(number(name).value) + way * cells * step));
  const pixel = [moved("column", move[0], stepX, width), moved("row", move[1], stepY, height)];
  if (known) keep([pixel.map((i, axis) => (i + 0.5) / known.size[axis])]);
  say();
  ask(...pixel);
}, options);
document.addEventListener("load", (event) => { // of an image: a new answer is there
  event.target.closest?.(FOLLOWING)?.classList.remove("following");
  mark();
}, captured);
document.addEventListener("imexnet:asked", () => follow(true), options);
document.addEventListener("imexnet:refused", () => follow(false), options);
for (const moved of ["wheel", "touchmove"]) { // whoever scrolls away wants the keys to scroll, too
  document.addEventListener(moved, () => {
    chosen = false;
    const focus = document.activeElement;
    if (focus?.closest?.(PICTURES)) focus.blur();
  }, options);
}
document.addEventListener("input", mark, options);
window.addEventListener("resize", mark, options);
const seen = new MutationObserver(() => { followAddress(); mark(); });
seen.observe(document.querySelector("#measures") ?? root, { childList: true, subtree: true });
options.signal.addEventListener("abort", () => seen.disconnect());

function arrived() {
  known = window.imexnetKnown = unpack(props.value);
  keep(window.imexnetClicked?.of === props.value ? window.imexnetClicked.places : []);
  say();
  mark();
  document.dispatchEvent(new CustomEvent("imexnet:answered", { detail: Boolean(known) }));
}
watch("value", arrived);
arrived();
