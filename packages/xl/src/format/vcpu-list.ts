import type { DomainInfo } from "@xen-node/control";
import { left, right, tenths } from "../columns.ts";

/** The lines of `xl vcpu-list`. */
export function vcpuList(domains: readonly DomainInfo[]): string[] {
  const header = `${left("Name", 32)} ${right("ID", 5)} ${right("VCPU", 5)} ${right("CPU", 5)} ${right("State", 5)} ${right("Time(s)", 9)} Affinity (Hard / Soft)`;
  return [
    header,
    ...domains.flatMap(({ name, domid, vcpus }) =>
      vcpus.map((vcpu) => {
        const place = vcpu.online
          ? `${right(vcpu.processor, 5)} ${right(vcpu.running ? "r" : "-", 3)}${vcpu.blocked ? "b" : "-"}- `
          : `${right("-", 5)} ${right("-", 3)}-p `;
        const time = tenths(vcpu.timeNs / 1e9, 9);
        const hard = vcpu.affinity === null ? "all" : ranges(vcpu.affinity);
        return `${left(name, 32)} ${right(domid, 5)} ${right(vcpu.id, 5)} ${place}${time}  ${hard} / all`;
      }),
    ),
  ];
}

/** Numbers in order, as xl's print_bitmap has them: "0-2,5". */
function ranges(numbers: readonly number[]): string {
  const parts: [first: number, last: number][] = [];
  for (const number of numbers) {
    const part = parts.at(-1);
    if (part?.[1] === number - 1) part[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
