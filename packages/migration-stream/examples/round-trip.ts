import {
  ByteInput,
  readDomainRecords,
  readImageHeader,
  writeDomainRecord,
  writeImageHeader,
} from "@xen-node/migration-stream";

const chunks: Uint8Array[] = [];
const out = { write: async (bytes: Uint8Array) => void chunks.push(bytes.slice()) };
await writeImageHeader(out, { version: 3, xenMajor: 4, xenMinor: 17 });
await writeDomainRecord(out, { kind: "pvInfo", guestWidth: 8, levels: 4 });
await writeDomainRecord(out, { kind: "end" });

const input = new ByteInput(chunks);
const { xenMajor, xenMinor } = await readImageHeader(input);
process.stdout.write(`saved on Xen ${xenMajor}.${xenMinor}:`);
for await (const record of readDomainRecords(input)) process.stdout.write(` ${record.kind}`);
process.stdout.write("\n");
