// Shows metres or classes at the pointer, and the distance between the last two clicks.
// Runs in the page's component `values`, whose value is the JSON of `answers.pointer_values`.
const PICTURES = ["photo", "resnet", "imexnet", "truth", "error-resnet", "error-imexnet",
  "heat-resnet", "heat-imexnet"].map((name) => "#" + name).join(", ");
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

// (across, down) from 0 to 1 in the picture under the pointer, which its box may letterbox.
function place(event) {
  const image = event.target.closest?.(PICTURES)?.querySelector("img");
  if (!known || !element.isConnected || !image?.naturalWidth) return null;
  const box = image.getBoundingClientRect();
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight, 1);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const across = (event.clientX - box.left - (box.width - width) / 2) / width;
  const down = (event.clientY - box.top - (box.height - height) / 2) / height;
  return across >= 0 && across < 1 && down >= 0 && down < 1 ? [across, down] : null;
}

function value(grid, [across, down]) {
  return grid.values[Math.floor(down * grid.height) * grid.width + Math.floor(across * grid.width)];
}

// Metres to the right, down and away from a pinhole camera: as `point_cloud.points`.
function point(grid, at) {
  const depth = value(grid, at) / 1000;
  const longest = Math.max(...known.size);
  const reach = 2 * Math.tan((angle() * Math.PI) / 360) * depth;
  const [x, y] = at.map((share, axis) => ((share - 0.5) * reach * known.size[axis]) / longest);
  return [x, y, depth];
}

function angle() {
  return Number(document.querySelector("#angle input[type=number]")?.value) || 63;
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
    `(for a camera that sees ${angle()}° along the longer side).`;
}

function say() {
  const line = element.querySelector(".readout");
  if (!line) return;
  if (!known || !clicks.length) {
    line.textContent = known && !known.classes
      ? `${HINT} Two clicks measure the distance between them.` : HINT;
  } else if (known.classes || clicks.length === 1) {
    line.textContent = `At the click: ${answers(clicks.at(-1)).join(" · ")}.`;
  } else {
    line.textContent = distance();
  }
}

window.imexnetReadout?.abort(); // of an earlier mount
window.imexnetReadout = new AbortController();
const options = { signal: window.imexnetReadout.signal };
const root = document.querySelector(".gradio-container") ?? document.body;
const tip = root.querySelector(".pointer-tip") ?? root.appendChild(document.createElement("div"));
tip.className = "pointer-tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // the line below the pictures says it, too

document.addEventListener("pointermove", (event) => {
  const at = place(event);
  tip.hidden = !at;
  if (!at) return;
  tip.textContent = answers(at).join("\n");
  const left = event.clientX + (event.clientX > innerWidth / 2 ? -tip.offsetWidth - 14 : 14);
  tip.style.transform = `translate(${left}px, ${event.clientY + 14}px)`;
}, options);
document.addEventListener("click", (event) => {
  const at = place(event);
  tip.hidden = true; // till the next move: the line below has the values, and the photo may go
  if (!at) return;
  clicks = [...clicks, at].slice(-2);
  say();
}, { ...options, capture: true });
function arrived() {
  known = unpack(props.value);
  clicks = [];
  say();
}
watch("value", arrived);
arrived();
