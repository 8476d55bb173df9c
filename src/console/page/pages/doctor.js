// @ts-check
// The page Doctor.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Doctor',
  render(root) {
    root.append(empty('This page is not built yet', 'The checks of a set-up that a server can make itself. In a terminal, resound doctor makes all of them.'));
    return () => {};
  },
};
