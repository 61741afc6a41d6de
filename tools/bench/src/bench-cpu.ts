// `npm run bench:cpu`: integer kernels on our processor, v86 and QEMU's TCG, in one run.
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { type Contender, native, QEMU, qemuTcg, v86, xenNode } from "./contenders.ts";
import { GuestBuild, type Width } from "./guest-build.ts";
import type { Round } from "./kernel-machine.ts";
import { KERNELS, type Kernel } from "./kernels.ts";
import { MissingPeer, requirePrograms } from "./missing-peer.ts";
import { geometricMean, median } from "./statistics.ts";
import { formatTable } from "./table.ts";

const WARM_UP_ROUNDS = 2;

interface Column {
  readonly title: string;
  readonly width: Width;
  readonly contender: Contender;
}

const OURS_64 = { title: "xen-node", width: 64, contender: xenNode } as const;
const OURS_32 = { title: "xen-node", width: 32, contender: xenNode } as const;
const TCG_64 = { title: "QEMU TCG", width: 64, contender: qemuTcg } as const;
const TCG_32 = { title: "QEMU TCG", width: 32, contender: qemuTcg } as const;
const NATIVE = { title: "native", width: 64, contender: native } as const;
const V86_INTERPRETER = { title: "v86 interpreter", width: 32, contender: v86("interpreter") } as const;
const V86_JIT = { title: "v86 JIT", width: 32, contender: v86("jit") } as const;

/** Contenders that run one and the same code, ours first; and which ratios are of interest. */
const GROUPS: { title: string; columns: Column[]; against: Column[] }[] = [
  {
    title: "32-bit code",
    columns: [OURS_32, V86_INTERPRETER, V86_JIT, TCG_32],
    against: [V86_INTERPRETER, V86_JIT, TCG_32],
  },
  { title: "64-bit code", columns: [OURS_64, TCG_64, NATIVE], against: [TCG_64, NATIVE] },
];

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, kernel: { type: "string", multiple: true } },
});
const timedRounds = Number(values.rounds);
const kernels = KERNELS.filter(({ name }) => values.kernel?.includes(name) ?? true);

/** Millions of guest instructions a second, for each column; the medians of the timed rounds. */
async function speeds(build: GuestBuild, kernel: Kernel): Promise<Map<Column, number>> {
  const expected = (await native(build, 64, kernel, 1))[0].result;
  const instructions = new Map<Width, number>();
  const result = new Map<Column, number>();
  for (const column of GROUPS.flatMap(({ columns }) => columns)) {
    const { width, title, contender } = column;
    process.stderr.write(`${kernel.name}: ${title}, ${width}-bit ...`);
    const start = performance.now();
    const rounds: Round[] = await contender(build, width, kernel, WARM_UP_ROUNDS + timedRounds);
    const wrong = rounds.find((round) => round.result !== expected);
    if (wrong) throw new Error(`${kernel.name} on ${title}: ${wrong.result} instead of ${expected}, natively`);
    // Ours counts exactly; the others run the same instructions.
    if (!instructions.has(width)) instructions.set(width, rounds[0].instructions!);
    const milliseconds = median(rounds.slice(WARM_UP_ROUNDS).map((round) => round.milliseconds));
    const mips = instructions.get(width)! / milliseconds / 1000;
    result.set(column, mips);
    process.stderr.write(` ${mips.toFixed(0)} MIPS (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);
  }
  return result;
}

async function main(): Promise<void> {
  if (!(timedRounds >= 1) || kernels.length === 0) {
    throw new MissingPeer(`--rounds takes a number, --kernel one of ${KERNELS.map(({ name }) => name).join(", ")}.`);
  }
  requirePrograms("gcc", QEMU);
  const build = new GuestBuild();
  try {
    const results = new Map<Kernel, Map<Column, number>>();
    for (const kernel of kernels) results.set(kernel, await speeds(build, kernel));
    console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`);
    for (const { title, columns, against } of GROUPS) {
      const ratioTitles = against.map((column) => `/ ${column.title}`);
      const mips = (column: Column) => kernels.map((kernel) => results.get(kernel)!.get(column)!);
      const ratios = (column: Column) => mips(columns[0]).map((ours, index) => ours / mips(column)[index]);
      const row = (name: string, speed: (column: Column) => number, ratio: (column: Column) => number) => [
        name,
        ...columns.map((column) => speed(column).toFixed(0)),
        ...against.map((column) => ratio(column).toFixed(2)),
      ];
      console.log(
        `\n${title}: guest MIPS by processor time, medians of ${timedRounds} rounds; ratios are our speed to theirs`,
      );
      console.log(
        formatTable([
          ["kernel", ...columns.map((column) => column.title), ...ratioTitles],
          ...kernels.map(({ name }, index) =>
            row(
              name,
              (column) => mips(column)[index],
              (column) => ratios(column)[index],
            ),
          ),
          row(
            "geometric mean",
            (column) => geometricMean(mips(column)),
            (column) => geometricMean(ratios(column)),
          ),
        ]),
      );
    }
  } finally {
    build.remove();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer ? error.message : error);
  process.exitCode = 1;
});
