// @ts-check
// The page Publish.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Publish',
  render(root) {
    root.append(empty('This page is not built yet', 'Sends an event to a channel. In a terminal, resound trigger sends one.'));
    return () => {};
  },
};
