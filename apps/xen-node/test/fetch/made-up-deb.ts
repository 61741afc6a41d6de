import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { packTar, type TarEntry } from "modern-tar";

/** Writes a Debian package with the files and control files that a test wants. */
export async function writeDeb(path: string, data: TarEntry[], control: Record<string, string>): Promise<void> {
  const controlEntries = Object.entries(control).map(
    ([name, text]): TarEntry => ({
      header: { name: `./${name}`, size: Buffer.byteLength(text), mode: 0o644 },
      body: text,
    }),
  );
  const members: [string, Uint8Array][] = [
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", gzipSync(await packTar(controlEntries))],
    ["data.tar.gz", gzipSync(await packTar(data))],
  ];
  const parts: Uint8Array[] = [Buffer.from("!<arch>\n")];
  for (const [name, bytes] of members) {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`;
    parts.push(Buffer.from(`${header}${String(bytes.length).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  await writeFile(path, Buffer.concat(parts));
}

export const file = (name: string, text: string, more: Partial<TarEntry["header"]> = {}): TarEntry => ({
  header: { name, size: Buffer.byteLength(text), mode: 0o644, mtime: new Date(1_700_000_000_000), ...more },
  body: text,
});

export const directory = (name: string): TarEntry => ({
  header: { name, size: 0, type: "directory", mode: 0o755, mtime: new Date(1_700_000_000_000) },
});

export const link = (type: "symlink" | "link", name: string, linkname: string): TarEntry => ({
  header: { name, size: 0, type, linkname, mode: 0o777, mtime: new Date(1_700_000_000_000) },
});
