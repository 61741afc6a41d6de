import { readGuestFiles } from "@xen-node/toolstack";
import { unpackedKernels } from "../fetch/cache.ts";
import { MarkerWatch } from "../report/marker-watch.ts";
import { type FetchSettings, type GuestOptions, planGuests } from "../run/guest-plan.ts";
import { translatorSetting } from "../run/translator-setting.ts";
import { asUserError, ExitStatus, UserError } from "../user-error.ts";
import { type LockstepEnd, runInLockstep } from "./lockstep.ts";

/** The options of `xen-node lockstep`. */
export interface CompareOptions extends GuestOptions {
  translator?: string;
  /** Where to end, in millions. */
  instructions?: number;
}

const PROGRESS_MS = 5000;

const count = (value: number): string => value.toLocaleString("en-US");

/**
 * Runs a guest translated and interpreted, and tells on stdout whether both did the same.
 *
 * @returns the exit status of the process.
 * @throws UserError or ConfigError: a mistake of the user's, in one sentence.
 */
export async function compare(files: string[], options: CompareOptions, fetching: FetchSettings): Promise<number> {
  const { translator: setting, instructions: millions, ...guestOptions } = options;
  const translator = translatorSetting(setting);
  if (files.length > 1) throw new UserError("lockstep compares one guest: give it one configuration file.");
  if (millions === 0) throw new UserError("--instructions must be at least 1, which is a million.");
  const say = (message: string): void => {
    process.stderr.write(`${message}\n`);
  };
  const [{ config, userspaceMarker }] = await planGuests(files, guestOptions, fetching, say);
  if (config.disks.length + config.vifs.length > 0)
    throw new UserError(
      "lockstep has no devices, which answer when the host does: leave disks and network interfaces out.",
    );
  const guestFiles = await readGuestFiles(config, { unpackedKernels: unpackedKernels(fetching.cache) });
  const limit = millions === undefined ? Number.POSITIVE_INFINITY : millions * 1e6;
  let inUserspace = false;
  const watch = new MarkerWatch(`${userspaceMarker}\r\n`, () => {
    inUserspace = true;
  });
  let told = performance.now();
  const isOver = (instructions: number): boolean => {
    const now = performance.now();
    if (now - told >= PROGRESS_MS) {
      told = now;
      say(`${count(Math.round(instructions / 1e6))} M instructions, no difference so far`);
    }
    return inUserspace || instructions >= limit;
  };
  const onOutput = (text: string): void => watch.push(Buffer.from(text, "latin1"));
  let end: LockstepEnd;
  try {
    end = await runInLockstep(config, guestFiles, { translator, onOutput, isOver });
  } catch (error) {
    throw asUserError(error);
  }
  if (end.kind === "difference") {
    process.stdout.write(`Difference: ${end.text}\n`);
    return ExitStatus.difference;
  }
  const { stretches, instructions } = end;
  const until = inUserspace ? "userspace" : instructions >= limit ? "the wanted number" : "the guest's end";
  process.stdout.write(
    `No difference in ${count(stretches)} exits and ${count(instructions)} instructions, until ${until}.\n`,
  );
  return ExitStatus.poweredOff;
}
