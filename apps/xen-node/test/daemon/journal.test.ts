import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal, replay } from "../../src/daemon/journal.ts";

let folder: string;
const open: Journal[] = [];

async function openJournal(): Promise<Journal> {
  const journal = await Journal.open(folder, now);
  open.push(journal);
  return journal;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-journal-"));
});
afterEach(async () => {
  for (const journal of open.splice(0)) await journal.close();
  await rm(folder, { recursive: true });
});

const now = () => new Date(0);
const created = (domid: number, name: string) => {
  return { event: "created", domid, name, uuid: `uuid-${domid}`, config: { c_info: { name } } } as const;
};
const namesOf = (domains: Iterable<{ domid: number; name: string }>) =>
  [...domains].map(({ domid, name }) => `${domid} ${name}`);

describe("a daemon's journal", () => {
  it("names those that were left behind, once", async () => {
    const first = await openJournal();
    expect(first.lost).toEqual([]);
    await first.record(created(1, "web"));
    await first.record(created(2, "db"));
    await first.record({ event: "ended", domid: 1, how: "poweroff" });
    await first.record({ event: "renamed", domid: 2, name: "data" });
    // The process is killed here: nothing is closed.
    const second = await openJournal();
    expect(namesOf(second.lost)).toEqual(["2 data"]);
    expect(second.lost[0]).toMatchObject({ time: "1970-01-01T00:00:00.000Z", uuid: "uuid-2" });
    expect((await openJournal()).lost).toEqual([]);
  });

  it("is on the disk when a record resolves", async () => {
    const journal = await openJournal();
    await journal.record(created(1, "web"));
    expect(namesOf(replay(await readFile(join(folder, "journal.jsonl"), "utf8")).values())).toEqual(["1 web"]);
  });

  it("passes over a last line that was cut short", async () => {
    const journal = await openJournal();
    await journal.record(created(1, "web"));
    await appendFile(join(folder, "journal.jsonl"), '{"event":"ended","domid":1,"ho');
    expect(namesOf((await openJournal()).lost)).toEqual(["1 web"]);
  });

  it("stays small however long the daemon lives", async () => {
    const journal = await openJournal();
    await journal.record(created(1, "web"));
    const records: Promise<void>[] = [];
    for (let domid = 2; domid < 5200; domid++) {
      records.push(journal.record(created(domid, "short")), journal.record({ event: "ended", domid, how: "poweroff" }));
    }
    await Promise.all(records);
    const text = await readFile(join(folder, "journal.jsonl"), "utf8");
    expect(text.split("\n").length).toBeLessThan(5000);
    expect(namesOf(replay(text).values())).toEqual(["1 web"]);
    await journal.record(created(9, "late"));
    expect(namesOf((await openJournal()).lost)).toEqual(["1 web", "9 late"]);
  });

  it("cut anywhere, tells of no domain that was not there, and of all up to the cut", () => {
    const events = fc.array(fc.record({ domid: fc.integer({ min: 1, max: 5 }), starts: fc.boolean() }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(events, fc.nat(), (list, cutAt) => {
        const lines = list.map(({ domid, starts }) =>
          JSON.stringify({
            ...(starts ? created(domid, `d${domid}`) : { event: "ended", domid, how: "x" }),
            time: "t",
          }),
        );
        const text = `${lines.join("\n")}\n`;
        const cut = text.slice(0, cutAt % (text.length + 1));
        const whole = cut.split("\n").slice(0, -1).length + (lines.includes(cut.split("\n").at(-1) ?? "") ? 1 : 0);
        const living = new Set<number>();
        for (const { domid, starts } of list.slice(0, whole)) starts ? living.add(domid) : living.delete(domid);
        expect([...replay(cut).keys()].sort()).toEqual([...living].sort());
      }),
    );
  });
});
