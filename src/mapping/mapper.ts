import { Fault } from '../contracts/fault.ts';
import type { Answered, Draft, MapContext, Mapped, Mapper } from '../contracts/mapper.ts';
import { type CharsetPolicy, decodeMessage, decodeText, resolveCharset } from '../hl7/charset.ts';
import { arrangeGroups } from '../hl7/group.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { type Message, parseMessage } from '../hl7/message.ts';
import { checkStructure } from '../hl7/structure.ts';
import type { MessageMapping } from './mapping.ts';
import { gatherOutcomes, type MadeBody } from './result-outcome.ts';
import type { Run } from './scope.ts';
import { type TableMiss, Trail } from './trail.ts';

/** A channel with the mappings compiled for it. */
export interface MappedChannel {
  readonly name: string;
  readonly mappings: readonly MessageMapping[];
  readonly charset: CharsetPolicy;
}

/** A mapper that can also say why. */
export interface ExplainingMapper extends Mapper {
  /** As `map`, and for each result what made which element out of what. Slower; for people who ask. */
  explain(message: Uint8Array, context: MapContext): Explanation;
}

export interface Explanation {
  readonly mapped: Mapped;
  /** The message as it was read; null where it could not be. */
  readonly message: Message | null;
  /** HL7 locations that were read for anything but to see whether something is there. */
  readonly used: ReadonlySet<string>;
  /** Lookups that found no row. */
  readonly misses: readonly TableMiss[];
  /** In the order of the results; HL7 location of the result, the mapping's name, and every body that was made. */
  readonly results: readonly {
    readonly at: string | null;
    readonly mapping: string;
    readonly made: readonly MadeBody[];
  }[];
}

/** HL7 2.1 to 2.9, whatever a sender adds to it (`2.3.z` is in use). */
const SUPPORTED_VERSION = /^2\.[1-9]/;

/** Makes the mapper of all channels. */
export function createMapper(version: string, channels: ReadonlyMap<string, MappedChannel>): ExplainingMapper {
  const map = (message: Uint8Array, context: MapContext, isExplained: boolean): Explanation => {
    try {
      const read = readMessage(message, channelOf(context));
      const used = new Set<string>();
      const misses: TableMiss[] = [];
      const results = read.mappings.flatMap((mapping) => {
        const trail = isExplained ? new Trail() : null;
        const outcomes = mapping.mapMessage({ ...read.run, zone: mapping.zone, trail });
        for (const location of trail?.used ?? []) used.add(location);
        misses.push(...(trail?.misses ?? []));
        return outcomes.map((outcome) => ({ outcome, mapping: mapping.name }));
      });
      return {
        mapped: gatherOutcomes(
          results.map(({ outcome }) => outcome),
          read.run.warnings,
        ),
        message: read.run.message,
        used,
        misses,
        results: results.map(({ outcome, mapping }) => ({ at: outcome.at, mapping, made: outcome.made })),
      };
    } catch (error) {
      if (error instanceof Fault)
        return { mapped: refuse(error), message: null, used: new Set(), misses: [], results: [] };
      throw error;
    }
  };
  const channelOf = (context: MapContext): MappedChannel => {
    const channel = channels.get(context.channel);
    if (channel === undefined) throw new Fault('internal', { detail: `no mapping for channel ${context.channel}` });
    return channel;
  };
  return {
    version,
    map: (message, context) => map(message, context, false).mapped,
    explain: (message, context) => map(message, context, true),
    mapResponse: (message, answered, context) => mapResponse(message, answered, channelOf(context)),
    hasFollowUps: (channel, target, operation) =>
      channels.get(channel)?.mappings.some((mapping) => mapping.hasFollowUps(target, operation)) ?? false,
  };
}

function readMessage(
  bytes: Uint8Array,
  channel: MappedChannel,
): { run: Omit<Run, 'zone'>; mappings: MessageMapping[] } {
  const header = readHeader(bytes);
  const mappings = chooseMappings(header, channel);
  const charset = resolveCharset(header.charset, channel.charset);
  const message = parseMessage(decodeMessage(bytes, charset), header.delimiters);
  // Sources take several messages apart; those they cannot read as such must not pass as one.
  const hasSecond = message.segments.some(({ name, occurrence }) => name === 'MSH' && occurrence > 1);
  if (hasSecond) throw new Fault('segment-sequence', { at: 'MSH[2]' });
  const root = arrangeGroups(message);
  return {
    run: {
      message,
      root,
      charset,
      decodeBytes: (part) => decodeText(part, charset),
      answeredAt: null,
      trail: null,
      warnings: header.messageCode === 'ORU' ? checkStructure(root, header.version) : [],
    },
    mappings,
  };
}

const REFUSALS = [
  ['processing-id-unsupported', 'MSH-11.1'],
  ['event-unsupported', 'MSH-9.2'],
] as const;

/** @throws Fault where MSH-9, MSH-11 or MSH-12 names what no mapping of the channel takes */
function chooseMappings(header: Header, channel: MappedChannel): MessageMapping[] {
  const refusals = channel.mappings.map((mapping) => mapping.refuses(header));
  const chosen = channel.mappings.filter((_, index) => refusals[index] === null);
  if (chosen.length === 0) {
    // The mapping that came nearest says why: it took the type, or the type and the event.
    const code = REFUSALS.find(([refusal]) => refusals.includes(refusal)) ?? (['type-unsupported', 'MSH-9.1'] as const);
    throw new Fault(code[0], { at: code[1] });
  }
  if (!SUPPORTED_VERSION.test(header.version)) throw new Fault('version-unsupported', { at: 'MSH-12' });
  // Without a control id the sender could not tell which message an answer belongs to.
  if (header.controlId === '') throw new Fault('field-required', { at: 'MSH-10' });
  return chosen;
}

function mapResponse(bytes: Uint8Array, answered: Answered, channel: MappedChannel): Draft[] {
  const { run, mappings } = readMessage(bytes, channel);
  const response = parseJson(answered.response.body);
  return mappings.flatMap((mapping) =>
    mapping.hasFollowUps(answered.target, answered.operation)
      ? mapping
          .mapResponse({ ...run, zone: mapping.zone, answeredAt: answered.at }, answered, response)
          .map(({ draft }) => draft)
      : [],
  );
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Fault('answer-unreadable');
  }
}

function refuse(fault: Fault): Mapped {
  return { statements: [], drafts: [], skipped: [], provides: [], faults: [fault.record], warnings: [] };
}
