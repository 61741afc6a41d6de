export { type ByteChunks, ByteInput, type ByteOutput } from "./byte-input.ts";
export {
  answerWhose,
  asksWhose,
  askWhose,
  expectHandshake,
  expectReport,
  type HandshakeText,
  readQuestion,
  sayHandshake,
  sayReport,
} from "./handshake.ts";
export { readDomainRecords, readImageHeader } from "./libxc-reader.ts";
export {
  type DomainRecord,
  hasContents,
  type ImageHeader,
  PAGE_BYTES,
  SavedPageType,
  type VcpuPart,
} from "./libxc-records.ts";
export { writeDomainRecord, writeImageHeader } from "./libxc-writer.ts";
export {
  type LibxlRecord,
  readLibxlHeader,
  readLibxlRecord,
  writeLibxlHeader,
  writeLibxlRecord,
} from "./libxl-stream.ts";
export { readSaveFileHeader, type SaveFileHeader, writeSaveFileHeader } from "./save-file.ts";
export { StreamError, type StreamErrorCode } from "./stream-error.ts";
