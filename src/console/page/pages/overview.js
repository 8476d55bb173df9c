// @ts-check
// The page Overview: what needs attention, the figures of now, and ten minutes of each as a small chart.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Overview',
  render(root) {
    root.append(empty('This page is not built yet', 'What needs attention, and ten minutes of figures. GET /metrics has them all.'));
    return () => {};
  },
};
