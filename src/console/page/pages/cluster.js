// @ts-check
// The page Cluster.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Cluster',
  render(root) {
    root.append(empty('This page is not built yet', 'The nodes that share a Redis. GET /ready of each node says how it is connected.'));
    return () => {};
  },
};
