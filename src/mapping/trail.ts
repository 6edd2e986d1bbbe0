/** Which mapping line made which element out of which field. */
export interface TrailEntry {
  /** Element path within the delivery's body: `code.coding[0].code`, `entry[3].resource.status`. */
  readonly element: string;
  /** `file:line:col` of the rule. */
  readonly where: string;
  /** HL7 locations the value came from; [] = a literal. */
  readonly sources: readonly string[];
  /** `file:line:col` of the table rows it was looked up in. */
  readonly rows: readonly string[];
  /** False of a rule that only has the element's parts made, or that made nothing there. */
  readonly isMaker: boolean;
}

/** A table that was asked for what stands at an HL7 location, and has no row for it. */
export interface TableMiss {
  readonly table: string;
  readonly at: string;
}

/** What was read for something that is being evaluated. */
interface Reading {
  readonly sources: Set<string>;
  readonly rows: Set<string>;
}

/** Written while a mapper runs with the trail on; it costs time, so the engine runs without. */
export class Trail {
  readonly #stack: Reading[] = [];
  readonly #used = new Set<string>();
  /** By a result's memo and a variable's index. */
  readonly #kept = new WeakMap<object, Reading[]>();
  readonly #misses = new Map<string, TableMiss>();
  #entries: TrailEntry[] = [];
  #element = '';

  /** HL7 locations anything was read from so far. */
  get used(): ReadonlySet<string> {
    return this.#used;
  }

  /** Every lookup that found no row so far, each place once a table. */
  get misses(): readonly TableMiss[] {
    return [...this.#misses.values()];
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
    this.#stack.at(-1)?.sources.add(location);
  }

  /** Notes the row of a table that gave whatever is being evaluated. */
  lookedUp(where: string): void {
    this.#stack.at(-1)?.rows.add(where);
  }

  /** Notes that a table has no row for what stands at a place. */
  missed(table: string, at: string): void {
    this.#misses.set(`${table} ${at}`, { table, at });
  }

  /** Evaluates, and returns with the value what was read for it. */
  collect<Value>(evaluate: () => Value): Reading & { readonly value: Value } {
    const reading: Reading = { sources: new Set(), rows: new Set() };
    this.#stack.push(reading);
    try {
      return { value: evaluate(), ...reading };
    } finally {
      this.#stack.pop();
      this.#pass(reading);
    }
  }

  /** Evaluates what is asked for more than once (a `let`), and keeps what was read for it. */
  keep<Value>(memo: object, index: number, evaluate: () => Value): Value {
    const { value, ...reading } = this.collect(evaluate);
    const kept = this.#kept.get(memo) ?? [];
    kept[index] = reading;
    this.#kept.set(memo, kept);
    return value;
  }

  /** Notes the same again for whoever asks now. */
  readAgain(memo: object, index: number): void {
    const kept = this.#kept.get(memo)?.[index];
    if (kept !== undefined) this.#pass(kept);
  }

  #pass(reading: Reading): void {
    const outer = this.#stack.at(-1);
    for (const source of reading.sources) outer?.sources.add(source);
    for (const row of reading.rows) outer?.rows.add(row);
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

  /**
   * Evaluates what makes a thing of its own, such as a bundle's resource, whatever is being made just now.
   * @param root stands for the thing until `place` says where it came to stand; holds no point
   */
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

  /** Gives things that were made by `at` the places they came to stand at; a thing without one came to nothing. */
  place(elements: ReadonlyMap<string, string>, roots: ReadonlySet<string>): void {
    this.#entries = this.#entries.flatMap((entry) => {
      const end = entry.element.indexOf('.');
      const root = end < 0 ? entry.element : entry.element.slice(0, end);
      if (!roots.has(root)) return [entry];
      const element = elements.get(root);
      return element === undefined ? [] : [{ ...entry, element: element + entry.element.slice(root.length) }];
    });
  }

  /** What was made as `value[x]` bears the name of its type from now on. */
  rename(step: string, name: string): void {
    const prefix = this.#element === '' ? '' : `${this.#element}.`;
    const [was, is] = [prefix + step, prefix + name];
    this.#entries = this.#entries.map((entry) =>
      entry.element.startsWith(was) ? { ...entry, element: is + entry.element.slice(was.length) } : entry,
    );
  }

  /** Notes that the element at hand was made by a rule; what only led to it (a `let`, a condition) is not an element. */
  made(where: string, sources: ReadonlySet<string>, rows: ReadonlySet<string>): void {
    if (this.#stack.length > 0 || this.#element === '') return;
    const [element, isMaker] = [this.#element, true];
    this.#entries.push({ element, where, sources: [...sources], rows: [...rows], isMaker });
  }

  /** How much was noted so far. */
  get count(): number {
    return this.#entries.length;
  }

  /**
   * The items of a list of the element at hand came to stand further back than they were made.
   * @param since what was noted before stays
   * @param path of the list within the element: `''`, `.coding`
   * @param count how many items there are
   * @param where the rule of those that none is known for
   */
  moveItems(since: number, path: string, by: number, count: number, where: string): void {
    const list = `${this.#element}${path}[`;
    const known = new Set<number>();
    this.#entries = this.#entries.map((entry, index) => {
      if (index < since || !entry.element.startsWith(list)) return entry;
      const [, number = '', rest = ''] = /^(\d+)(.*)$/.exec(entry.element.slice(list.length)) ?? [];
      known.add(Number(number) + by);
      return { ...entry, element: `${list}${Number(number) + by}${rest}` };
    });
    if (this.#stack.length > 0) return;
    const whole = this.#entries.findLast((one, index) => index >= since && one.element === this.#element);
    for (let item = by; item < by + count; item += 1) {
      if (known.has(item)) continue;
      const [element, isMaker] = [`${list}${item}]`, false];
      this.#entries.push({ sources: [], rows: [], ...(whole?.isMaker ? whole : { where }), element, isMaker });
    }
  }

  /** Notes which rule is there for an element (or an item) of what is being made, whether or not it made anything. */
  ruled(step: string, where: string): void {
    if (this.#stack.length > 0) return;
    const outer = this.#element;
    const element = outer === '' || step.startsWith('[') ? outer + step : `${outer}.${step}`;
    this.#entries.push({ element, where, sources: [], rows: [], isMaker: false });
  }
}
