// @ts-check
// Small charts as SVG: one series over a time, with its value at the pointer, or where the arrow keys move to.

import { h, set, svg, write } from './dom.js';
import { time } from './format.js';

/** @typedef {{ at: number, value: number | null }} Point A time in milliseconds; no value where nothing was counted. */

const [WIDTH, HEIGHT, PAD] = [300, 44, 3];

/**
 * A chart of the last minutes, whose name for screen readers sums up the points that are shown.
 * @param {{ name: string, format: (value: number | null) => string, spanMs: number }} options
 * @returns {{ element: HTMLElement, update: (points: Point[], now: number) => void }}
 */
export function sparkline({ name, format, spanMs }) {
  const area = svg('path', { class: 'area' });
  const line = svg('path', { class: 'line' });
  const marker = svg('line', { class: 'marker', y1: 0, y2: HEIGHT, hidden: true });
  const nothing = `${name}: nothing counted yet`;
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': nothing, tabindex: 0 }, area, line, marker);
  const note = h('span', { class: 'note', role: 'status' });
  const element = h('div', { class: 'spark' }, picture, note);
  /** @type {Point[]} */
  let points = [];
  /** @type {number | null} */
  let chosen = null;
  let end = 0;

  const x = (/** @type {number} */ at) => WIDTH * (1 - (end - at) / spanMs);

  function mark() {
    const point = points.find(({ at }) => at === chosen);
    set(marker, { hidden: !point, x1: point ? x(point.at) : 0, x2: point ? x(point.at) : 0 });
    element.classList.toggle('marked', Boolean(point));
    write(note, point ? `${format(point.value)} at ${time(point.at)}` : '');
  }

  /** @param {PointerEvent} event */
  function follow(event) {
    const { left, width } = picture.getBoundingClientRect();
    const at = end - spanMs * (1 - (event.clientX - left) / width);
    chosen = points.reduce((best, { at: one }) => (Math.abs(one - at) < Math.abs(best - at) ? one : best), points[0]?.at ?? 0);
    mark();
  }

  /** @param {KeyboardEvent} event */
  function step(event) {
    const places = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in places) || points.length === 0) return;
    event.preventDefault();
    const from = Math.max(0, points.findIndex(({ at }) => at === (chosen ?? points[points.length - 1].at)));
    const to = from + places[/** @type {keyof typeof places} */ (event.key)];
    chosen = points[Math.min(points.length - 1, Math.max(0, to))].at;
    mark();
  }

  function leave() {
    chosen = null;
    mark();
  }
  picture.addEventListener('pointermove', follow);
  picture.addEventListener('pointerleave', leave);
  picture.addEventListener('keydown', step);
  picture.addEventListener('blur', leave);

  return {
    element,
    update(next, now) {
      points = next.filter(({ at }) => at >= now - spanMs);
      end = now;
      const known = points.flatMap(({ value }) => value ?? []);
      const most = Math.max(...known, 0);
      const y = (/** @type {number} */ value) => HEIGHT - PAD - (HEIGHT - 2 * PAD) * (most > 0 ? value / most : 0);
      const parts = runs(points).map((run) => run.map(({ at, value }) => `${x(at).toFixed(1)} ${y(value ?? 0).toFixed(1)}`));
      set(line, { d: parts.map((run) => `M${run.join('L')}`).join('') || 'M0 0' });
      set(area, { d: parts.map((run) => `M${run[0].split(' ')[0]} ${HEIGHT}L${run.join('L')}L${run[run.length - 1].split(' ')[0]} ${HEIGHT}Z`).join('') || 'M0 0' });
      const last = points.length > 0 ? points[points.length - 1].value : null;
      const minutes = Math.round(spanMs / 60_000);
      set(picture, { 'aria-label': known.length > 0 ? `${name}: ${format(last)} now, at most ${format(most)} in ${minutes} minutes` : nothing });
      mark();
    },
  };
}

/**
 * The points with values, apart where some have none.
 * @param {Point[]} points
 */
function runs(points) {
  /** @type {Point[][]} */
  const all = [[]];
  for (const point of points) {
    if (point.value === null) all.push([]);
    else all[all.length - 1].push(point);
  }
  return all.filter((run) => run.length > 0);
}
