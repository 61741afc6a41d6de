/**
 * The ACPI tables of a PVH guest, as Xen's toolstack makes them: no hardware but local APIC numbers, "hardware-reduced"
 * (ACPI specification 6.4, chapter 5).
 */
export interface AcpiTables {
  readonly bytes: Uint8Array;
  /** Guest-physical address of the root pointer. */
  readonly rsdpAddress: number;
}

const HEADER_BYTES = 36;
const RSDP_BYTES = 36;
const FADT_BYTES = 268;
const MADT_FIXED_BYTES = 8;
const LAPIC_ENTRY_BYTES = 8;
const LAPIC_ADDRESS = 0xfee00000;
const LAPIC_ENABLED = 1;
const HW_REDUCED = 1 << 20;
/** No VGA, no MSI, no CMOS clock. */
const BOOT_FLAGS = (1 << 2) | (1 << 3) | (1 << 5);
const ALIGN = 16;

const round = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;

function ascii(view: DataView, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i));
}

/** Makes the bytes sum up to 0. */
function checksum(view: DataView, start: number, length: number, at: number): void {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += view.getUint8(start + i);
  view.setUint8(at, -sum & 0xff);
}

/** Lays the tables out behind each other from a guest-physical address on, the root pointer first. */
export function acpiTables(address: number, vcpus: number): AcpiTables {
  const madtBytes = HEADER_BYTES + MADT_FIXED_BYTES + vcpus * LAPIC_ENTRY_BYTES;
  const xsdt = round(RSDP_BYTES);
  const xsdtBytes = HEADER_BYTES + 2 * 8;
  const fadt = xsdt + round(xsdtBytes);
  const madt = fadt + round(FADT_BYTES);
  const dsdt = madt + round(madtBytes);
  const bytes = new Uint8Array(dsdt + HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  const table = (at: number, signature: string, length: number, revision: number): void => {
    ascii(view, at, signature);
    view.setUint32(at + 4, length, true);
    view.setUint8(at + 8, revision);
    ascii(view, at + 10, "Xen");
    ascii(view, at + 16, "HVM");
    view.setUint32(at + 24, 1, true);
    ascii(view, at + 28, "HVML");
  };
  const close = (at: number, length: number): void => checksum(view, at, length, at + 9);

  table(dsdt, "DSDT", HEADER_BYTES, 2);
  close(dsdt, HEADER_BYTES);

  table(madt, "APIC", madtBytes, 2);
  view.setUint32(madt + HEADER_BYTES, LAPIC_ADDRESS, true);
  for (let id = 0; id < vcpus; id++) {
    const entry = madt + HEADER_BYTES + MADT_FIXED_BYTES + id * LAPIC_ENTRY_BYTES;
    view.setUint8(entry + 1, LAPIC_ENTRY_BYTES);
    view.setUint8(entry + 2, id);
    view.setUint8(entry + 3, 2 * id);
    view.setUint32(entry + 4, LAPIC_ENABLED, true);
  }
  close(madt, madtBytes);

  table(fadt, "FACP", FADT_BYTES, 5);
  view.setUint32(fadt + 40, address + dsdt, true);
  view.setUint16(fadt + 109, BOOT_FLAGS, true);
  view.setUint32(fadt + 112, HW_REDUCED, true);
  view.setUint8(fadt + 131, 1);
  view.setBigUint64(fadt + 140, BigInt(address + dsdt), true);
  close(fadt, FADT_BYTES);

  table(xsdt, "XSDT", xsdtBytes, 1);
  view.setBigUint64(xsdt + HEADER_BYTES, BigInt(address + fadt), true);
  view.setBigUint64(xsdt + HEADER_BYTES + 8, BigInt(address + madt), true);
  close(xsdt, xsdtBytes);

  ascii(view, 0, "RSD PTR ");
  ascii(view, 9, "Xen");
  view.setUint8(15, 2);
  view.setUint32(20, RSDP_BYTES, true);
  view.setBigUint64(24, BigInt(address + xsdt), true);
  checksum(view, 0, 20, 8);
  checksum(view, 0, RSDP_BYTES, 32);
  return { bytes, rsdpAddress: address };
}
