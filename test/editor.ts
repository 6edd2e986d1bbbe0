import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface Diagnostic {
  readonly message: string;
  readonly range: { readonly start: Position };
}

export interface Completion {
  readonly label: string;
  readonly documentation?: string | { readonly value: string };
}

interface Position {
  readonly line: number;
  readonly character: number;
}

interface Rpc {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** As an editor would set it; no catalogue of schemas is fetched. */
const SETTINGS = {
  yaml: { validate: true, completion: true, hover: true, schemaStore: { enable: false }, schemas: {} },
  http: {},
};

const SERVER = fileURLToPath(import.meta.resolve('yaml-language-server/bin/yaml-language-server'));

/** Talks to yaml-language-server over its standard input and output, as an editor does. */
export class Editor implements AsyncDisposable {
  readonly #server: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  readonly #opening = new Map<string, (diagnostics: readonly Diagnostic[]) => void>();
  #rest = Buffer.alloc(0);
  #lastId = 0;

  private constructor() {
    this.#server = spawn(process.execPath, [SERVER, '--stdio']);
    this.#server.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  static async start(): Promise<Editor> {
    const editor = new Editor();
    await editor.#ask('initialize', {
      processId: process.pid,
      rootUri: null,
      capabilities: { workspace: { configuration: true }, textDocument: { completion: {}, hover: {} } },
    });
    editor.#tell('initialized', {});
    editor.#tell('workspace/didChangeConfiguration', { settings: SETTINGS });
    return editor;
  }

  /** Opens a text as the file of this path, which need not exist, and is opened once; resolves with what the editor underlines. */
  async open(path: string, text: string): Promise<readonly Diagnostic[]> {
    const uri = pathToFileURL(path).href;
    const told = new Promise<readonly Diagnostic[]>((resolve) => this.#opening.set(uri, resolve));
    this.#tell('textDocument/didOpen', { textDocument: { uri, languageId: 'yaml', version: 1, text } });
    return told;
  }

  async complete(path: string, position: Position): Promise<readonly Completion[]> {
    const result = (await this.#ask('textDocument/completion', this.#at(path, position))) as
      | { readonly items: readonly Completion[] }
      | readonly Completion[];
    return 'items' in result ? result.items : result;
  }

  /** What is shown when the pointer rests there; null = nothing. */
  async hover(path: string, position: Position): Promise<string | null> {
    const result = (await this.#ask('textDocument/hover', this.#at(path, position))) as {
      readonly contents: { readonly value: string };
    } | null;
    return result?.contents.value ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#server, 'exit');
    this.#server.kill();
    await ended;
  }

  #at(path: string, position: Position) {
    return { textDocument: { uri: pathToFileURL(path).href }, position };
  }

  #ask(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    this.#send({ id, method, params });
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #tell(method: string, params: unknown): void {
    this.#send({ method, params });
  }

  #send(message: Rpc): void {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
    this.#server.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.#server.stdin.write(body);
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const end = this.#rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.#rest.subarray(0, end).toString())?.[1]);
      if (this.#rest.length < end + 4 + length) return;
      const body = this.#rest.subarray(end + 4, end + 4 + length).toString();
      this.#rest = this.#rest.subarray(end + 4 + length);
      this.#take(JSON.parse(body) as Rpc);
    }
  }

  #take({ id, method, params, result, error }: Rpc): void {
    if (method === 'workspace/configuration') {
      const { items } = params as { readonly items: readonly { readonly section?: keyof typeof SETTINGS }[] };
      this.#send({
        ...(id === undefined ? {} : { id }),
        result: items.map(({ section }) => SETTINGS[section ?? 'http'] ?? null),
      });
    } else if (method === 'textDocument/publishDiagnostics') {
      const { uri, diagnostics } = params as { readonly uri: string; readonly diagnostics: Diagnostic[] };
      this.#opening.get(uri)?.(diagnostics);
    } else if (method !== undefined) {
      if (id !== undefined) this.#send({ id, result: null });
    } else {
      const waiting = this.#waiting.get(Number(id));
      this.#waiting.delete(Number(id));
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error.message));
    }
  }
}
