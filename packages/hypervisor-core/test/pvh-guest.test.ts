import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PvhLab } from "./pvh-guest/pvh-lab.ts";

const here = (path: string): URL => new URL(`pvh-guest/${path}`, import.meta.url);

it("the built guest is that of the sources, and small", () => {
  for (const line of readFileSync(here("bin/sources.sha256"), "utf8").trim().split("\n")) {
    const [digest, name] = line.split(/\s+/);
    expect(
      createHash("sha256")
        .update(readFileSync(here(name)))
        .digest("hex"),
      name,
    ).toBe(digest);
  }
  expect(statSync(here("bin/guest.elf")).size).toBeLessThan(20_000);
});

describe("a PVH guest of our own", () => {
  it.each([
    ["interpreted", false],
    ["translated at once", { eager: true }],
  ] as const)("finds its processor and hypervisor as they should be, %s", async (_setting, translator) => {
    const lab = new PvhLab({ translator });
    const domain = await lab.start();
    lab.runToEnd();
    expect(
      lab.lines.filter((line) => /FAIL|unexpected/.test(line)),
      lab.story,
    ).toEqual([]);
    expect(lab.shutdownReason, lab.story).toBe(0);
    const done = lab.story.match(/done: (\d+) checks, 0 failed/);
    expect(Number(done?.[1]), lab.story).toBeGreaterThan(90);
    lab.destroy(domain);
    expect(lab.hypervisor.mmu.frames.freeFrames).toBe(lab.freeAtFirst);
  });
});
