import { concat, makeElf } from "./elf-maker.ts";

export type KallsymsForm = "6.1" | "6.4" | "absolute";

const pad8 = (bytes: Uint8Array) => concat(bytes, new Uint8Array(-bytes.length & 7));
const words = (values: number[]) => new Uint8Array(Int32Array.from(values).buffer);
const longs = (values: bigint[]) => new Uint8Array(BigInt64Array.from(values).buffer);

/** An ELF whose read-only segment carries a kallsyms table in one of the forms that Linux has used. */
export function elfWithKallsyms(
  symbols: { address: bigint; name: string; type: string }[],
  form: KallsymsForm,
): Uint8Array {
  // Characters stand for themselves, save for a few pairs that get unused codes.
  const tokens = Array.from({ length: 256 }, (_, code) => (code < 0x80 ? String.fromCharCode(code || 1) : `_${code}`));
  tokens[0x81] = "Tsys_";
  tokens[0x82] = "do_";
  const encode = (text: string) => {
    const codes: number[] = [];
    for (let at = 0; at < text.length; ) {
      const token = [0x81, 0x82].find((code) => text.startsWith(tokens[code], at));
      codes.push(token ?? text.charCodeAt(at));
      at += token === undefined ? 1 : tokens[token].length;
    }
    const length = codes.length < 0x80 ? [codes.length] : [(codes.length & 0x7f) | 0x80, codes.length >> 7];
    return Uint8Array.from([...length, ...codes]);
  };
  const encoded = symbols.map(({ type, name }) => encode(type + name));
  const markers: number[] = [];
  let size = 0;
  encoded.forEach((bytes, index) => {
    if (index % 256 === 0) {
      markers.push(size);
    }
    size += bytes.length;
  });
  const tokenTable = new TextEncoder().encode(`${tokens.map((token) => token).join("\0")}\0`);
  const tokenOffsets: number[] = [];
  let offset = 0;
  for (const token of tokens) {
    tokenOffsets.push(offset);
    offset += token.length + 1;
  }
  const base = symbols.find(({ address }) => address >= 0x80000000n)?.address ?? 0n;
  const offsets = symbols.map(({ address }) =>
    form === "6.4" ? Number(address - base) : address < 0x80000000n ? Number(address) : Number(base - 1n - address),
  );
  const count = pad8(words([symbols.length]));
  const names = concat(count, pad8(concat(...encoded)), pad8(words(markers)));
  const tokenPart = concat(pad8(tokenTable), new Uint8Array(Uint16Array.from(tokenOffsets).buffer));
  const relative = concat(pad8(words(offsets)), longs([base]));
  const sequence = pad8(new Uint8Array(symbols.length * 3).fill(0x41));
  const tables = {
    "6.1": concat(relative, names, tokenPart),
    "6.4": concat(names, sequence, tokenPart, relative, sequence),
    absolute: concat(longs(symbols.map(({ address }) => address)), names, tokenPart),
  };
  const noise = new Uint8Array(4096).fill(0x33);
  const content = concat(
    noise,
    new TextEncoder().encode("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0"),
    new Uint8Array(4),
    tables[form],
    noise,
  );
  return makeElf({ segments: [{ type: 1, vaddr: 0xffffffff81000000n, content }] });
}
