/** One thing that makes a resource invalid. Holds names of elements and types, never a value of the resource. */
export interface ResourceIssue {
  /**
   * The element, from the resource that was handed in: `valueQuantity.value`, `entry[3].resource.code.coding[0].system`,
   * as in the trail of a mapping. '' = the resource itself. A missing element is named where it is missing.
   */
  readonly path: string;
  readonly rule: ResourceRule;
  /** A sentence on what is wrong, with the name of the type, value set or element it is about. */
  readonly message: string;
}

/**
 * Every rule there is. Keys of FHIR's own invariants bear FHIR's name for them.
 * @see HL7 FHIR 4.0.1: json.html, datatypes.html, references.html, bundle.html and each resource's page
 */
export const RESOURCE_RULES = {
  'resource-type': 'Is not a resource of a type that is checked here.',
  'unknown-element': 'FHIR has no such element here.',
  'json-type': 'Has the wrong kind of JSON value.',
  format: 'Does not have the form that its data type demands.',
  required: 'Is required and missing.',
  choice: 'Only one data type of a choice can be given.',
  empty: 'Is null or empty: what is not known has to be left out.',
  companion: 'The list of extensions does not match the list of values.',
  'value-set': 'Is not a code of the value set that is required here.',
  'too-deep': 'Lies deeper than is checked.',

  'reference-format': 'Is not a reference: Type/id, Type?search, an absolute URL, urn:uuid:, urn:oid: or #id.',
  'reference-unresolved': 'Refers to an entry that is not in the bundle.',
  'reference-conditional': 'A conditional reference is for transactions only.',
  'reference-target': 'Refers to a resource of a type that is not allowed here.',
  'reference-type': 'The type that is stated is not the type that is referred to.',
  'contained-id': 'A contained resource needs an id that no other bears.',

  'fullurl-absolute': 'A fullUrl has to be absolute.',
  'fullurl-id': 'The fullUrl and the resource disagree about type or id.',
  'request-url': 'The request does not fit the resource: POST Type, PUT Type/id with the same id, or Type?search.',
  'request-resource': 'POST and PUT need a resource.',
  'request-condition': 'ifNoneExist is for POST only, and holds the search alone.',
  'request-overlap': 'Two entries of a transaction change the same resource.',

  'ele-1': 'An element has to have a value or children.',
  'ext-1': 'An extension has either a value or extensions.',
  'dom-2': 'A contained resource cannot contain resources.',
  'dom-3': 'A contained resource has to be referred to, or refer to the one it is contained in.',
  'dom-4': 'A contained resource has no version and no time of update.',
  'dom-5': 'A contained resource has no security label.',
  'ref-1': 'There is no contained resource of that id.',
  'txt-1': 'The narrative is not one div of XHTML with plain formatting.',
  'txt-2': 'The narrative has no content.',

  'age-1': 'An age needs a code of UCUM for its unit, and is positive.',
  'att-1': 'Data needs a contentType.',
  'cnt-3': 'A count is a whole number with the code 1 of UCUM.',
  'cpt-2': 'A contact point with a value needs a system.',
  'dis-1': 'A distance needs a code of UCUM for its unit.',
  'drt-1': 'A duration with a code needs a value and UCUM as the system.',
  'exp-1': 'Either an expression or a reference is needed.',
  'per-1': 'The period ends before it starts.',
  'qty-3': 'A code for the unit needs a system.',
  'rat-1': 'A ratio has both numerator and denominator, or an extension instead.',
  'rng-2': 'The low end of the range is above its high end.',
  'sqty-1': 'This quantity cannot have a comparator.',
  'tim-1': 'A duration needs a durationUnit.',
  'tim-2': 'A period needs a periodUnit.',
  'tim-4': 'A duration cannot be negative.',
  'tim-5': 'A period cannot be negative.',
  'tim-6': 'periodMax needs a period.',
  'tim-7': 'durationMax needs a duration.',
  'tim-8': 'countMax needs a count.',
  'tim-9': 'An offset needs a when, and none of C, CM, CD, CV.',
  'tim-10': 'timeOfDay and when exclude each other.',

  'bdl-1': 'A total is for searches and histories only.',
  'bdl-2': 'entry.search is for searches only.',
  'bdl-3': 'entry.request has to be in a transaction, batch or history, and nowhere else.',
  'bdl-4': 'entry.response has to be in a response or history, and nowhere else.',
  'bdl-5': 'An entry has to have a resource, a request or a response.',
  'bdl-7': 'Two entries have the same fullUrl.',
  'bdl-8': 'A fullUrl cannot be of one version.',
  'bdl-9': 'A document needs an identifier with system and value.',
  'bdl-10': 'A document needs a timestamp.',
  'bdl-11': 'A document starts with a Composition.',
  'bdl-12': 'A message starts with a MessageHeader.',
  'con-1': 'A stage has a summary or an assessment.',
  'con-2': 'Evidence has a code or details.',
  'con-4': 'A condition that abated is inactive, resolved or in remission.',
  'con-5': 'A condition that was entered in error has no clinicalStatus.',
  'obs-3': 'A reference range has at least a low, a high or a text.',
  'obs-6': 'dataAbsentReason is for observations without a value.',
  'obs-7': 'An observation whose code is also a component’s has no value of its own.',
  'org-1': 'An organization has at least a name or an identifier.',
  'org-2': 'The address of an organization is never of use home.',
  'org-3': 'The contact point of an organization is never of use home.',
  'pat-1': 'A contact has at least a name, telecom, address or organization.',
  'prr-1': 'orderDetail needs a code.',
} as const satisfies Record<string, string>;

export type ResourceRule = keyof typeof RESOURCE_RULES;
