import type { Dispatcher } from './dispatcher.ts';
import type { Gates } from './gates.ts';
import type { Channel, TargetPlace } from './settings.ts';

/** What is to be in force. A source or target that is the same object as now lives on undisturbed. */
export interface Ends {
  readonly channels: readonly Channel[];
  readonly targets: readonly TargetPlace[];
  /** Ids. */
  readonly parties: readonly string[];
}

/** A channel whose source could not be opened; it is closed. */
export interface NotOpened {
  readonly channel: string;
  readonly error: unknown;
}

export interface ChangeoverParts {
  /** Those in force; changed in place. */
  readonly channels: Channel[];
  readonly targets: Map<string, TargetPlace>;
  readonly gates: Gates;
  readonly dispatcher: Dispatcher;
  /** @throws Error where it cannot be opened */
  readonly open: (channel: Channel) => Promise<void>;
  /** Never rejects. */
  readonly close: (channel: Channel) => Promise<void>;
  readonly stopTarget: (place: TargetPlace) => Promise<void>;
  readonly isStopping: () => boolean;
}

/**
 * Puts targets and the settings of channels in force at a moment when nothing is being claimed, with whatever `atOnce`
 * does; then closes the sources that go, opens those that come, and sends to a changed target only when the attempts of
 * the old one have ended.
 */
export async function changeOver(next: Ends, atOnce: () => void, parts: ChangeoverParts): Promise<NotOpened[]> {
  const { channels, targets, gates, dispatcher } = parts;
  let leaving: TargetPlace[] = [];
  await dispatcher.change(() => {
    const before = [...targets.values()];
    targets.clear();
    for (const place of next.targets) targets.set(place.name, place);
    leaving = before.filter((place) => targets.get(place.name)?.target !== place.target);
    gates.arrange(next.targets, next.parties);
    // The old one ends first, or both would be sent to at a time.
    for (const { name } of leaving) gates.shut(name);
    for (const channel of channels) {
      const same = next.channels.find(({ name, source }) => name === channel.name && source === channel.source);
      // The very object its intake and its debts look at.
      if (same !== undefined) Object.assign(channel, same);
    }
    atOnce();
  });
  const failed = await changeSources(next.channels, parts);
  await Promise.all(
    leaving.map(async (place) => {
      await dispatcher.drained(place.name);
      await parts.stopTarget(place);
      gates.reopen(place.name);
      dispatcher.wake();
    }),
  );
  return failed;
}

async function changeSources(next: readonly Channel[], parts: ChangeoverParts): Promise<NotOpened[]> {
  const { channels, open, close, isStopping } = parts;
  const isSame = (one: Channel, other: Channel) => one.name === other.name && one.source === other.source;
  const leaving = channels.filter((channel) => !next.some((other) => isSame(channel, other)));
  // All of them first: one that comes may want the port of one that goes.
  await Promise.all(leaving.map(close));
  for (const channel of leaving) channels.splice(channels.indexOf(channel), 1);
  const failed: NotOpened[] = [];
  for (const channel of next) {
    if (isStopping() || channels.some((other) => isSame(channel, other))) continue;
    const opened = { ...channel };
    channels.push(opened);
    try {
      await open(opened);
    } catch (error) {
      channels.splice(channels.indexOf(opened), 1);
      failed.push({ channel: channel.name, error });
    }
  }
  return failed;
}
