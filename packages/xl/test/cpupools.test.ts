import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlError, type CpupoolInfo, type OperationHandlers } from "@xen-node/control";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { domain, type FakeDaemon, fakeDaemon, listing } from "./support.ts";

const pools: CpupoolInfo[] = [
  { id: 0, name: "Pool-0", scheduler: "credit2", processors: [0, 3], domains: 2 },
  { id: 2, name: "fast", scheduler: "rtds", processors: [1], domains: 1 },
  { id: 5, name: "also-credit2", scheduler: "credit2", processors: [], domains: 0 },
];
const vcpu = { online: true, running: false, blocked: true, timeNs: 0 };
const domains = [
  domain(0, "Domain-0"),
  domain(1, "web", { vcpus: [{ ...vcpu, id: 0, processor: 3, affinity: [0, 1, 2, 5] }] }),
  domain(2, "db", { vcpus: [{ ...vcpu, id: 0, processor: 1, affinity: null }] }),
];

const asked: unknown[] = [];
const note = (name: string) => (args: object) => {
  asked.push([name, args]);
  if ("pool" in args && args.pool === "also-credit2") throw new ControlError("refused", "it cannot be.");
  return null;
};
const operations: OperationHandlers = {
  list: listing(domains),
  "cpupool-list": () => pools,
  "cpupool-create": (args) => {
    asked.push(["cpupool-create", args]);
    if (args.text.includes("Pool-0")) throw new ControlError("refused", 'Pool name "Pool-0" already exists');
    return { name: "new", scheduler: "bvt", processors: [1, 2], warnings: ["odd."] };
  },
  "cpupool-destroy": note("cpupool-destroy"),
  "cpupool-rename": note("cpupool-rename"),
  "cpupool-cpu-add": note("cpupool-cpu-add"),
  "cpupool-cpu-remove": note("cpupool-cpu-remove"),
  "cpupool-migrate": note("cpupool-migrate"),
  "sched-credit2-ratelimit": note("sched-credit2-ratelimit"),
  scheduling: () => [
    {
      scheduler: "credit2",
      pool: "Pool-0",
      ratelimitUs: 1000,
      domains: [{ domid: 1, name: "web", weight: 256, cap: 0 }],
    },
    { scheduler: "rtds", pool: "fast", domains: [{ domid: 2, name: "db", vcpus: [] }] },
    { scheduler: "credit2", pool: "also-credit2", ratelimitUs: 500, domains: [] },
  ],
};

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await fakeDaemon(operations);
});
afterAll(() => daemon.close());

const run = async (...args: string[]) => {
  asked.length = 0;
  return { ...(await daemon.xl(...args)), asked: [...asked] };
};

describe("xl's pools", () => {
  it("are listed in its format", async () => {
    expect((await run("cpupool-list")).stdout).toBe(
      [
        "Name               CPUs   Sched     Active   Domain count",
        "Pool-0               2   credit2       y          2",
        "fast                 1      rtds       y          1",
        "also-credit2         0   credit2       y          0",
        "",
      ].join("\n"),
    );
    expect((await run("cpupool-list", "-c")).stdout).toBe(
      "Name               CPU list\nPool-0             0,3\nfast               1\nalso-credit2       \n",
    );
    expect((await run("cpupool-list", "fast")).stdout.split("\n")).toHaveLength(3);
    expect(await run("cpupool-list", "slow")).toMatchObject({ status: 1, stderr: "Pool 'slow' does not exist\n" });
  });

  it("are made from a file, settings, or both", async () => {
    const folder = await mkdtemp(join(tmpdir(), "xl-cpupools-"));
    const file = join(folder, "quick.cfg");
    await writeFile(file, 'cpus="1-2"');
    const outcome = await run("cpupool-create", file, 'sched="bvt"');
    await rm(folder, { recursive: true });
    expect(outcome).toEqual({
      status: 0,
      stdout: `Using config file "${file}"\ncpupool name:   new\nscheduler:      bvt\nnumber of cpus: 2\n`,
      stderr: "WARNING: odd.\n",
      asked: [["cpupool-create", { text: 'cpus="1-2"\nsched="bvt"', file, dryRun: false, defaultName: "quick.cfg" }]],
    });
    expect((await run("cpupool-create", "-n", 'name="new"')).asked).toEqual([
      ["cpupool-create", { text: '\nname="new"', file: "command line", dryRun: true }],
    ]);
    expect(await run("cpupool-create", 'name="Pool-0"')).toMatchObject({
      status: 1,
      stderr: 'Pool name "Pool-0" already exists\n',
    });
  });

  it.each([
    [
      ["cpupool-destroy", "fast"],
      ["cpupool-destroy", { pool: "fast" }],
    ],
    [
      ["cpupool-destroy", "2"],
      ["cpupool-destroy", { pool: "2" }],
    ],
    [
      ["cpupool-rename", "fast", "slow"],
      ["cpupool-rename", { pool: "fast", name: "slow" }],
    ],
    [
      ["cpupool-cpu-add", "fast", "0-1"],
      ["cpupool-cpu-add", { pool: "fast", processors: "0-1" }],
    ],
    [
      ["cpupool-cpu-remove", "fast", "1"],
      ["cpupool-cpu-remove", { pool: "fast", processors: "1" }],
    ],
    [
      ["cpupool-migrate", "web", "fast"],
      ["cpupool-migrate", { domain: "1", pool: "fast" }],
    ],
    [
      ["sched-credit2", "-s", "-r", "500", "-p", "Pool-0"],
      ["sched-credit2-ratelimit", { pool: "Pool-0", ratelimitUs: 500 }],
    ],
  ])("%j", async (args, request) => {
    expect(await run(...args)).toEqual({ status: 0, stdout: "", stderr: "", asked: [request] });
  });

  it.each([
    [["cpupool-destroy", "slow"], 1, "unknown cpupool 'slow'\n"],
    [["cpupool-migrate", "web", "slow"], 1, "unknown cpupool 'slow'\n"],
    [["sched-credit2", "-p", "slow"], 1, "unknown cpupool 'slow'\n"],
    [["cpupool-destroy", "also-credit2"], 1, "it cannot be.\nCan't destroy cpupool 'also-credit2'\n"],
    [["cpupool-rename", "also-credit2", "x"], 1, "it cannot be.\nCan't rename cpupool 'also-credit2'\n"],
    [["cpupool-cpu-add", "also-credit2", "1"], 0, "it cannot be.\nsome cpus may not have been added to also-credit2\n"],
    [["cpupool-cpu-remove", "also-credit2", "1"], 0, /^it cannot be\.\nSome cpus .* 'also-credit2'\.\nIf a cpu/],
  ] as const)("%j is refused in xl's words", async (args, status, stderr) => {
    const outcome = await run(...args);
    expect(outcome).toMatchObject({ status, stdout: "" });
    expect(outcome.stderr).toMatch(stderr);
  });

  it("stand above their domains where shares are listed", async () => {
    const header = "Name                                ID Weight  Cap";
    expect((await run("sched-credit2")).stdout.split("\n")).toEqual([
      "Cpupool Pool-0: ratelimit=1000us",
      header,
      "web                                  1    256    0",
      "Cpupool also-credit2: ratelimit=500us",
      header,
      "",
    ]);
    expect((await run("sched-credit2", "-p", "5")).stdout).toBe(`Cpupool also-credit2: ratelimit=500us\n${header}\n`);
    expect((await run("sched-rtds", "-c", "Pool-0")).stdout).toBe("");
  });

  it("vcpu-list says where vcpus run and may run", async () => {
    const lines = (await run("vcpu-list", "web", "db")).stdout.split("\n");
    expect(lines[1]).toMatch(/^web {30}.* 0 {5}3 {3}-b- {7}0\.0 {2}0-2,5 \/ all$/);
    expect(lines[2]).toMatch(/^db .* 0 {5}1 {3}-b- {7}0\.0 {2}all \/ all$/);
  });
});
