// The room as points in space, for each network and the truth where it is known: one camera for
// all, turned by dragging or the arrow keys, and the ray through the pixel that was clicked.
const TURNS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ZOOMS = { "+": 0.9, "=": 0.9, "-": 1 / 0.9 }, NEAR = 0.1; // metres
const camera = { yaw: 0.4, pitch: 0.15, away: 1 }; // radians; away: distance to the middle, relative
const words = element.querySelector(".words"), figures = [...element.querySelectorAll("figure")];
let room = null, drag = null;

// Metres right, down and away of each cell, as `point_cloud.points`, and the photo's colours there.
function unpack({ grids, size, angle }, photo) {
  const reach = 2 * Math.tan((angle * Math.PI) / 360) / Math.max(...size), views = {};
  for (const [name, { width, height, values }] of Object.entries(grids)) {
    const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    pen.drawImage(photo, 0, 0, width, height);
    const colours = new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer);
    const places = Float32Array.from({ length: 3 * values.length }, (_, i) => {
      const cell = Math.floor(i / 3), away = values[cell] / 1000;
      const across = (cell % width + 0.5) / width - 0.5, down = Math.floor(cell / width);
      return away * [across * size[0] * reach, ((down + 0.5) / height - 0.5) * size[1] * reach, 1][i % 3];
    });
    views[name] = { places, colours, width, height, cell: (reach * size[0]) / width };
  }
  const depths = Object.values(grids).flatMap(({ values }) => [...values]).sort((a, b) => a - b);
  return { views, size, reach, middle: depths[depths.length >> 1] / 1000 };
}

// A function that tells where a point lies on a picture `width` wide: across and down from its
// middle, how far away, and pixels per metre there.
function projection(width) {
  const { sin, cos } = Math, { yaw, pitch } = camera, { middle } = room;
  const [across, along, up, flat] = [sin(yaw), cos(yaw), sin(pitch), cos(pitch)];
  const focal = (0.9 * width) / (room.reach * room.size[0]), away = middle * camera.away;
  return (x, y, z) => {
    const turned = along * (z - middle) - across * x, depth = flat * turned + up * y + away;
    const scale = focal / depth;
    return [(along * x + across * (z - middle)) * scale, (flat * y - up * turned) * scale, depth, scale];
  };
}

function drawView(canvas, { places, colours, width, height, cell }) {
  canvas.width = 400;
  canvas.height = Math.round((400 * room.size[1]) / room.size[0]);
  const pen = canvas.getContext("2d"), image = pen.createImageData(canvas.width, canvas.height);
  const shown = new Uint32Array(image.data.buffer), nearest = new Float32Array(shown.length).fill(Infinity);
  const project = projection(canvas.width);
  for (let i = 0; i < colours.length; i += 1) {
    const z = places[3 * i + 2], [x, y, depth, scale] = project(places[3 * i], places[3 * i + 1], z);
    if (depth < NEAR) continue;
    const side = Math.ceil(1.7 * cell * z * scale) + 1; // so that neighbours touch
    const left = Math.round(x + (canvas.width - side) / 2), top = Math.round(y + (canvas.height - side) / 2);
    for (let row = Math.max(0, top); row < Math.min(canvas.height, top + side); row += 1) {
      for (let column = Math.max(0, left); column < Math.min(canvas.width, left + side); column += 1) {
        const at = row * canvas.width + column;
        if (depth < nearest[at]) [nearest[at], shown[at]] = [depth, colours[i]];
      }
    }
  }
  pen.putImageData(image, 0, 0);
  const [column, row] = ["column", "row"].map((name) => parseFloat(document.querySelector(`#${name} input`)?.value));
  if (!(column >= 0 && row >= 0)) return;
  const asked = [column, row].map((place, axis) => Math.floor(((place + 0.5) * [width, height][axis]) / room.size[axis]));
  const end = places.subarray(3 * (asked[1] * width + asked[0])).slice(0, 3);
  for (const [line, colour] of [[5, "#000"], [2, "#fb923c"]]) {
    Object.assign(pen, { lineWidth: line, strokeStyle: colour });
    pen.beginPath();
    for (let share = 0.02; share <= 1; share += 0.02) { // from the photo's own camera
      const [x, y, depth] = project(...end.map((metres) => metres * share));
      if (depth > NEAR) pen.lineTo(x + canvas.width / 2, y + canvas.height / 2);
    }
    pen.stroke();
    const [x, y] = project(...end);
    pen.beginPath();
    pen.arc(x + canvas.width / 2, y + canvas.height / 2, 5, 0, 2 * Math.PI);
    pen.stroke();
  }
}

function draw() {
  const known = window.imexnetKnown, photo = document.querySelector("#photo img");
  if (words.offsetParent === null) return;
  const metres = known && !known.classes && photo?.naturalWidth;
  if (!metres) room = null;
  else if (room?.of !== known) room = Object.assign(unpack(known, photo), { of: known });
  words.textContent = metres ? words.dataset.how : words.dataset.none;
  for (const figure of figures) {
    figure.hidden = !room?.views[figure.className];
    if (!figure.hidden) drawView(figure.querySelector("canvas"), room.views[figure.className]);
  }
}

function turn(across, down) {
  camera.yaw += across;
  camera.pitch = Math.max(-1.5, Math.min(1.5, camera.pitch + down));
  draw();
}

for (const canvas of element.querySelectorAll("canvas")) {
  canvas.addEventListener("pointerdown", (event) => {
    drag = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (!drag) return;
    turn((clientX - drag[0]) / 150, (clientY - drag[1]) / 150);
    drag = [clientX, clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drag = null; });
  canvas.addEventListener("keydown", (event) => {
    const move = TURNS[event.key], zoom = ZOOMS[event.key];
    if (!move && !zoom) return;
    event.preventDefault();
    event.stopPropagation(); // the pictures follow the arrow keys, too
    camera.away = Math.max(0.2, Math.min(4, camera.away * (zoom ?? 1)));
    turn(...(move ?? [0, 0]).map((step) => 0.1 * step));
  });
}
window.imexnetRoom?.abort(); // of an earlier mount
window.imexnetRoom = new AbortController();
const heard = { signal: window.imexnetRoom.signal };
document.addEventListener("imexnet:answered", draw, heard);
document.addEventListener("input", () => requestAnimationFrame(draw), heard); // another pixel
document.addEventListener("load", ({ target }) => { // of the photo, whose answer may have come first
  if (target.closest?.("#photo")) {
    room = null;
    draw();
  }
}, { ...heard, capture: true });
new IntersectionObserver(draw).observe(element); // drawn when the tab is opened
