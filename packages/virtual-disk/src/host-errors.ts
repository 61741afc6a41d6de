// Errors of Node's file system, as DiskErrors with one sentence.
import { DiskError, type DiskErrorCode } from "./block-device.ts";

const REASONS: Record<string, { code: DiskErrorCode; reason: string }> = {
  ENOENT: { code: "ENOENT", reason: "there is no such file" },
  ENOTDIR: { code: "ENOENT", reason: "a part of its path is not a directory" },
  EACCES: { code: "EACCES", reason: "this user has no permission" },
  EPERM: { code: "EACCES", reason: "this user has no permission" },
  EROFS: { code: "EROFS", reason: "its file system is read-only" },
  EISDIR: { code: "EISDIR", reason: "it is a directory" },
  EEXIST: { code: "EEXIST", reason: "it exists already" },
  ENOSPC: { code: "ENOSPC", reason: "its file system is full" },
  EDQUOT: { code: "ENOSPC", reason: "this user's quota is used up" },
  EFBIG: { code: "ENOSPC", reason: "it would pass the largest file size that is allowed" },
  ETXTBSY: { code: "EBUSY", reason: "it is in use" },
  EBUSY: { code: "EBUSY", reason: "it is in use" },
  EBADF: { code: "EBADF", reason: "it was closed" },
  ELOOP: { code: "ENOENT", reason: "its symbolic links lead in a circle" },
  EIO: { code: "EIO", reason: "the host reported an I/O error" },
};

/** `action` is a verb and its preposition: "read", "write to", "open". A DiskError passes unchanged. */
export function hostError(error: unknown, file: string, action: string): DiskError {
  if (error instanceof DiskError) return error;
  const name = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const known = REASONS[name];
  const detail = known ? `${known.reason} (${name})` : error instanceof Error ? error.message : String(error);
  return new DiskError(known?.code ?? "EIO", file, `Could not ${action} ${file}: ${detail}.`, { cause: error });
}
