import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AcceptedDomains } from "../../src/migration/accepted-domains.ts";
import type { Peer } from "../../src/migration/peer.ts";
import { Receptions } from "../../src/migration/receptions.ts";

const TOKEN = "01234567-89ab-4cde-8f01-23456789abcd";
const YEAR_MS = 365 * 24 * 3600 * 1000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-receptions-"));
});
afterEach(() => rm(folder, { recursive: true }));

const receptions = async (): Promise<Receptions> => new Receptions(await AcceptedDomains.open(folder));
function fakePeer(): { peer: Peer; gone: Promise<void> } {
  let end: () => void = () => {};
  const gone = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { peer: { end } as unknown as Peer, gone };
}

describe("whose a guest is", () => {
  it("is the sender's unless it was accepted, and the receiver's for good then", async () => {
    const first = await receptions();
    expect(await first.whose(TOKEN)).toBe("refused");
    await first.during(TOKEN, fakePeer().peer, async (begin) => {
      expect(begin()).toBe(true);
      await first.accept(TOKEN, "web");
    });
    expect(await first.whose(TOKEN)).toBe("accepted");
    // The daemon is killed, and another one asked.
    const second = await receptions();
    expect(await second.whose(TOKEN)).toBe("accepted");
    await expect(second.during(TOKEN, fakePeer().peer, async () => {})).rejects.toThrow(/received already/);
  });

  it("is the sender's once it was told so, whatever comes later", async () => {
    const here = await receptions();
    const { peer, gone } = fakePeer();
    const reception = here.during(TOKEN, peer, async (begin) => {
      await gone;
      return begin();
    });
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await here.whose(TOKEN)).toBe("refused");
    expect(await reception).toBe(false);
  });

  it("is told when a reception that has begun is over", async () => {
    const here = await receptions();
    let accept: () => void = () => {};
    const accepting = new Promise<void>((resolve) => {
      accept = resolve;
    });
    const reception = here.during(TOKEN, fakePeer().peer, async (begin) => {
      begin();
      await accepting;
      await here.accept(TOKEN, "web");
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    const whose = here.whose(TOKEN);
    accept();
    await reception;
    expect(await whose).toBe("accepted");
  });

  it("is nothing that a token which is none could make files by, and is forgotten some day", async () => {
    const here = await receptions();
    expect(await here.whose("../../../../../../../../tmp/elsewhere...")).toBe("refused");
    await expect(here.accept("../x", "web")).rejects.toThrow(RangeError);
    await here.accept(TOKEN, "web");
    expect(await readdir(join(folder, "received"))).toEqual([TOKEN]);
    await AcceptedDomains.open(folder, Date.now() + YEAR_MS);
    expect(await readdir(join(folder, "received"))).toEqual([]);
  });
});
