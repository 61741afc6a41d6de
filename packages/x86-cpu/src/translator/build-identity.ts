/**
 * Stands for all that translations depend on besides the guest's code; the build of this package puts a hash of the sources
 * in the place of this file. Undefined where the sources run as they are: what they translate is not to be kept.
 */
export const buildIdentity: string | undefined = undefined;
