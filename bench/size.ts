import type { Bench } from './figure.ts';
export const bench: Bench = { name: 'size', summary: '', verify() {}, figures: [] };
