/** A value with its FHIR type, for an element such as `value[x]`: `valueQuantity`, `valueString`. */
export class Choice {
  /** As it stands in the element's name, with its first letter small or capital: `Quantity`, `string`. */
  readonly type: string;
  readonly value: unknown;

  constructor(type: string, value: unknown) {
    this.type = type;
    this.value = value;
  }

  /** `value[x]` → `valueQuantity`. */
  nameOf(element: string): string {
    return element.replace('[x]', this.type.charAt(0).toUpperCase() + this.type.slice(1));
  }
}
