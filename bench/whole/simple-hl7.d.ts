/** As much of it as is used here; it has no types of its own. */
declare module 'simple-hl7' {
  import type { Server } from 'node:net';

  interface App {
    use(handle: (request: unknown, response: { end(): void }) => void): void;
    start(port: number): { readonly server: Server };
  }
  const hl7: { tcp(): App };
  // biome-ignore lint/style/noDefaultExport: it is CommonJS
  export default hl7;
}
