declare module "lz4js" {
  /** Decodes one raw block; returns the end of the output. Writes beyond `target` are dropped silently. */
  export function decompressBlock(
    source: Uint8Array,
    target: Uint8Array,
    sourceStart: number,
    sourceLength: number,
    targetStart: number,
  ): number;
}
