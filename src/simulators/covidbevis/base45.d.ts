declare module 'base45' {
  /** RFC 9285. */
  export function encode(bytes: Uint8Array): string;
  export function decode(text: string): Buffer;
}
