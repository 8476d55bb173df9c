// @ts-check
// The page Refused.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Refused',
  render(root) {
    root.append(empty('This page is not built yet', 'What was refused, by cause, with the remedy. In a terminal, resound tail --kind refused shows them.'));
    return () => {};
  },
};
