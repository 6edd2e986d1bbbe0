import { SEGMENT_FIELDS, TYPE_COMPONENTS } from './segment-fields.generated.ts';

const read = (table: string) =>
  new Map(
    table
      .trim()
      .split('\n')
      .map((line) => {
        const [name = '', ...types] = line.split(' ');
        return [name, types] as const;
      }),
  );
const segments = read(SEGMENT_FIELDS);
const types = read(TYPE_COMPONENTS);

/** Names of all segments HL7 has defined; names that begin with Z are anybody's. */
export const SEGMENT_NAMES: readonly string[] = [...segments.keys()];

/** How many fields a segment has in the version that gives it most; null = HL7 has no such segment. */
export function countFields(segment: string): number | null {
  return segments.get(segment)?.length ?? null;
}

/** The data type of a field as HL7 2.8 has it; null = of no single type, or not known. */
export function typeOfField(segment: string, field: number): string | null {
  return known(segments.get(segment)?.[field - 1]);
}

/** How many components a data type has; a value of its own counts as one; null = not known. */
export function countComponents(type: string): number | null {
  const parts = types.get(type);
  return parts === undefined ? null : Math.max(1, parts.length);
}

/** The data type of a component; null = not known. */
export function typeOfComponent(type: string, component: number): string | null {
  const parts = types.get(type);
  // The first component of a single value is the value itself.
  if (parts?.length === 0 && component === 1) return type;
  return known(parts?.[component - 1]);
}

function known(type: string | undefined): string | null {
  return type === undefined || type === '-' ? null : type;
}
