// Arrow keys move the pixel, and the address follows the view.
// The state is what `links.state` writes.
const pictures = '#photo, .answers .pic, #heat-resnet, #heat-imexnet, #resnet, #imexnet, #truth, '
  + '#error-resnet, #error-imexnet';
let chosen = false;  // whether the last press was on one of our pictures
document.addEventListener('pointerdown', (event) => {
  chosen = Boolean(event.target.closest && event.target.closest(pictures));
}, true);
const put = (name, value) => {
  const input = document.querySelector('#' + name + ' input');
  input.value = value;
  input.dispatchEvent(new Event('input', {bubbles: true}));
};
document.addEventListener('keydown', (event) => {
  const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const move = moves[event.key];
  const focus = document.activeElement;
  const ours = chosen || (focus && focus.closest && focus.closest(pictures));
  const state = document.querySelector('#view-state');
  const look = document.querySelector('#look');
  if (!move || !ours || !state || !look || look.offsetParent === null) return;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (focus && focus.matches('input, textarea, select, [role=slider], [role=tab]')) return;
  event.preventDefault();
  const data = state.dataset, far = event.shiftKey ? 10 : 1;
  const at = (name) => Number(document.querySelector('#' + name + ' input').value);
  const within = (value, size) => Math.max(0, Math.min(Number(size) - 1, value));
  put('column', within(at('column') + move[0] * far * Number(data.stepX), data.width));
  put('row', within(at('row') + move[1] * far * Number(data.stepY), data.height));
  setTimeout(() => look.click(), 0);
});
const ours = ['task', 'example', 'x', 'y', 'x2', 'y2', 'about', 'show', 'trunk', 'boundary',
  'scale', 'part', 'opacity', 'lines'];
let before = null;
new MutationObserver(() => {
  const state = document.querySelector('#view-state');
  if (!state || state.dataset.query === before) return;
  before = state.dataset.query;
  const address = new URL(window.location.href);
  ours.forEach((name) => address.searchParams.delete(name));
  new URLSearchParams(before).forEach((value, name) => address.searchParams.set(name, value));
  history.replaceState(history.state, '', address);
}).observe(document.body, {childList: true, subtree: true});
