// Tells once that the reader has come near: what is computed for it need not wait for a click.
new IntersectionObserver(([entry], observer) => {
  if (!entry.isIntersecting) return;
  observer.disconnect();
  trigger("select");
}, { rootMargin: "200px" }).observe(element);
