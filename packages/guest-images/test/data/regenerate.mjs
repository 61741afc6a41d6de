// Writes the compressed samples with the reference tools (xz, bzip2, zstd, lz4). Needs Node 22.18 or later, or a bundler,
// for the TypeScript import.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { codeSample } from "../code-sample.ts";

const commands = {
  "x86-crc32.xz": ["xz", "--check=crc32", "--x86", "--lzma2=dict=1MiB"],
  "x86-offset-crc64.xz": ["xz", "--check=crc64", "--x86=start=4096", "--lzma2=dict=1MiB"],
  "blocks-sha256.xz": ["xz", "--check=sha256", "--x86", "--lzma2=dict=1MiB", "--block-size=8192"],
  "sized-none.xz": ["xz", "--check=none", "-T2", "--block-size=8192"],
  "delta.xz": ["xz", "--delta=dist=4", "--lzma2"],
  "sample.bz2": ["bzip2"],
  "sample.zst": ["zstd", "-19", "--ultra"],
  "sample.lz4": ["lz4", "-l", "-9"],
  "sample.lzma": ["xz", "--format=lzma"],
};

for (const [name, [command, ...args]] of Object.entries(commands)) {
  const output = execFileSync(command, [...args, "-c"], { input: codeSample() });
  writeFileSync(new URL(name, import.meta.url), output);
}
