/** Which mapping line made which element out of which field. */
export interface TrailEntry {
  /** Element path within the delivery's body: `code.coding[0].code`. */
  readonly element: string;
  /** `file:line:col` of the rule. */
  readonly where: string;
  /** HL7 locations the value came from; [] = a literal. */
  readonly sources: readonly string[];
}

/** Written while a mapper runs with the trail on; it costs time, so the engine runs without. */
export class Trail {
  readonly #stack: Set<string>[] = [];
  readonly #used = new Set<string>();
  /** By a result's memo and a variable's index. */
  readonly #kept = new WeakMap<object, ReadonlySet<string>[]>();
  #entries: TrailEntry[] = [];
  #element = '';

  /** HL7 locations anything was read from so far. */
  get used(): ReadonlySet<string> {
    return this.#used;
  }

  /** What was noted since the last call. */
  takeEntries(): TrailEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  /** Notes a place that was read for whatever is being evaluated. */
  read(location: string): void {
    this.#used.add(location);
    this.#stack.at(-1)?.add(location);
  }

  /** Evaluates, and returns with the value the places it was read from. */
  collect<Value>(evaluate: () => Value): { readonly value: Value; readonly sources: ReadonlySet<string> } {
    const sources = new Set<string>();
    this.#stack.push(sources);
    try {
      return { value: evaluate(), sources };
    } finally {
      this.#stack.pop();
      for (const source of sources) this.#stack.at(-1)?.add(source);
    }
  }

  /** Evaluates what is asked for more than once (a `let`), and keeps the places it was read from. */
  keep<Value>(memo: object, index: number, evaluate: () => Value): Value {
    const { value, sources } = this.collect(evaluate);
    const kept = this.#kept.get(memo) ?? [];
    kept[index] = sources;
    this.#kept.set(memo, kept);
    return value;
  }

  /** Notes the places again for whoever asks now. */
  readAgain(memo: object, index: number): void {
    for (const source of this.#kept.get(memo)?.[index] ?? []) this.#stack.at(-1)?.add(source);
  }

  /** Evaluates what makes an element, below the element that is being made. */
  within<Value>(step: string, evaluate: () => Value): Value {
    const outer = this.#element;
    this.#element = outer === '' || step.startsWith('[') ? outer + step : `${outer}.${step}`;
    try {
      return evaluate();
    } finally {
      this.#element = outer;
    }
  }

  /** Evaluates what makes a thing of its own, such as a bundle's resource, whatever is being made just now. */
  at<Value>(root: string, evaluate: () => Value): Value {
    const [outer, stack] = [this.#element, this.#stack.splice(0)];
    this.#element = root;
    try {
      return evaluate();
    } finally {
      this.#element = outer;
      this.#stack.push(...stack);
    }
  }

  /** Notes that the element at hand was made by a rule; what only led to it (a `let`, a condition) is not an element. */
  made(where: string, sources: ReadonlySet<string>): void {
    if (this.#stack.length > 0 || this.#element === '') return;
    this.#entries.push({ element: this.#element, where, sources: [...sources] });
  }
}
