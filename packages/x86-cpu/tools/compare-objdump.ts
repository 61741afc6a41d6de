/**
 * Compares the decoder and disassembler with GNU objdump over the code of a real executable. Run by hand:
 *
 *   npx esbuild packages/x86-cpu/tools/compare-objdump.ts --bundle --platform=node --format=esm | node --input-type=module - vmlinux [--show 40]
 *
 * (`vmlinux` is the ELF file inside a kernel image: its xz payload unpacked.) Prints how many instructions agree in
 * length and in text, then the most frequent differences.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { createInstruction, Decoder, DecodeStatus, format } from "../src/decode/index.ts";

/** Instructions beyond x86-64-v2, which the decoder must refuse. */
const beyond =
  /^(\(bad\)|v|enc[lu]s?|rdrand|rdseed|rdpid|clac|stac|clwb|clflushopt|cldemote|invpcid|invept|invvpid|xsavec|xsaves|xrstors|xsave[cs]64|xrstors64|incssp|rdpkru|wrpkru|serialize|rdssp|setssbsy|clrssbsy|saveprevssp|rstorssp|wrss|wruss|umwait|tpause|umonitor|xbegin|xend|xabort|xtest|movbe|adcx|adox|sha|aes|pclmul|andn|bextr|bls|bzhi|mulx|pdep|pext |rorx|sarx|shlx|shrx|movdir|enqcmd|pconfig|ptwrite|getsec|stgi|clgi|skinit|invlpga|vmrun|vmload|vmsave|k(mov|and|or|xor|xnor|not|test|unp|shift|add)|bnd(mk|cl|cu|cn|mov|ldx|stx)|femms|pf|pi2f|pmulhrw|pswapd|pavgusb|lwpins|hreset|uiret|testui|clui|stui|senduipi|xsusldtrk|xresldtrk|extrq|insertq|movnts[sd]|tdx|tile|tdp|vmgexit|seam|phe|xstore|xcrypt|monitorx|mwaitx|clzero|rdpru|mcommit|invlpgb|tlbsync|gf2p8|ldtilecfg|psmash|pvalidate|rmp)/;

/** Same operation, other name; and what objdump prints although it changes nothing. */
function normalise(text: string): string {
  return text
    .replace(/\s+#.*$/, "")
    .replace(/ ([0-9a-f]+) <[^>]*>/, " 0x$1")
    .replace(/\s+/g, " ")
    .replace(/\b(data16|addr32|rex(\.[WRXB]+)?|bnd) /g, "")
    .replace(/,p[nt]\b/, "")
    .replace(/\btzcnt\b/, "repz bsf")
    .replace(/\blzcnt\b/, "repz bsr")
    .replace(/^rdssp[dq]/, "repz nop")
    .replace(/^nop\/reserved/, "nop")
    .replace(/^wbnoinvd/, "repz wbinvd")
    .replace(/^icebp/, "int1")
    .trim();
}

async function main(): Promise<void> {
  const [path, ...rest] = process.argv.slice(2);
  if (path === undefined) throw new Error("usage: compare-objdump <ELF file> [--show n]");
  const show = rest[0] === "--show" ? Number(rest[1]) : 40;
  const objdump = spawn("objdump", ["-d", "-w", "-M", "intel", ...rest.slice(2), path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const mode64 = !rest.includes("i386");
  const decoder = new Decoder();
  const insn = createInstruction();
  const bytes = new Uint8Array(16);
  const differences = new Map<string, { count: number; example: string }>();
  let total = 0;
  let lengths = 0;
  let texts = 0;
  let outside = 0;
  const note = (key: string, example: string): void => {
    const seen = differences.get(key);
    if (seen) seen.count++;
    else differences.set(key, { count: 1, example });
  };
  for await (const line of createInterface({ input: objdump.stdout })) {
    const match = /^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t(.*)$/.exec(line);
    if (!match) continue;
    const [, addressText, byteText, theirs] = match;
    const raw = byteText.trim().split(" ");
    // objdump takes FWAIT for a part of the x87 instruction behind it.
    const waits = raw.length > 1 && raw[0] === "9b";
    if (waits) raw.shift();
    for (const [i, byte] of raw.entries()) bytes[i] = Number.parseInt(byte, 16);
    const want = normalise(waits ? theirs.replace(/^f(?!n)/, "fn") : theirs);
    const bare = want.replace(/^((lock|repn?z|rep|[c-s]s|[fg]s) )+/, "");
    total++;
    const va = Number(BigInt.asIntN(64, BigInt(`0x${addressText}`))) + (waits ? 1 : 0);
    const status = decoder.decode(bytes, 0, raw.length, mode64, insn);
    if (status !== DecodeStatus.OK) {
      if (beyond.test(bare)) {
        outside++;
        lengths++;
        texts++;
      } else note(`status ${status}: ${bare.split(" ")[0]}`, line);
      continue;
    }
    if (insn.length !== raw.length) {
      note(`length: ${bare.split(" ")[0]}`, `${line} => ${insn.length} ${format(insn, va)}`);
      continue;
    }
    lengths++;
    const ours = format(insn, va);
    if (normalise(ours) === want) texts++;
    else note(`text: ${want.split(" ")[0]} | ${normalise(ours).split(" ")[0]}`, `${line} => ${ours}`);
  }
  const percent = (n: number): string => `${n} (${((100 * n) / total).toFixed(4)} %)`;
  process.stdout.write(`instructions ${total}\nlength agrees ${percent(lengths)}\ntext agrees ${percent(texts)}\n`);
  process.stdout.write(`of these refused as beyond x86-64-v2: ${outside}\n`);
  const sorted = [...differences].sort((a, b) => b[1].count - a[1].count);
  for (const [key, { count, example }] of sorted.slice(0, show)) process.stdout.write(`${count}\t${key}\t${example}\n`);
}

await main();
