// @ts-check
// The page Apps.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Apps',
  render(root) {
    root.append(empty('This page is not built yet', 'The apps that are served, with their limits. In a terminal, resound check lists them.'));
    return () => {};
  },
};
