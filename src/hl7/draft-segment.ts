import type { Delimiters } from './delimiters.ts';

/** A place within a segment that is being written; counts from 1. */
export interface SegmentPlace {
  readonly field: number;
  readonly component: number | null;
  readonly subcomponent: number | null;
}

/** A segment that is being written: raw texts in the delimiters of its message. */
export class DraftSegment {
  readonly name: string;
  readonly #delimiters: Delimiters;
  /** By field number; what is missing is empty. */
  readonly #fields: string[] = [];

  constructor(name: string, delimiters: Delimiters) {
    this.name = name;
    this.#delimiters = delimiters;
  }

  /** The raw field, repetitions and all; '' where nothing was put. */
  field(number: number): string {
    return this.#fields[number] ?? '';
  }

  /** Puts a raw text: a whole field with its repetitions, or a part of the first repetition. */
  put({ field, component, subcomponent }: SegmentPlace, raw: string): void {
    const { repetition, component: ofComponents, subcomponent: ofSubcomponents } = this.#delimiters;
    const inComponent = (text: string) =>
      subcomponent === null || ofSubcomponents === null ? raw : putNth(text, ofSubcomponents, subcomponent, raw);
    const inRepetition = (text: string) =>
      component === null ? raw : changeNth(text, ofComponents, component, inComponent);
    this.#fields[field] = component === null ? raw : changeNth(this.field(field), repetition, 1, inRepetition);
  }

  /** The segment without its end; empty fields at its end are left out. */
  get text(): string {
    const { field } = this.#delimiters;
    const last = this.#fields.findLastIndex((one) => one !== undefined && one !== '');
    return [this.name, ...Array.from({ length: last < 0 ? 0 : last }, (_, index) => this.field(index + 1))].join(field);
  }
}

function putNth(text: string, delimiter: string, number: number, part: string): string {
  return changeNth(text, delimiter, number, () => part);
}

function changeNth(text: string, delimiter: string, number: number, change: (part: string) => string): string {
  const parts = text.split(delimiter);
  while (parts.length < number) parts.push('');
  parts[number - 1] = change(parts[number - 1] ?? '');
  while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return parts.join(delimiter);
}
