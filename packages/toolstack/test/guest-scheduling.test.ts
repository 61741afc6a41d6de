import { Hypervisor, type Vcpu } from "@xen-node/hypervisor-core";
import { createScheduler, type SchedulerName } from "@xen-node/schedulers";
import { expect, it } from "vitest";
import { applyScheduling } from "../src/guest-scheduling.ts";
import { ConfigError, parseProcessorList, validateDomainConfig } from "../src/index.ts";

function apply(scheduler: SchedulerName, settings: object) {
  const hypervisor = new Hypervisor({ memoryBytes: 80 * 2 ** 20, scheduler: createScheduler<Vcpu>(scheduler) });
  const domain = hypervisor.createDomain({ kind: "pv", maxPages: 16, vcpus: scheduler === "null" ? 1 : 2 });
  const config = validateDomainConfig({ name: "web", kernel: "/k", vcpus: 2, ...settings });
  applyScheduling(hypervisor, domain, config);
  return { hypervisor, domain };
}

it("a configuration's share and processors become the domain's", () => {
  const { hypervisor, domain } = apply("credit2", { cpuWeight: 512, cap: 150, cpus: ["0", "all,^3"] });
  const { scheduler } = hypervisor.cpupools.initial;
  if (scheduler.name !== "credit2") throw new Error("another scheduler");
  expect(scheduler.parametersOf(domain.domid)).toEqual({ weight: 512, cap: 150 });
  expect(domain.vcpus.map(({ unit }) => unit.affinity)).toEqual([1, ~8]);
});

it.each([
  ["credit2", { cpus: "1" }, "web: the machine has processor 0 alone."],
  ["credit2", { cap: 201 }, "web: cap out of range, valid range is from 0 to 200 for 2 vcpu(s)."],
  ["bvt", { cpuWeight: 4 }, "web: cpu_weight is credit2's, and Pool-0's scheduler is bvt: remove it."],
  ["rtds", { cap: 4 }, "web: cap is credit2's, and Pool-0's scheduler is rtds: remove it."],
] as const)("%s refuses %j in a sentence", (scheduler, settings, message) => {
  expect(() => apply(scheduler, settings)).toThrow(message);
  expect(() => apply(scheduler, settings)).toThrow(ConfigError);
});

it("reads lists of processors as xl does", () => {
  expect(["all", "0", "0-3,^1", "5,^5", "node:0", "all,^0"].map(parseProcessorList)).toEqual([
    -1,
    1,
    0b1101,
    0,
    -1,
    ~1,
  ]);
  for (const wrong of ["", "x", "3-1", "32", "node:1", "0,,1", "1-"])
    expect(() => parseProcessorList(wrong), wrong).toThrow(ConfigError);
});
