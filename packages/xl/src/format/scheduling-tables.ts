import { left, right } from "../columns.ts";

type Named = { domid: number; name: string };

const table =
  (...widths: number[]) =>
  (name: string, ...cells: (string | number)[]): string =>
    [left(name, 33), ...cells.map((cell, at) => right(cell, widths[at]))].join(" ");

const yesNo = (value: boolean): string => (value ? "yes" : "no");

const credit2 = table(4, 6, 4);
export const CREDIT2_HEADER = credit2("Name", "ID", "Weight", "Cap");
export const credit2Line = ({ name, domid, weight, cap }: Named & { weight: number; cap: number }): string =>
  credit2(name, domid, weight, cap);

const rtds = table(4, 9, 9, 10);
export const RTDS_HEADER = rtds("Name", "ID", "Period", "Budget", "Extratime");
/** Of a domain Xen shows what its new vcpus have: the defaults (xen/common/sched/rt.c). */
export const rtdsLine = ({ name, domid }: Named): string => rtds(name, domid, 10_000, 4000, "yes");

const rtdsVcpu = table(4, 4, 9, 9, 10);
export const RTDS_VCPU_HEADER = rtdsVcpu("Name", "ID", "VCPU", "Period", "Budget", "Extratime");
export const rtdsVcpuLine = (
  { name, domid }: Named,
  vcpu: { id: number; periodUs: number; budgetUs: number; extratime: boolean },
): string => rtdsVcpu(name, domid, vcpu.id, vcpu.periodUs, vcpu.budgetUs, yesNo(vcpu.extratime));

interface BvtDomain extends Named {
  mcuAdvance: number;
  warpback: boolean;
  warpvalue: number;
  warpl: number;
  warpu: number;
}

const bvt = table(4, 7, 8, 10, 7, 7);
export const BVT_HEADER = bvt("Name", "ID", "Mcuadv", "Warpback", "Warpvalue", "Warpl", "Warpu");
export const bvtLine = ({ name, domid, ...has }: BvtDomain): string =>
  bvt(name, domid, has.mcuAdvance, yesNo(has.warpback), has.warpvalue, has.warpl, has.warpu);
