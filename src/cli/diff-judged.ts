import { findRule, findSilentRule } from './explanation.ts';
import type { Judged } from './judge.ts';
import { cutText } from './page.ts';
import { type Change, diffValues } from './structural-diff.ts';
import { paint, type Terminal } from './terminal.ts';
import type { Workbench } from './workbench.ts';

/** A difference, with the delivery it is in and the rule that made what is there (or was there); '' = no rule did. */
export interface LocatedChange extends Change {
  readonly delivery: string;
  readonly rule: string;
}

/** What differs between what two mappings make of a message, delivery by delivery. */
export function diffJudged(before: Judged, after: Judged, workbench: Pick<Workbench, 'locate'>): LocatedChange[] {
  const left = [...after.deliveries];
  const changes: LocatedChange[] = [];
  for (const old of before.deliveries) {
    const index = left.findIndex(
      ({ target, operation, party, at }) =>
        target === old.target && operation === old.operation && party === old.party && at === old.at,
    );
    const now = index < 0 ? null : (left.splice(index, 1)[0] ?? null);
    const delivery = `${old.target}/${old.operation}`;
    if (now === null) {
      const rule = workbench.locate(old.where);
      changes.push({ kind: 'removed', path: '', before: old.value, after: undefined, delivery, rule });
      continue;
    }
    for (const change of diffValues(old.value, now.value)) {
      const silent = change.kind === 'removed' ? findSilentRule(now, change.path, workbench.locate) : null;
      const maker = change.kind === 'removed' ? old : now;
      changes.push({ ...change, delivery, rule: silent ?? findRule(maker, change.path, workbench.locate) });
    }
  }
  for (const now of left) {
    const delivery = `${now.target}/${now.operation}`;
    const rule = workbench.locate(now.where);
    changes.push({ kind: 'added', path: '', before: undefined, after: now.value, delivery, rule });
  }
  return changes;
}

/** `~ path`, the values, the rule. */
export function showChange({ kind, path, before, after, delivery, rule }: LocatedChange, terminal: Terminal): void {
  const mark = { added: '+', removed: '-', changed: '~' }[kind];
  const style = { added: 'green', removed: 'red', changed: 'yellow' } as const;
  terminal.print(`  ${paint(terminal, style[kind], `${mark} ${path === '' ? delivery : path}`)}`);
  if (path !== '') {
    if (kind !== 'added') terminal.print(`      ${paint(terminal, 'red', `- ${cutText(JSON.stringify(before), 70)}`)}`);
    if (kind !== 'removed')
      terminal.print(`      ${paint(terminal, 'green', `+ ${cutText(JSON.stringify(after), 70)}`)}`);
  }
  if (rule !== '') terminal.print(paint(terminal, 'dim', `      ${rule}`));
}
