import type { FaultRecord } from '../contracts/fault.ts';
import type { LogFields } from '../contracts/log.ts';
import type { Delivery } from '../contracts/target.ts';

/** What a log line says of an unforeseen error: its class and code, never its text, which could quote a message. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : '';
  return `${error.name}${code}`;
}

/** What a log line says of a fault. */
export function faultFields(fault: FaultRecord | null): LogFields {
  if (fault === null) return {};
  const fields: LogFields = { fault: fault.code };
  if (fault.at !== null) fields.at = fault.at;
  if (fault.where !== null) fields.where = fault.where;
  if (fault.detail !== null) fields.detail = fault.detail;
  return fields;
}

/** What a log line says of an attempt. */
export function deliveryFields(delivery: Delivery): LogFields {
  const { channel, target, operation, party, messageId, id: deliveryId, attempt } = delivery;
  return { channel, target, operation, party, messageId, deliveryId, attempt };
}
