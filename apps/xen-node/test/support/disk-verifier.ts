/** Blocks of 512 bytes that the verifier writes, in turn. */
export const BLOCKS = 100;

/**
 * A line for a guest's shell: writes numbers to /dev/xvda, one after the other, and reads each back; what differs is noted
 * in /bad, the last number is in /count, and the number of the process in /pid.
 */
export const VERIFIER = [
  // 4: it is not to be told on the console.
  "touch /bad; echo 4 >/proc/sys/vm/drop_caches",
  `((n=0; while :; do n=$((n+1)); printf '%-512s' $n | dd of=/dev/xvda bs=512 seek=$((n%${BLOCKS})) conv=fsync 2>/dev/null`,
  "echo 1 >/proc/sys/vm/drop_caches",
  `got=$(dd if=/dev/xvda bs=512 skip=$((n%${BLOCKS})) count=1 2>/dev/null); [ $got = $n ] || echo bad $n >>/bad`,
  // Whoever reads it meanwhile is to find a number.
  "echo $n >/count.next; mv /count.next /count; usleep 20000; done) & echo $! >/pid)",
].join("; ");
