import { ControlError, type OperationHandlers, type SchedulingInfo } from "@xen-node/control";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { domain, type FakeDaemon, fakeDaemon, listing } from "./support.ts";

const domains = [domain(0, "Domain-0"), domain(1, "web"), domain(12, "a-name-that-is-longer-than-its-column")];
const guests = domains.slice(1).map(({ domid, name }) => ({ domid, name }));
const vcpu = { periodUs: 10_000, budgetUs: 4000, extratime: true };

const known: Record<SchedulingInfo["scheduler"], SchedulingInfo> = {
  credit2: {
    scheduler: "credit2",
    pool: "Pool-0",
    ratelimitUs: 1000,
    domains: guests.map((guest, at) => ({ ...guest, weight: at === 0 ? 256 : 65535, cap: 50 * at })),
  },
  rtds: {
    scheduler: "rtds",
    pool: "Pool-0",
    domains: guests.map((guest) => ({
      ...guest,
      vcpus: [
        { id: 0, ...vcpu },
        { id: 1, ...vcpu, budgetUs: 123_456, extratime: false },
      ],
    })),
  },
  bvt: {
    scheduler: "bvt",
    pool: "Pool-0",
    contextAllowanceMs: 5,
    domains: guests.map((guest) => ({
      ...guest,
      mcuAdvance: 10,
      warpback: false,
      warpvalue: 0,
      warpl: 2000,
      warpu: 1000,
    })),
  },
  null: { scheduler: "null", pool: "Pool-0", domains: guests },
};

let scheduler: SchedulingInfo["scheduler"] = "credit2";
const asked: unknown[] = [];
const note = (name: string) => (args: object) => {
  asked.push([name, args]);
  if ("weight" in args && args.weight === 70_000) throw new ControlError("refused", "weight out of range.");
  if ("processors" in args && args.processors === "1") throw new ControlError("refused", "processor 0 alone.");
  return null;
};
const operations: OperationHandlers = {
  list: listing(domains),
  info: () => ({ ...info, scheduler }),
  scheduling: ({ domain: name }) => {
    const all = known[scheduler];
    if (name === undefined) return [all];
    const [{ domid }] = listing(domains)!({ domain: name }, { onGone: () => {} }) as typeof domains;
    return [{ ...all, domains: all.domains.filter((of) => of.domid === domid) } as SchedulingInfo];
  },
  "sched-credit2": note("sched-credit2"),
  "sched-credit2-ratelimit": note("sched-credit2-ratelimit"),
  "sched-rtds": note("sched-rtds"),
  "sched-bvt": note("sched-bvt"),
  "sched-bvt-allowance": note("sched-bvt-allowance"),
  "vcpu-pin": note("vcpu-pin"),
  "cpupool-list": () => [{ id: 0, name: "Pool-0", scheduler, processors: [0], domains: domains.length }],
};
const info = {
  host: "xenhost",
  release: "",
  version: "",
  machine: "",
  cpuMhz: 1000,
  hwCaps: [],
  totalMemoryMib: 0,
  freeMemoryMib: 0,
  sharingUsedMib: 0,
  sharingFreedMib: 0,
  xenMajor: 4,
  xenMinor: 17,
  xenExtra: "",
  capabilities: "",
  processors: 1,
  freeProcessors: 0,
  changeset: "",
  commandline: "",
  compiler: "",
  startTime: 0,
};

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await fakeDaemon(operations);
});
afterAll(() => daemon.close());

const run = async (of: SchedulingInfo["scheduler"], ...args: string[]) => {
  scheduler = of;
  asked.length = 0;
  const outcome = await daemon.xl(...args);
  return { ...outcome, asked: [...asked] };
};

/** The widths are those of the format strings in xl 4.17 as Debian ships it. */
describe("what xl prints of schedulers", () => {
  it("sched-credit2", async () => {
    const header = "Name                                ID Weight  Cap";
    const web = "web                                  1    256    0";
    expect((await run("credit2", "sched-credit2")).stdout.split("\n")).toEqual([
      "Cpupool Pool-0: ratelimit=1000us",
      header,
      web,
      "a-name-that-is-longer-than-its-column   12  65535   50",
      "",
    ]);
    expect((await run("credit2", "sched-credit2", "-d", "web")).stdout).toBe(`${header}\n${web}\n`);
    expect((await run("credit2", "sched-credit2", "-s")).stdout).toBe("Cpupool Pool-0: ratelimit=1000us\n");
    expect(await run("bvt", "sched-credit2")).toEqual({ status: 0, stdout: "", stderr: "", asked: [] });
  });

  it("sched-rtds", async () => {
    expect((await run("rtds", "sched-rtds")).stdout.split("\n").slice(0, 3)).toEqual([
      "Cpupool Pool-0: sched=RTDS",
      "Name                                ID    Period    Budget  Extratime",
      "web                                  1     10000      4000        yes",
    ]);
    expect((await run("rtds", "sched-rtds", "-d", "web", "-v", "all")).stdout.split("\n")).toEqual([
      "Name                                ID VCPU    Period    Budget  Extratime",
      "web                                  1    0     10000      4000        yes",
      "web                                  1    1     10000    123456         no",
      "",
    ]);
    expect((await run("rtds", "sched-rtds", "-v", "all")).stdout.split("\n")).toHaveLength(7);
    expect((await run("rtds", "sched-rtds", "-d", "web", "-v", "1")).stdout.split("\n")).toHaveLength(3);
  });

  it("sched-bvt, which xl has not", async () => {
    expect((await run("bvt", "sched-bvt")).stdout.split("\n").slice(0, 3)).toEqual([
      "Cpupool Pool-0: ctxallow=5ms",
      "Name                                ID  Mcuadv Warpback  Warpvalue   Warpl   Warpu",
      "web                                  1      10       no          0    2000    1000",
    ]);
    expect((await run("bvt", "sched-bvt", "-d", "1")).stdout.split("\n")).toHaveLength(3);
    expect((await run("bvt", "sched-bvt", "-s")).stdout).toBe("Cpupool Pool-0: ctxallow=5ms\n");
  });

  it("cpupool-list", async () => {
    expect((await run("rtds", "cpupool-list")).stdout).toBe(
      "Name               CPUs   Sched     Active   Domain count\nPool-0               1      rtds       y          3\n",
    );
    expect((await run("rtds", "cpupool-list", "-c", "Pool-0")).stdout).toBe(
      "Name               CPU list\nPool-0             0\n",
    );
  });
});

describe("what xl asks of schedulers", () => {
  it.each([
    [
      ["sched-credit2", "-d", "web", "-w", "512"],
      ["sched-credit2", { domain: "web", weight: 512 }],
    ],
    [
      ["sched-credit2", "--domain=web", "--weight=512", "-c", "50"],
      ["sched-credit2", { domain: "web", weight: 512, cap: 50 }],
    ],
    [
      ["sched-credit2", "-s", "-r", "5000"],
      ["sched-credit2-ratelimit", { pool: "Pool-0", ratelimitUs: 5000 }],
    ],
    [
      ["sched-rtds", "-d", "web", "-v", "1", "-p", "20000", "-b", "5000", "-e", "0"],
      ["sched-rtds", { domain: "web", vcpu: 1, periodUs: 20_000, budgetUs: 5000, extratime: false }],
    ],
    [
      ["sched-rtds", "-d", "web", "-v", "all", "-p", "20000", "-b", "5000", "-e", "1"],
      ["sched-rtds", { domain: "web", vcpu: null, periodUs: 20_000, budgetUs: 5000, extratime: true }],
    ],
    [
      ["sched-bvt", "-d", "web", "-m", "840", "-b", "1", "-v", "500"],
      ["sched-bvt", { domain: "web", mcuAdvance: 840, warpback: true, warpvalue: 500 }],
    ],
    [
      ["sched-bvt", "-s", "-c", "50"],
      ["sched-bvt-allowance", { pool: "Pool-0", contextAllowanceMs: 50 }],
    ],
    [
      ["vcpu-pin", "web", "0", "0"],
      ["vcpu-pin", { domain: "1", vcpu: 0, processors: "0" }],
    ],
    [
      ["vcpu-pin", "web", "all", "all", "all"],
      ["vcpu-pin", { domain: "1", vcpu: null, processors: "all" }],
    ],
  ] as const)("%j", async (args, request) => {
    expect(await run("credit2", ...args)).toEqual({ status: 0, stdout: "", stderr: "", asked: [request] });
  });

  it("rtds changes several vcpus at a time", async () => {
    const args = "-d web -v 0 -p 20000 -b 5000 -e 0 -v 1 -p 30000 -b 6000 -e 1".split(" ");
    expect((await run("rtds", "sched-rtds", ...args)).asked).toEqual([
      ["sched-rtds", { domain: "web", vcpu: 0, periodUs: 20_000, budgetUs: 5000, extratime: false }],
      ["sched-rtds", { domain: "web", vcpu: 1, periodUs: 30_000, budgetUs: 6000, extratime: true }],
    ]);
  });

  it("a - leaves the affinity as it is", async () => {
    expect(await run("credit2", "vcpu-pin", "web", "0", "-")).toEqual({ status: 0, stdout: "", stderr: "", asked: [] });
  });
});

describe("what xl says when something is wrong with schedulers", () => {
  it.each([
    [["sched-credit2", "-w", "5"], 1, "Must specify a domain.\n"],
    [["sched-credit2", "-d", "web", "-p", "Pool-0"], 1, "Specifying a cpupool is not allowed with other options.\n"],
    [["sched-credit2", "-p", "Pool-1"], 1, "unknown cpupool 'Pool-1'\n"],
    [["sched-credit2", "-d", "web", "-w", "x"], 2, '"x" is no number.\n'],
    [["sched-credit2", "-d", "web", "-w", "70000"], 1, "weight out of range.\nlibxl_domain_sched_params_set failed.\n"],
    [["sched-rtds", "-d", "web"], 1, "libxl_domain_sched_params_get returned credit2 not rtds.\n"],
    [["sched-rtds", "-p", "5"], 1, "Missing parameters.\n"],
    [["sched-rtds", "-d", "web", "-p", "5"], 1, "Must specify VCPU.\n"],
    [["sched-rtds", "-d", "web", "-v", "0", "-v", "all"], 1, "Incorrect VCPU IDs.\n"],
    [["sched-rtds", "-d", "web", "-v", "0", "-p", "5"], 1, "Incorrect number of period, budget and extratime\n"],
    [["sched-rtds", "-d", "web", "-v", "0", "-p", "5", "-b", "5", "-e", "2"], 1, "Invalid extratime.\n"],
    [["sched-bvt", "-d", "web", "-b", "2"], 1, "Invalid warpback.\n"],
    [["sched-credit", "-d", "web"], 1, /^xl sched-credit is not there: .* use xl sched-credit2\.\n$/],
    [["vcpu-pin", "web", "0"], 2, /^'xl vcpu-pin' requires at least 3 arguments\./],
    [["vcpu-pin", "web", "x", "0"], 1, "Error: Invalid argument x as VCPU.\n"],
    [["vcpu-pin", "-f", "web", "all", "0"], 1, "Error: --force and 'all' as VCPU not allowed.\n"],
    [["vcpu-pin", "web", "0", "1"], 1, "processor 0 alone.\nCould not set affinity for vcpu `0'.\n"],
    [["vcpu-pin", "web", "all", "1"], 1, "processor 0 alone.\nCould not set affinity.\n"],
    [["vcpu-pin", "web", "0", "0", "0"], 1, /^soft affinity is not there/],
  ] as const)("%j: status %d", async (args, status, message) => {
    const outcome = await run("credit2", ...args);
    expect(outcome.status).toBe(status);
    if (typeof message === "string") expect(outcome.stderr).toBe(message);
    else expect(outcome.stderr).toMatch(message);
  });
});
