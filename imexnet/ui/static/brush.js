// A brush that hides a part of the photo: strokes are the component's value, as JSON
// {"radius": r, "strokes": [[[x, y], …], …]}, shares of the photo's width and height (r: of the longer side).
// With the keyboard, arrow keys move the brush and Enter puts it down.
const RADIUS = 0.06, MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const canvas = element.querySelector("canvas"), pen = canvas.getContext("2d");
let strokes = [], painting = false, at = null, shown = null;

function photo() {
  return document.querySelector("#photo img");
}

function draw() {
  const image = photo();
  if (!image?.naturalWidth) return;
  const scale = 512 / Math.max(image.naturalWidth, image.naturalHeight);
  canvas.width = Math.round(image.naturalWidth * scale);
  canvas.height = Math.round(image.naturalHeight * scale);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = "#fb923c"; // whatever fills the part, which may look like the photo
  pen.lineWidth = 2 * RADIUS * 512;
  for (const stroke of strokes) {
    pen.beginPath();
    for (const [x, y] of [stroke[0], ...stroke]) pen.lineTo(x * canvas.width, y * canvas.height);
    pen.stroke();
  }
  if (at) {
    pen.beginPath();
    pen.arc(at[0] * canvas.width, at[1] * canvas.height, RADIUS * 512, 0, 2 * Math.PI);
    pen.lineWidth = 2;
    pen.strokeStyle = "#fff";
    pen.stroke();
  }
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

function ask() {
  props.value = strokes.length ? JSON.stringify({ radius: RADIUS, strokes }) : "";
  trigger("submit");
}

function forget() {
  strokes = [];
  props.value = "";
  draw();
}

canvas.addEventListener("pointerdown", (event) => {
  painting = true;
  canvas.setPointerCapture(event.pointerId);
  strokes.push([place(event)]);
  draw();
});
canvas.addEventListener("pointermove", (event) => {
  at = place(event);
  if (painting) strokes.at(-1).push(at);
  draw();
});
canvas.addEventListener("pointerup", () => {
  if (painting) ask();
  painting = false;
});
canvas.addEventListener("pointercancel", () => { // the browser took the touch: it is no stroke
  if (painting) strokes.pop();
  painting = false;
  draw();
});
canvas.addEventListener("pointerleave", () => {
  at = null;
  draw();
});
canvas.addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (!move && event.key !== "Enter") return;
  event.preventDefault();
  event.stopPropagation();
  at ??= [0.5, 0.5];
  if (move) {
    at = at.map((share, axis) => Math.max(0, Math.min(1, share + 0.03 * move[axis])));
  } else {
    strokes.push([at]);
    ask();
  }
  draw();
});
element.querySelector("button").addEventListener("click", () => {
  forget();
  ask();
});
window.imexnetBrush?.abort(); // of an earlier mount
window.imexnetBrush = new AbortController();
document.addEventListener("load", ({ target }) => {
  if (target.closest?.("#photo") && target.src !== shown) { // another photo, without strokes
    shown = target.src;
    forget();
  } else if (target.closest?.("#spot-imexnet") && strokes.length) ask(); // at another point, or task
}, { capture: true, signal: window.imexnetBrush.signal });
draw();
