/* The NUMA memory policy of the container's process; children and the program after exec keep it. */
#include "init.h"
#include "sys.h"

int op_memory_policy(struct init *c, const struct tsr_args_memory_policy *a) {
    /* the kernel takes one bit less than it is told (set_mempolicy(2), BUGS of its interface) */
    if (a->nodes.len % sizeof(unsigned long) != 0) /* it reads whole words */
        return refused(c, "set_mempolicy", EINVAL);
    unsigned long bits = a->nodes.len == 0 ? 0 : (unsigned long)a->nodes.len * 8 + 1;
    return syscall(SYS_set_mempolicy, (int)a->mode, bits == 0 ? NULL : a->nodes.data, bits) == 0
               ? 0
               : failed(c, "set_mempolicy");
}
