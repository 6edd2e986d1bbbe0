import { BatchAck, type BatchAckContent } from '../hl7/batch-ack.ts';
import type { Draft } from './durable-file.ts';

/**
 * Writes what is answered to a file: one message gets its acknowledgement as it is, a batch or several messages a batch
 * of them. Which of both it is shows only when more comes, so the first answer is kept back until then.
 */
export class AnswerFile {
  readonly #draft: Draft;
  readonly #batch: BatchAck;
  #isBatch = false;
  #first: Uint8Array | null = null;

  constructor(draft: Draft, content: BatchAckContent) {
    this.#draft = draft;
    this.#batch = new BatchAck(content);
  }

  async open(segment: 'FHS' | 'BHS', bytes: Uint8Array): Promise<void> {
    await this.#becomeBatch();
    await this.#draft.append(this.#batch.open(segment, bytes));
  }

  /** `isSecond` = there is more than one message; null = no answer is due. */
  async answer(ack: Uint8Array | null, isSecond: boolean): Promise<void> {
    if (isSecond) await this.#becomeBatch();
    if (this.#isBatch) await this.#draft.append(this.#batch.answer(ack));
    else this.#first = ack;
  }

  async close(segment: 'BTS' | 'FTS', problem: string | null): Promise<void> {
    await this.#becomeBatch();
    await this.#draft.append(this.#batch.close(segment, problem));
  }

  async end(): Promise<void> {
    if (this.#isBatch) await this.#draft.append(this.#batch.end());
    else if (this.#first !== null) await this.#draft.append(this.#first);
  }

  async #becomeBatch(): Promise<void> {
    if (this.#isBatch) return;
    this.#isBatch = true;
    if (this.#first !== null) await this.#draft.append(this.#batch.answer(this.#first));
    this.#first = null;
  }
}
