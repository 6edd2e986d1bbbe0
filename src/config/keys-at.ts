import type { z } from 'zod';

/** The keys that a schema knows at a path; empty where it is not an object. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const plain = unwrap(schema);
  const { def } = plain;
  if (def.type === 'union') return [...new Set(def.options.flatMap((option) => keysAt(option, path)))];
  const [step, ...rest] = path;
  if (step === undefined) return def.type === 'object' ? Object.keys(def.shape) : [];
  if (def.type === 'object') {
    const inner = def.shape[String(step)];
    return inner === undefined ? [] : keysAt(inner, rest);
  }
  if (def.type === 'record') return keysAt(def.valueType, rest);
  if (def.type === 'array') return keysAt(def.element, rest);
  return [];
}

type Unwrapped =
  | { def: { type: 'union'; options: z.ZodType[] } }
  | { def: { type: 'object'; shape: Record<string, z.ZodType> } }
  | { def: { type: 'record'; valueType: z.ZodType } }
  | { def: { type: 'array'; element: z.ZodType } }
  | { def: { type: 'other' } };

function unwrap(schema: z.ZodType): Unwrapped {
  const def = schema.def as { type: string; innerType?: z.ZodType; in?: z.ZodType };
  if (def.innerType !== undefined) return unwrap(def.innerType);
  if (def.in !== undefined) return unwrap(def.in);
  return schema as unknown as Unwrapped;
}
