/* Generated: the public interface is one file here. */
#include <xen/abi.h>
