import type { Bench } from './figure.ts';
export const bench: Bench = { name: 'growth', summary: '', verify() {}, figures: [] };
