/** What a Swedish person number says by itself. */
export interface PersonNumber {
  readonly kind: 'personnummer' | 'samordningsnummer';
  /** `YYYY-MM-DD`; of a samordningsnummer after 60 is taken from the day. */
  readonly birthDate: string;
}

/** Form the service accepts since December 2022: day 61–91 is a samordningsnummer. */
const FORM = /^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])\d{4}$/;

/** Reads 12 digits; null where form, calendar or check digit is wrong. */
export function readPersonNumber(text: string): PersonNumber | null {
  if (!FORM.test(text) || !hasLuhnDigit(text.slice(2))) return null;
  const day = Number(text.slice(6, 8));
  const kind = day > 60 ? 'samordningsnummer' : 'personnummer';
  const birthDate = `${text.slice(0, 4)}-${text.slice(4, 6)}-${String(day > 60 ? day - 60 : day).padStart(2, '0')}`;
  return isCalendarDate(birthDate) ? { kind, birthDate } : null;
}

/** True where the last of the digits is the Luhn check digit of those before it. */
export function hasLuhnDigit(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const weighted = Number(digit) * (index % 2 === 1 ? 2 : 1);
    return total + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return sum % 10 === 0;
}

/** True for a `YYYY-MM-DD` that is a day of the calendar. */
export function isCalendarDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
