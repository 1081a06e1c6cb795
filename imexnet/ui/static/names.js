// Names for what Gradio leaves without one.
function name() {
  for (const [id, words] of [["kitchen", "Kitchen"], ["qtip", "Q-tip"]]) {
    const items = document.querySelectorAll(`[id$="${id}"] .gallery-item`);
    items.forEach((item, i) => item.setAttribute("aria-label", `${words} ${i + 1}`));
  }
  for (const box of document.querySelectorAll('div[aria-label="Empty value"]:not([role])')) {
    box.setAttribute("role", "img"); // a plain div may not have a name
  }
}

name();
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
