import { GNTMAP_device_map, GNTMAP_host_map, GNTMAP_readonly } from "@xen-node/xen-abi";
import type { DomainGrants } from "./domain-grants.ts";
import { pinOf } from "./pin.ts";

/** Recounts every table's pins from all maptracks; between hypercalls mappings are the only pins. */
export function auditGrants(tables: readonly DomainGrants[]): string[] {
  const violations: string[] = [];
  const byId = new Map(tables.map((table) => [table.id, table]));
  const counted = new Map<number, Map<number, number>>(tables.map((table) => [table.id, new Map()]));

  for (const mapper of tables) {
    const { maptrack } = mapper;
    let used = 0;
    for (let handle = 0; handle < maptrack.limit; handle++) {
      const flags = maptrack.flags[handle];
      if (flags === 0) continue;
      used++;
      const ref = maptrack.ref[handle];
      const granter = byId.get(maptrack.granter[handle]);
      const what = `handle ${handle} of domain ${mapper.domid}`;
      if (granter === undefined) {
        violations.push(`${what}: its granter's table is gone`);
        continue;
      }
      if (granter.grantee[ref] !== mapper.domid) violations.push(`${what}: entry ${ref} is pinned for another domain`);
      const pins = counted.get(granter.id)!;
      const pin = pinOf(
        (flags & GNTMAP_host_map) !== 0,
        (flags & GNTMAP_device_map) !== 0,
        (flags & GNTMAP_readonly) !== 0,
      );
      pins.set(ref, (pins.get(ref) ?? 0) + pin);
    }
    if (used !== maptrack.used)
      violations.push(`domain ${mapper.domid}: ${used} handles in use, counted ${maptrack.used}`);
  }

  for (const table of tables) {
    const pins = counted.get(table.id)!;
    let pinned = 0;
    for (let ref = 0; ref < table.pin.length; ref++) {
      const expected = pins.get(ref) ?? 0;
      if (table.pin[ref] !== 0) pinned++;
      if (table.pin[ref] !== expected) {
        violations.push(
          `entry ${ref} of domain ${table.domid}: pin ${table.pin[ref].toString(16)}, mappings say ${expected.toString(16)}`,
        );
      }
    }
    if (table.gone && pinned === 0) violations.push(`domain ${table.domid}: removed, not pinned, and still kept`);
    if (pinned !== table.pinnedEntries) {
      violations.push(`domain ${table.domid}: ${pinned} entries pinned, counted ${table.pinnedEntries}`);
    }
  }
  return violations;
}
