import type { TranslatorOptions } from "@xen-node/x86-cpu";
import { UserError } from "../user-error.ts";

/** Instructions of the interpreter's between two samples. */
export const SAMPLE_INTERVAL = 4000;

const SETTINGS: Record<string, TranslatorOptions | false> = {
  default: {},
  /** All code is interpreted. */
  off: false,
  /** Every block is translated when it is first executed. */
  eager: { eager: true },
  /** Regions have hardly any room, and push each other out all the time. */
  evict: { maxRegions: 16, heat: 2 },
  /** Calls and returns all go through the hub. */
  unlinked: { linked: false },
};

/**
 * The translator's options for a value of --translator.
 *
 * @throws UserError for a name that is none.
 */
export function translatorSetting(name = "default"): TranslatorOptions | false {
  if (!Object.hasOwn(SETTINGS, name)) {
    throw new UserError(`--translator knows no setting "${name}": use default, off, eager, evict or unlinked.`);
  }
  const setting = SETTINGS[name];
  return setting && { interval: SAMPLE_INTERVAL, ...setting };
}

/** Whether translations are kept from run to run, and used: the other settings are for tests, which are to see code translated. */
export function keepsTranslations(options: { translator?: string; keptTranslations?: boolean }): boolean {
  return (options.keptTranslations ?? true) && (options.translator ?? "default") === "default";
}
