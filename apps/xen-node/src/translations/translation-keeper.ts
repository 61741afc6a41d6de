import type { ProcessorTranslator } from "@xen-node/hypervisor-core";
import type { TranslationStore } from "./translation-store.ts";

/** Between two looks at what was translated. */
const LOOK_MS = 5 * 60_000;
/** Fewer new translations than this are not worth a file, and as many between two looks mean that guests are busy. */
const FEW = 8;
/** So many looks in turn may be put off because guests are busy. */
const MOST_BUSY_LOOKS = 12;

/**
 * Keeps translations of a machine that runs for long: at its end, and now and then before, in case that it is killed. To write
 * them takes up to a second in which guests stand still, so it waits for a time in which little is translated.
 */
export class TranslationKeeper {
  private timer: NodeJS.Timeout | undefined;
  /** Translations made until the last look, and until the last time that they were kept. */
  private seen = 0;
  private kept = 0;
  private busyLooks = 0;

  /** @param note takes a sentence about why nothing was kept */
  constructor(
    private readonly store: Pick<TranslationStore, "save">,
    private readonly translator: ProcessorTranslator,
    private readonly note: (text: string) => void,
  ) {}

  /** Looks now and then, from now on. That does not keep the process. */
  start(): void {
    this.timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Looks no more, and keeps what there is. */
  end(): void {
    clearInterval(this.timer);
    this.save();
  }

  private look(): void {
    const { compiled } = this.translator.counters;
    const isBusy = compiled - this.seen >= FEW;
    this.seen = compiled;
    if (compiled - this.kept < FEW) return;
    if (isBusy && ++this.busyLooks < MOST_BUSY_LOOKS) return;
    this.save();
  }

  /** They only save time: that they are not kept disturbs nobody. */
  private save(): void {
    this.busyLooks = 0;
    this.kept = this.translator.counters.compiled;
    try {
      this.store.save(this.translator);
    } catch (error) {
      this.note(`what was translated is not kept: ${(error as Error).message}`);
    }
  }
}
