import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";

const NAME = "journal.jsonl";
/** Where the journal of the daemon before this one goes. */
const OLD_NAME = "journal.old.jsonl";
/** Lines after which the journal is written anew with what still matters. */
const MOST_LINES = 10_000;

const created = v.object({
  event: v.literal("created"),
  time: v.string(),
  domid: v.number(),
  name: v.string(),
  uuid: v.string(),
  /** The configuration, as xl shows it. */
  config: v.record(v.string(), v.unknown()),
  /** Set once it was offered to another daemon. */
  offered: v.optional(v.string()),
});
const entrySchema = v.variant("event", [
  created,
  v.object({ event: v.literal("renamed"), time: v.string(), domid: v.number(), name: v.string() }),
  /** It was offered to another daemon: whose it is then is for that one to say. */
  v.object({ event: v.literal("offered"), time: v.string(), domid: v.number(), token: v.string() }),
  /** It was not taken, and goes on here. */
  v.object({ event: v.literal("kept"), time: v.string(), domid: v.number() }),
  v.object({ event: v.literal("ended"), time: v.string(), domid: v.number(), how: v.string() }),
]);
export type JournalEntry = v.InferOutput<typeof entrySchema>;
export type JournalledDomain = v.InferOutput<typeof created>;
/** What is recorded; the journal adds the time. */
export type JournalRecord = JournalEntry extends infer E ? (E extends JournalEntry ? Omit<E, "time"> : never) : never;

/**
 * Which domains there are, in a file of one line of JSON each that survives the process: a line is on the disk before it
 * is acted on further, and a last line that was cut short is passed over.
 */
export class Journal {
  private readonly living = new Map<number, JournalledDomain>();
  private lines = 0;
  /** Lines that wait for the next write, and its end. */
  private waiting: string[] = [];
  private next: Promise<void> | undefined;
  private work: Promise<void> = Promise.resolve();

  private constructor(
    private readonly folder: string,
    private file: FileHandle,
    /** Domains that the process before this one left behind. */
    readonly lost: readonly JournalledDomain[],
    private readonly now: () => Date,
  ) {}

  /** Reads what the process before this one left, puts it aside, and begins anew. */
  static async open(folder: string, now: () => Date = () => new Date()): Promise<Journal> {
    const path = join(folder, NAME);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text !== undefined) await rename(path, join(folder, OLD_NAME));
    const file = await open(path, "a", 0o600);
    await syncFolder(folder);
    return new Journal(folder, file, [...replay(text ?? "").values()], now);
  }

  /** Resolves when the entry is on the disk. Entries that come while one is written go there together. */
  record(entry: JournalRecord): Promise<void> {
    const timed = { ...entry, time: this.now().toISOString() } as JournalEntry;
    apply(this.living, timed);
    this.waiting.push(`${JSON.stringify(timed)}\n`);
    // A write that failed, as on a full disk, must not keep those after it from being tried.
    this.next ??= this.work = this.work.catch(() => {}).then(() => this.write());
    return this.next;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.work.catch(() => {});
    await this.file.close();
  }

  private async write(): Promise<void> {
    const lines = this.waiting;
    this.waiting = [];
    this.next = undefined;
    await this.file.appendFile(lines.join(""));
    await this.file.datasync();
    this.lines += lines.length;
    if (this.lines >= MOST_LINES) await this.rewrite();
  }

  private async rewrite(): Promise<void> {
    const path = join(this.folder, NAME);
    // What waits is in the living as well, and is applied a second time by the next write, which changes nothing.
    const file = await open(`${path}.new`, "w", 0o600);
    const lines = [...this.living.values()].map((domain) => `${JSON.stringify(domain)}\n`);
    await file.writeFile(lines.join(""));
    await file.sync();
    await rename(`${path}.new`, path);
    await syncFolder(this.folder);
    const { file: before } = this;
    this.file = file;
    this.lines = 0;
    await before.close();
  }
}

/** The domains that are left after all entries. Lines that cannot be read are passed over. */
export function replay(text: string): Map<number, JournalledDomain> {
  const living = new Map<number, JournalledDomain>();
  for (const line of text.split("\n")) {
    const entry = v.safeParse(entrySchema, parse(line));
    if (entry.success) apply(living, entry.output);
  }
  return living;
}

function apply(living: Map<number, JournalledDomain>, entry: JournalEntry): void {
  switch (entry.event) {
    case "created":
      living.set(entry.domid, entry);
      break;
    case "renamed": {
      const domain = living.get(entry.domid);
      if (domain !== undefined) living.set(entry.domid, { ...domain, name: entry.name });
      break;
    }
    case "offered": {
      const domain = living.get(entry.domid);
      if (domain !== undefined) living.set(entry.domid, { ...domain, offered: entry.token });
      break;
    }
    case "kept": {
      const { offered: _, ...domain } = living.get(entry.domid) ?? {};
      if ("domid" in domain) living.set(entry.domid, domain as JournalledDomain);
      break;
    }
    case "ended":
      living.delete(entry.domid);
      break;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** A new name in a folder is lasting only when the folder is on the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}
