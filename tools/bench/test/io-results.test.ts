import { describe, expect, it } from "vitest";
import { jobsNamed } from "../src/io-jobs.ts";
import { ioJson } from "../src/io-json.ts";
import { ioReport } from "../src/io-report.ts";
import { IoResults } from "../src/io-results.ts";
import type { Outcome } from "../src/suite-run.ts";

/** Rounds of a second each that moved so much. */
const moved = (...counts: number[]): Outcome => ({
  rounds: counts.map((count) => ({
    wallMs: 1000,
    processorMs: 500,
    guestMs: 1000,
    result: count.toString(16).padStart(16, "0"),
  })),
});

function someResults(): IoResults {
  const results = new IoResults(jobsNamed("seq-read-64k-qd1,seq-read-1m-qd1,tcp-trips,map-unmap"));
  const [small, large, trips] = results.jobs.map(({ name }) => name);
  const add = (peer: Parameters<IoResults["add"]>[0], ...entries: [string, Outcome][]) =>
    results.add(peer, new Map(entries));
  add("xen-node", [small, moved(100e6, 200e6, 300e6)], [large, moved(400e6)]);
  add("xen-node", [trips, moved(1000)]);
  add("QEMU", [small, moved(50e6)], [large, { rounds: [], failure: "ended with status 1" }], [trips, moved(500)]);
  add("Node sync", [small, moved(250e6)], [large, moved(300e6)]);
  add("Node promises", [small, moved(100e6)], [large, moved(800e6)]);
  results.paths.set("map-unmap", [900, 1000, 1100]);
  return results;
}

describe("the results of bench:io", () => {
  it("are medians, Node's the better of its two ways", () => {
    const results = someResults();
    expect(results.rate("xen-node", "seq-read-64k-qd1")).toBe(200e6);
    expect(results.rate("Node", "seq-read-64k-qd1")).toBe(250e6);
    expect(results.rate("Node", "seq-read-1m-qd1")).toBe(800e6);
    expect(results.ratio("xen-node", "Node", "seq-read-1m-qd1")).toBe(0.5);
    expect(results.ratio("xen-node", "QEMU", "seq-read-1m-qd1")).toBeUndefined();
    expect(results.mean("xen-node", "Node", ({ group }) => group === "disk")).toBeCloseTo(Math.sqrt(0.8 * 0.5));
    expect(results.failures).toEqual(["seq-read-1m-qd1 on QEMU ended with status 1."]);
  });

  it("are told in tables", () => {
    const lines = ioReport(someResults()).split("\n");
    const cells = (name: string) =>
      lines
        .find((line) => line.startsWith(name))
        ?.trim()
        .split(/ {2,}/);
    expect(cells("seq-read-64k-qd1")).toEqual([
      "seq-read-64k-qd1",
      "200",
      "-",
      "50.0",
      "250",
      "-",
      "0.80",
      "-",
      "4.00",
    ]);
    expect(cells("seq-read-1m-qd1")?.[3]).toBe("failed");
    expect(cells("tcp-trips")).toEqual(["tcp-trips", "1000", "500", "-", "2.00"]);
    expect(cells("map-unmap")).toEqual(["map-unmap", "1000"]);
    expect(cells("disk, 64 KiB and more, raw / Node")).toEqual([
      "disk, 64 KiB and more, raw / Node (aim: 0.8)",
      "0.63",
      "0.50 (seq-read-1m-qd1)",
    ]);
  });

  it("are written with every round", () => {
    const written = JSON.parse(ioJson(someResults(), { machine: "m", guest: "g", rounds: 3 }));
    expect(written).toMatchObject({ machine: "m", guest: "g", rounds: 3, paths: { "map-unmap": { medianNs: 1000 } } });
    const job = written.jobs.find(({ name }: { name: string }) => name === "seq-read-64k-qd1");
    expect(job).toMatchObject({ unit: "bytes", block: 65536, toNode: 0.8, toQemu: 4 });
    expect(job.peers["xen-node"].rounds.map(({ count }: { count: number }) => count)).toEqual([100e6, 200e6, 300e6]);
  });
});
