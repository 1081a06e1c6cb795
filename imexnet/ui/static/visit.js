// Runs once when the page's heading is there: labels for what Gradio leaves without one, and the tour.
const STEPS = [
  ["#photo", "Start with a photo of a room: your own, or one of the kitchens below it."],
  ["#pair", "Both networks estimate how far away everything is, on one colour scale. "
    + "Point at a picture to read metres."],
  ["#invitation", "Click any picture to see what decided that pixel."],
  ["#heat-resnet", "Bright is what mattered. The ResNet cannot look beyond its frame; "
    + "the IMEXNet can look everywhere."],
  ["#downloads", "Download the values, turn the room in 3-D, or open the other tabs: "
    + "they show what noise does, and how the solve works."],
];
const SEEN = "imexnet-tour";

function remember() {
  try { localStorage.setItem(SEEN, "done"); } catch { /* a private window: shown again */ }
}

function seen() {
  try { return localStorage.getItem(SEEN) === "done"; } catch { return true; }
}

function name() {
  for (const [id, words] of [["kitchen", "Kitchen"], ["qtip", "Q-tip"]]) {
    const items = document.querySelectorAll(`[id$="${id}"] .gallery-item`);
    items.forEach((item, i) => item.setAttribute("aria-label", `${words} ${i + 1}`));
  }
  for (const box of document.querySelectorAll('div[aria-label="Empty value"]:not([role])')) {
    box.setAttribute("role", "img"); // a plain div may not have a name
  }
}

function tour() {
  document.querySelector(".tour")?.remove();
  const card = document.createElement("section");
  card.className = "tour";
  card.setAttribute("aria-label", "Guided visit");
  card.innerHTML = `<p role="status"></p><div><span></span>
    <button class="tour-skip">Skip</button><button class="tour-next"></button></div>`;
  (document.querySelector(".gradio-container .contain") ?? document.body).append(card);
  const [skip, next] = card.querySelectorAll("button");
  let step = -1;

  function point(selector) {
    document.querySelectorAll(".toured").forEach((old) => old.classList.remove("toured"));
    const target = selector && document.querySelector(selector);
    if (!target) return;
    target.classList.add("toured");
    if (step > 0) target.scrollIntoView({ block: "center" });
  }
  function end() {
    remember();
    point(null);
    card.remove();
    document.removeEventListener("keydown", escape);
  }
  function escape(event) {
    if (event.key === "Escape") end();
  }
  function go() {
    step += 1;
    if (step === STEPS.length) return end();
    card.querySelector("p").textContent = STEPS[step][1];
    card.querySelector("span").textContent = `${step + 1} of ${STEPS.length}`;
    next.textContent = step + 1 < STEPS.length ? "Next" : "Done";
    point(STEPS[step][0]);
  }
  skip.addEventListener("click", end);
  next.addEventListener("click", go);
  document.addEventListener("keydown", escape);
  go();
}

name();
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
element.querySelector(".tour-start")?.addEventListener("click", tour);
if (!seen()) setTimeout(tour, 1500); // when the first answers are there
