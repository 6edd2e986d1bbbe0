/** One issue of an OperationOutcome. */
export interface Issue {
  readonly severity: 'error' | 'warning' | 'information';
  /** A code of FHIR's issue-type value set. */
  readonly code: string;
  /** For people; as real servers do, it may quote what was sent. */
  readonly diagnostics: string;
  /** FHIRPath of the element; null = the request as a whole. */
  readonly expression: string | null;
}

export type Json = Record<string, unknown>;

/** An answer other than success: status, issues, and headers where the status asks for them. */
export class Refused extends Error {
  readonly status: number;
  readonly issues: readonly Issue[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, issues: readonly Issue[], headers: Readonly<Record<string, string>> = {}) {
    super(issues[0]?.diagnostics ?? `HTTP ${status}`);
    this.status = status;
    this.issues = issues;
    this.headers = headers;
  }
}

/** A refusal with one issue. */
export function refuse(status: number, code: string, diagnostics: string, expression: string | null = null): Refused {
  return new Refused(status, [{ severity: 'error', code, diagnostics, expression }]);
}

/** The OperationOutcome resource of some issues. */
export function makeOutcome(issues: readonly Issue[]): Json {
  return {
    resourceType: 'OperationOutcome',
    issue: issues.map(({ severity, code, diagnostics, expression }) => ({
      severity,
      code,
      diagnostics,
      ...(expression === null ? {} : { expression: [expression] }),
    })),
  };
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  422: 'Unprocessable Entity',
};

/** `201 Created`, as a bundle's entries state it. */
export function statusLine(status: number): string {
  return `${status} ${REASONS[status] ?? ''}`.trim();
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value of a request as a diagnostic shows it. */
export function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}
