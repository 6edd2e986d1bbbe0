import { Fault } from '../contracts/fault.ts';
import { keepProblem } from './problem.ts';
import { readReason } from './reason.ts';
import type { Scope } from './scope.ts';
import { compileSource } from './source.ts';
import type { Surroundings } from './surroundings.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

/** A rule of `ignore:` or `skip:`. */
export interface Reason {
  readonly holds: (scope: Scope) => boolean;
  readonly reason: string;
  /** Left out, and yet one of those of which only the first counts. */
  readonly counts: boolean;
}

/** A rule of `refuse:` or `hold:`. */
export interface Complaint {
  readonly holds: (scope: Scope) => boolean;
  readonly make: (scope: Scope) => Fault;
}

/** `skip: [{ when: …, reason: … }]`; an item with a problem is noted and left out. */
export function compileReasons(node: YamlNode | null, around: Surroundings): Reason[] {
  return (node?.items() ?? []).flatMap((item) =>
    keepProblem(around.problems, () => {
      const keys = item.keys(['when', 'reason', 'counts', 'because']);
      return [
        {
          reason: readReason(item, keys),
          counts: keys.get('counts')?.flag() ?? false,
          holds: compileWhen(keys.get('when') ?? item.fail('when: … is needed'), around.variables),
        },
      ];
    }, []),
  );
}

/** `refuse: [{ when: …, reason: …, at: … }]`, faults with this code; an item with a problem is noted and left out. */
export function compileComplaints(
  node: YamlNode | null,
  code: 'rule-refuses' | 'rule-holds',
  around: Surroundings,
): Complaint[] {
  return (node?.items() ?? []).flatMap((item) =>
    keepProblem(around.problems, () => {
      const keys = item.keys(['when', 'reason', 'at', 'because']);
      const detail = readReason(item, keys);
      const holds = compileWhen(keys.get('when') ?? item.fail('when: … is needed'), around.variables);
      const atNode = keys.get('at');
      const at = atNode === undefined ? null : compileSource(atNode, around.variables);
      const make = (scope: Scope) => {
        const place = at?.readFirst(scope)?.at ?? at?.locateMissing(scope) ?? null;
        return new Fault(code, { at: place, where: item.where, detail });
      };
      return [{ holds, make }];
    }, []),
  );
}
