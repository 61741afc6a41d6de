import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as constants from "../src/constants/index.ts";
import { type Abi, StructLayout, type StructSpec, specs, structsOf } from "../src/index.ts";

interface StructTable {
  size?: number;
  align?: number;
  fields: { [path: string]: [number, number] };
}

const read = (file: string) => JSON.parse(readFileSync(new URL(`./data/${file}`, import.meta.url), "utf8"));
const offsets: { [A in Abi]: { [tag: string]: StructTable } } = read("offsets.json");
const { numbers, texts }: { numbers: { [name: string]: number | string }; texts: { [name: string]: string } } =
  read("constants.json");

// What Xen 4.17's headers, from which the tables come, don't have: Xen's own error numbers, and newer additions.
const notInHeaders = new Set([
  "EINTR",
  "ERESTART",
  "DOMID_ANY",
  "PHYSDEVOP_pci_device_reset",
  "VCPUOP_register_runstate_phys_area",
  "VCPUOP_register_vcpu_time_phys_area",
  "XENCONSOLE_CONNECTED",
  "XENCONSOLE_DISCONNECTED",
  "XENFEAT_dm_msix_all_writes",
  "XENFEAT_runstate_phys_area",
  "XENFEAT_vcpu_time_phys_area",
  "XENSTORE_SERVER_FEATURE_DOMID_ANY",
  "XENSTORE_SERVER_FEATURE_WATCHDEPTH",
  "XENVER_capabilities2",
  "XENVER_changeset2",
  "XENVER_commandline2",
  "XENVER_extraversion2",
  "XEN_CPUID_HOST_TSC_RELIABLE",
  "XEN_CPUID_RDTSCP_INSTR_AVAIL",
  "XEN_CPUID_TSC_EMULATED",
  "XEN_CPUID_TSC_MODE_ALWAYS_EMULATE",
  "XEN_CPUID_TSC_MODE_DEFAULT",
  "XEN_CPUID_TSC_MODE_NEVER_EMULATE",
  "XEN_CPUID_TSC_MODE_PVRDTSCP",
  "XEN_ELFNOTE_PHYS32_RELOC",
  "XS_GET_FEATURE",
  "XS_GET_QUOTA",
  "XS_SET_FEATURE",
  "XS_SET_QUOTA",
]);
// Here it is the last note that newer headers added.
const movedOn = new Set(["XEN_ELFNOTE_MAX"]);

// Structures that the other ABI's headers don't have.
const onlyIn: { [tag: string]: Abi } = { xen_callback: "x86_32", iret_context: "x86_64" };

describe("constants", () => {
  it.each(Object.entries(constants).filter(([, value]) => typeof value === "number"))("%s", (name, value) => {
    if (movedOn.has(name)) return expect(value).toBe(constants.XEN_ELFNOTE_PHYS32_RELOC);
    if (!(name in numbers)) return expect(notInHeaders).toContain(name);
    // Kernel addresses are signed here, and unsigned in C.
    const expected = BigInt(numbers[name]);
    expect([expected, BigInt.asIntN(64, expected)]).toContain(BigInt(value as number));
  });

  it("has the headers' texts", () => {
    for (const [name, value] of Object.entries(constants)) {
      if (typeof value === "string") expect(texts[name], name).toBe(value);
    }
    expect(texts.XEN_EMULATE_PREFIX.match(/0x[0-9a-f]{2}/g)?.map(Number)).toEqual(constants.XEN_EMULATE_PREFIX);
  });

  it("names error numbers of either sign", () => {
    expect(constants.errnoName(-14)).toBe("EFAULT");
    expect(constants.errnoName(38)).toBe("ENOSYS");
    expect(constants.errnoName(11)).toBe("EAGAIN");
    expect(constants.errnoName(35)).toBe("EDEADLK");
    expect(constants.errnoName(-85)).toBe("ERESTART");
    expect(constants.errnoName(0)).toBe("OK");
    expect(constants.errnoName(999)).toBe("errno 999");
  });
});

/** `spec` without those of its newer fields that the headers lack. */
function asInHeaders(spec: StructSpec, table: StructTable): StructSpec {
  const known = (name: string) => !spec.newer.includes(name) || name in table.fields;
  const drop = (fields: object) => Object.fromEntries(Object.entries(fields).filter(([name]) => known(name)));
  return { ...spec, fields: { x86_64: drop(spec.fields.x86_64), x86_32: drop(spec.fields.x86_32) } };
}

describe.each(["x86_64", "x86_32"] as const)("structures of %s guests", (abi) => {
  it.each(Object.keys(specs) as (keyof typeof specs)[])("%s", (tag) => {
    const table = offsets[abi][tag];
    if (onlyIn[tag] && onlyIn[tag] !== abi) return expect(table).toBeUndefined();
    const layout = new StructLayout(tag, asInHeaders(specs[tag], table), abi);
    expect({ size: layout.size, align: layout.align }).toEqual({ size: table.size, align: table.align });
    const fields = Object.entries(layout.fields).map(([path, { offset, size }]) => [path, [offset, size]]);
    expect(Object.fromEntries(fields)).toEqual(table.fields);
    // Newer fields only ever go behind the known ones.
    const full: StructLayout = structsOf[abi][tag];
    for (const path of Object.keys(layout.fields)) expect(full.offsets[path]).toBe(layout.offsets[path]);
    expect(specs[tag].tag).toBe(tag);
  });
});
