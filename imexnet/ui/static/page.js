// Names for what Gradio leaves without one, and pasting a photo where there is one already.
function name() {
  for (const [id, words] of [["kitchen", "Kitchen"], ["qtip", "Q-tip"], ["rods", "Rods"],
    ["paths", "Paths"]]) {
    const items = document.querySelectorAll(`[id$="${id}"] .gallery-item`);
    items.forEach((item, i) => item.setAttribute("aria-label", `${words} ${i + 1}`));
  }
  for (const box of document.querySelectorAll('div[aria-label="Empty value"]:not([role])')) {
    box.setAttribute("role", "img"); // a plain div may not have a name
  }
  for (const image of document.querySelectorAll('[alt^="undefined plot"]')) {
    const words = image.closest("[id]:not([id^=component])")?.id.replaceAll("-", " ");
    image.alt = words ? `Plot: ${words}` : "Plot";
  }
}

name();
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
document.addEventListener("keyup", ({ target, key }) => { // Gradio's sliders know a release by pointer only
  if (target.matches?.(".gradio-container input[type=range]") && /^(Arrow|Page|Home|End)/.test(key)) {
    target.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
  }
});
document.addEventListener("load", ({ target }) => {
  if (target.closest?.("#spots")) target.closest("#your-photo").classList.add("opened");
}, true);
// Gradio's <base> makes of "#solve" another page than the one whose address has a query.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  const target = link && document.getElementById(link.hash.slice(1));
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(history.state, "", location.pathname + location.search + link.hash);
  target.scrollIntoView();
  target.tabIndex = -1;
  target.focus({ preventScroll: true }); // the next Tab goes on from there
});
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  const upload = document.querySelector("input[type=file]:has(+ #upload)"); // the button's own
  if (!file || !upload || event.target.matches?.("input, textarea")) return;
  const files = new DataTransfer();
  files.items.add(file);
  upload.files = files.files;
  upload.dispatchEvent(new Event("change", { bubbles: true }));
});
