/* mmuext_op but for pins and roots. */
#include "conformance.h"

static volatile uint64_t data[512] aligned_page;
static volatile uint64_t more[512] aligned_page;
static struct mmuext_op ops[1024] aligned_page;

static uint64_t mfn(const volatile void *page) { return virt_to_mfn(page); }

static void other_ops(void)
{
    uint32_t done;
    uint64_t bitmap = 1;
    tap_section("mmuext_op: the rest");
    IS(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
    IS(mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
    IS(mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)data, 0), 0);
    ONLY_64(IS(mmuext(MMUEXT_INVLPG_LOCAL, NONCANONICAL, 0), 0);)
    IS(mmuext(MMUEXT_INVLPG_ALL, XEN_START, 0), 0);
    IS(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (unsigned long)&bitmap), 0);
    IS(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, UNMAPPED), -XEN_EINVAL);
    IS(mmuext(MMUEXT_INVLPG_MULTI, (unsigned long)data, (unsigned long)&bitmap), 0);
    ONLY_64(IS(mmuext(MMUEXT_INVLPG_MULTI, (unsigned long)data, NONCANONICAL), -XEN_EINVAL);)
    IS(mmuext(MMUEXT_FLUSH_CACHE, 0, 0), -XEN_EACCES);
    IS(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_MARK_SUPER, 0, 0), -XEN_EOPNOTSUPP);
    IS(mmuext(MMUEXT_UNMARK_SUPER, 0, 0), -XEN_EOPNOTSUPP);
    IS(mmuext(14, 0, 0), -XEN_ENOSYS);
    IS(mmuext(21, 0, 0), -XEN_ENOSYS);
    IS(mmuext(~0u, 0, 0), -XEN_ENOSYS);
    IS(mmuext(MMUEXT_SET_LDT, (unsigned long)more, 512), 0);
    IS(mmuext(MMUEXT_SET_LDT, (unsigned long)more + 8, 512), -XEN_EINVAL);
    IS(mmuext(MMUEXT_SET_LDT, (unsigned long)more, 8193), -XEN_EINVAL);
    ONLY_64(IS(mmuext(MMUEXT_SET_LDT, XEN_START, 1), -XEN_EINVAL);)
    /* The number of entries has 32 bits. */
    ONLY_64(IS(mmuext(MMUEXT_SET_LDT, (unsigned long)more, 7ul << 32), 0);)
    for (int i = 0; i < 512; i++) data[i] = i;
    IS(mmuext(MMUEXT_COPY_PAGE, mfn(more), mfn(data)), 0);
    IS(more[511], 511);
    IS(mmuext(MMUEXT_CLEAR_PAGE, mfn(more), 0), 0);
    IS(more[511], 0);
    IS(mmuext(MMUEXT_CLEAR_PAGE, PTE_FRAME(*table_entry(data, 2)), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_COPY_PAGE, PTE_FRAME(*table_entry(data, 2)), mfn(more)), -XEN_EINVAL);
    for (int i = 0; i < 1024; i++) ops[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    ops[5].cmd = 99;
    IS(HYPERVISOR_mmuext_op(ops, 1024, &done, DOMID_SELF), -XEN_ENOSYS);
    IS(done, 5);
    ops[5].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    IS(HYPERVISOR_mmuext_op(ops, 1024, &done, DOMID_SELF), 0);
    IS(done, 1024);
    IS(HYPERVISOR_mmuext_op(ops, 0, &done, DOMID_SELF), 0);
    IS(HYPERVISOR_mmuext_op(UNMAPPED, 1, &done, DOMID_SELF), -XEN_EFAULT);
    ONLY_64(IS(HYPERVISOR_mmuext_op(XEN_START, 1, &done, DOMID_SELF), -XEN_EFAULT);)
    IS(HYPERVISOR_mmuext_op(-24l, 2, &done, DOMID_SELF), -XEN_EFAULT);
    IS(HYPERVISOR_mmuext_op(ops, 1, &done, 0), -XEN_EPERM);
    IS(HYPERVISOR_mmuext_op(ops, 1, &done, 999), -XEN_ESRCH);
}

int main(void)
{
    other_ops();
    return tap_done();
}
