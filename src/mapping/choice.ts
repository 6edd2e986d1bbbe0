/** A value with its FHIR type, for an element such as `value[x]`: `valueQuantity`, `valueString`. */
export class Choice {
  /** As it stands in the element's name, with its first letter small or capital: `Quantity`, `string`. */
  readonly type: string;
  readonly value: unknown;
  /** Extensions of a primitive value, which JSON puts beside it (`_valueString`); null = none. */
  readonly beside: object | null;

  constructor(type: string, value: unknown, beside: object | null = null) {
    this.type = type;
    this.value = value;
    this.beside = beside;
  }

  /** `value[x]` → `valueQuantity`. */
  nameOf(element: string): string {
    return element.replace('[x]', this.type.charAt(0).toUpperCase() + this.type.slice(1));
  }
}
