// The chapters under the photo. The rods and the solve are in `props`, the same for all visitors;
// the layers are asked for when they come into view, and arrive as the component's value.
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// A rod of 64 × 64 pixels behind a window that follows the pointer or the arrow keys.
function guess(root, { rods, window: side, kinds, networks }) {
  const find = (name) => root.querySelector(name), stage = find(".stage");
  const pen = stage.getContext("2d", { willReadFrequently: true });
  const offered = find(".choices [role=group]"), next = find(".next");
  const right = { you: 0, resnet: 0, imexnet: 0 }, picture = new Image();
  let number = 0, told = 0, at = [32, 32], open = false;

  function draw() {
    pen.fillStyle = "#09090b";
    pen.fillRect(0, 0, 64, 64);
    const [left, top] = open ? [0, 0] : at.map((middle) => middle - (side - 1) / 2);
    const size = open ? 64 : side;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, size, size);
    pen.clip();
    pen.drawImage(picture, 0, 0);
    pen.restore();
    pen.strokeStyle = "#fb923c";
    if (!open) pen.strokeRect(left - 0.5, top - 0.5, size + 1, size + 1);
    find(".unseen").textContent = open ? "" : `In the window: ${seen(left, top)}.`;
  }

  function seen(left, top) {
    const greys = new Set(pen.getImageData(left, top, side, side).data.filter((_, i) => i % 4 === 0));
    const parts = [[128, "grey rod"], [255, "white marker"], [1, "black marker"]];
    return parts.filter(([grey]) => greys.has(grey)).map(([, name]) => name).join(", ") || "nothing";
  }

  function look(to) {
    at = to.map((place) => Math.max(0, Math.min(63, Math.floor(place))));
    if (!open) draw();
  }

  function begin() {
    open = false;
    at = [32, 32];
    picture.src = rods[number].picture;
    offered.hidden = false;
    next.hidden = true;
    for (const [name, label] of Object.entries(networks)) {
      find(`.${name} img`).hidden = true;
      find(`.${name} figcaption`).textContent = label;
    }
  }

  function tell(guessed) {
    const rod = rods[number], truth = kinds[rod.kind];
    open = true;
    draw();
    told += 1;
    right.you += guessed === rod.kind;
    for (const [name, label] of Object.entries(networks)) {
      const { kind, share, picture: map } = rod[name], image = find(`.${name} img`);
      right[name] += kind === rod.kind;
      Object.assign(image, { src: map, hidden: false, alt: `${label}'s class of each pixel` });
      find(`.${name} figcaption`).textContent =
        `${label}: ${kinds[kind]} on ${share} % of the rod, ${kind === rod.kind ? "right" : "wrong"}`;
    }
    const scores = Object.entries({ you: "you", ...networks })
      .map(([name, label]) => `${label} ${right[name]} of ${told}`);
    find(".count").textContent =
      `${guessed === rod.kind ? "Right" : "No"}, it is ${truth}. So far: ${scores.join(" · ")}`;
    offered.hidden = true;
    next.hidden = false;
    next.focus({ preventScroll: true });
  }

  function follow(event) {
    const box = stage.getBoundingClientRect();
    look([(event.clientX - box.left) / box.width * 64, (event.clientY - box.top) / box.height * 64]);
  }
  stage.addEventListener("pointermove", follow);
  stage.addEventListener("pointerdown", follow);
  stage.addEventListener("keydown", (event) => {
    const move = STEPS[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation(); // the pictures above follow the arrow keys, too
    look(at.map((place, axis) => place + 3 * move[axis]));
  });
  offered.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) tell(Number(button.dataset.kind));
  });
  next.addEventListener("click", () => {
    number = (number + 1) % rods.length;
    begin();
    offered.firstElementChild.focus({ preventScroll: true });
  });
  picture.addEventListener("load", draw);
  begin();
}

// The visitor's photo, multiplied by the light of each layer: a film that a slider holds.
function layers(root) {
  const slider = root.querySelector("input"), words = root.querySelector(".words");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let film = null, asked = false, near = false, known = false, timer = 0;

  function ask() {
    if (!near || !known || asked) return;
    asked = true;
    words.textContent = "Working it out for your photo …";
    trigger("submit");
  }

  async function picture(source) {
    const image = new Image();
    image.src = source;
    await image.decode();
    return image;
  }

  function draw() {
    const number = Number(slider.value);
    for (const [name, lights] of Object.entries(film.frames)) {
      const canvas = root.querySelector(`.${name} canvas`), pen = canvas.getContext("2d");
      [canvas.width, canvas.height] = [film.photo.naturalWidth, film.photo.naturalHeight];
      pen.imageSmoothingQuality = "high";
      pen.drawImage(film.photo, 0, 0);
      pen.globalCompositeOperation = "multiply";
      pen.drawImage(lights[number], 0, 0, canvas.width, canvas.height);
    }
    words.textContent = film.words[number];
    slider.setAttribute("aria-valuetext", film.words[number]);
  }

  function clear() {
    clearInterval(timer);
    film = null;
    props.value = ""; // so that the same film may come again
    slider.value = 0;
    slider.disabled = true;
    words.textContent = known ? "" : "Upload a photo above, or choose an example.";
    for (const canvas of root.querySelectorAll("canvas")) canvas.width = canvas.height = 0;
  }

  function play() {
    clearInterval(timer);
    slider.value = still ? slider.max : 0;
    draw();
    if (still) return;
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      draw();
      if (slider.value === slider.max) clearInterval(timer);
    }, 900);
  }

  watch("value", async () => {
    const come = props.value;
    if (!come) return;
    if (!known) return clear(); // the photo has gone meanwhile
    const { photo, frames, words: said } = JSON.parse(come);
    const loaded = {};
    for (const [name, lights] of Object.entries(frames)) {
      loaded[name] = await Promise.all(lights.map(picture));
    }
    const shown = await picture(photo);
    if (come !== props.value) return; // another has come meanwhile, or the photo has gone
    film = { photo: shown, frames: loaded, words: said };
    slider.max = said.length - 1;
    slider.disabled = false;
    play();
  });
  slider.addEventListener("input", () => {
    clearInterval(timer);
    draw();
  });
  document.addEventListener("imexnet:answered", (event) => { // another photo or task, or none
    known = event.detail;
    asked = false;
    clear();
    ask();
  }, heard);
  document.addEventListener("imexnet:no-film", () => {
    asked = false;
    words.textContent = "This could not be worked out. Scroll away and back to ask again.";
  }, heard);
  whenNear(root, (is) => {
    near = is;
    ask();
  });
}

// One of the pictures that lie below each other, and its words.
function solve(root, { sprite, words, about }) {
  const slider = root.querySelector("input"), shown = root.querySelector(".sprite");
  root.querySelector(".about").textContent = about;
  shown.style.backgroundImage = `url(${sprite})`;
  shown.style.backgroundSize = `100% ${100 * words.length}%`;
  function draw() {
    shown.style.backgroundPosition = `0 ${100 * slider.value / (words.length - 1)}%`;
    root.querySelector(".words").textContent = words[slider.value];
    slider.setAttribute("aria-valuetext", words[slider.value]);
  }
  slider.addEventListener("input", draw);
  draw();
}

function whenNear(root, then) {
  const seen = new IntersectionObserver(([entry]) => then(entry.isIntersecting));
  seen.observe(root);
  heard.signal.addEventListener("abort", () => seen.disconnect());
}

// The page is built after the browser has looked for the place that a link names, and it grows.
function goToChapter() {
  if (!/^#[a-z-]+$/.test(location.hash)) return;
  const grown = new ResizeObserver(() => document.querySelector(location.hash)?.scrollIntoView());
  grown.observe(document.body);
  for (const moved of ["wheel", "touchstart", "pointerdown", "keydown"]) {
    document.addEventListener(moved, () => grown.disconnect(), { ...heard, once: true });
  }
}

window.imexnetStory?.abort(); // of an earlier mount
window.imexnetStory = new AbortController();
const heard = { signal: window.imexnetStory.signal };
for (const [name, chapter] of Object.entries({ guess, layers, solve })) {
  const root = element.querySelector(`#${name}`);
  if (root) chapter(root, props[name] ?? {});
}
goToChapter();
