import type { ConversionName } from './conversion.ts';

/** What a conversion makes, as lint and editors need to know it. */
interface ConversionFacts {
  /** FHIR type. */
  readonly type: string;
  readonly summary: string;
}

/** One row for each conversion of the engine; `loose…` ones leave out what does not fit, the others fault. */
export const CONVERSION_FACTS: Readonly<Record<ConversionName, ConversionFacts>> = {
  string: { type: 'string', summary: 'The whole text, unescaped, without spaces around it' },
  upper: { type: 'string', summary: 'As string, in capitals' },
  code: { type: 'code', summary: 'The first component' },
  date: { type: 'date', summary: 'Year, year and month, or day' },
  dateTime: { type: 'dateTime', summary: 'Time with offset, as precise as it was stated' },
  instant: { type: 'instant', summary: 'UTC to the millisecond, in a form that sorts' },
  hl7DateTime: { type: 'string', summary: 'HL7’s form of a FHIR date or dateTime, for what is sent as HL7' },
  decimal: { type: 'decimal', summary: 'A number with all its digits' },
  looseDecimal: { type: 'decimal', summary: 'As decimal; what is no number is left out' },
  integer: { type: 'integer', summary: 'A whole number' },
  boolean: { type: 'boolean', summary: 'Y and N of table 0136' },
  CodeableConcept: { type: 'CodeableConcept', summary: 'Codings and text of CE, CWE, CNE, IS, ID' },
  Coding: { type: 'Coding', summary: 'The first coding of CE, CWE, CNE' },
  codingSystem: { type: 'uri', summary: 'URI of a coding system by its name of table 0396; left out where unknown' },
  Quantity: { type: 'Quantity', summary: 'A number, with unit: beside it; what is no number is left out' },
  ContactPoint: { type: 'ContactPoint', summary: 'XTN, TN' },
  HomeContactPoint: { type: 'ContactPoint', summary: 'XTN, TN; home where it does not say' },
  WorkContactPoint: { type: 'ContactPoint', summary: 'XTN, TN; work where it does not say' },
  OrganizationContactPoint: { type: 'ContactPoint', summary: 'XTN, TN of an organization' },
  ReferenceRange: { type: 'Observation.referenceRange', summary: 'Text of a range, with its limits where it reads so' },
  IdentifierSystem: { type: 'uri', summary: 'URI of an authority (CX.4, XCN.9, XON.6)' },
  EntityIdentifierSystem: { type: 'uri', summary: 'URI of the authority of an EI' },
  EndpointUri: { type: 'url', summary: 'URI of an application given as HD; left out where it states none' },
  looseInstant: { type: 'instant', summary: 'Time to the minute or finer; left out where it is less or none' },
  Attachment: { type: 'Attachment', summary: 'ED' },
  PointedAttachment: { type: 'Attachment', summary: 'RP' },
  looseDateTime: { type: 'dateTime', summary: 'As dateTime; what is none is left out, with a warning' },
  looseDate: { type: 'date', summary: 'As date; what is none is left out, with a warning' },
};
