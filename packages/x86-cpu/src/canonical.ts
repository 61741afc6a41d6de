/** Whether a 64-bit address with this high half is canonical for 48 bits (Intel SDM vol. 1, 3.3.7.1). */
export function isCanonical(high: number): boolean {
  const sign = high >> 15;
  return sign === 0 || sign === -1;
}
