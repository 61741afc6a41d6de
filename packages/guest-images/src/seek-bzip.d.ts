declare module "seek-bzip" {
  const Bunzip: {
    /** Decodes a whole bzip2 stream; throws TypeError on bad input. */
    decode(input: Uint8Array): Uint8Array;
  };
  export default Bunzip;
}
