import type { DomainInfo } from "@xen-node/control";
import { left, right, tenths } from "../columns.ts";

/** Every vcpu may run on the machine's one processor. */
const AFFINITY = "all / all";
const PROCESSOR = 0;

/** The lines of `xl vcpu-list`. */
export function vcpuList(domains: readonly DomainInfo[]): string[] {
  const header = `${left("Name", 32)} ${right("ID", 5)} ${right("VCPU", 5)} ${right("CPU", 5)} ${right("State", 5)} ${right("Time(s)", 9)} Affinity (Hard / Soft)`;
  return [
    header,
    ...domains.flatMap(({ name, domid, vcpus }) =>
      vcpus.map((vcpu) => {
        const place = vcpu.online
          ? `${right(PROCESSOR, 5)} ${right(vcpu.running ? "r" : "-", 3)}${vcpu.blocked ? "b" : "-"}- `
          : `${right("-", 5)} ${right("-", 3)}-p `;
        const time = tenths(vcpu.timeNs / 1e9, 9);
        return `${left(name, 32)} ${right(domid, 5)} ${right(vcpu.id, 5)} ${place}${time}  ${AFFINITY}`;
      }),
    ),
  ];
}
