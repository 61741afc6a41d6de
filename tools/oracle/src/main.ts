/**
 * `npm run oracle [-- GUEST...]`: runs the conformance guests on Xen 4.17, in QEMU under a Dom0 made of Debian's packages, and on
 * our hypervisor, and compares them check by check. Exit status 0: every difference is explained (differences.ts).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { buildConformanceGuest, conformanceGuests, UserError } from "@xen-node/guest-sdk";
import { compareRuns } from "./compare.ts";
import { ensureDom0, OracleError, requireTools } from "./dom0-image.ts";
import { runOnOurs } from "./our-xen.ts";
import { runOnRealXen } from "./real-xen.ts";

const progress = (message: string): void => {
  process.stderr.write(`${message}\n`);
};

async function main(wanted: string[]): Promise<number> {
  requireTools();
  const all = conformanceGuests();
  const unknown = wanted.find((name) => !all.some((guest) => guest.name === name));
  if (unknown !== undefined) {
    throw new OracleError(
      `there is no conformance guest ${unknown}: there are ${all.map(({ name }) => name).join(", ")}.`,
    );
  }
  const chosen = all.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "xen-node", "oracle");
  mkdirSync(cache, { recursive: true });
  const dom0 = ensureDom0(cache, progress);
  const folder = mkdtempSync(join(tmpdir(), "xen-oracle-guests-"));
  try {
    const built = chosen.map((guest) => ({ guest, elf: buildConformanceGuest(guest, folder) }));
    const real = await runOnRealXen(dom0, built, progress);
    const totals = { checks: 0, alike: 0, explained: 0, unexplained: 0 };
    const record: { [guest: string]: { real: string | undefined; ours: string } } = {};
    for (const { guest, elf } of built) {
      const run = real.get(guest.name);
      const ours = await runOnOurs(guest, elf);
      record[guest.name] = { real: run?.output, ours };
      const result = compareRuns(guest.name, run?.output ?? "", ours);
      totals.checks += result.checks;
      totals.alike += result.alike;
      totals.explained += result.explained.length;
      totals.unexplained += result.unexplained.length;
      const { checks, explained, unexplained } = result;
      console.log(
        `${guest.name}: ${checks} checks, ${explained.length} differ for known reasons, ${unexplained.length} others`,
      );
      for (const line of explained) console.log(`  known: ${line}`);
      for (const line of unexplained) console.log(`  DIFFERENT: ${line}`);
    }
    writeFileSync(join(cache, "last.json"), JSON.stringify(record, undefined, 2));
    console.log(
      `${chosen.length} guests, ${totals.checks} checks on the real Xen: ${totals.alike} alike, ${totals.explained} different for known reasons, ${totals.unexplained} different without one. Outputs: ${join(cache, "last.json")}`,
    );
    return totals.unexplained === 0 ? 0 : 2;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof OracleError || error instanceof UserError)) throw error;
  console.error(`oracle: ${error.message}`);
  process.exitCode = 1;
}
