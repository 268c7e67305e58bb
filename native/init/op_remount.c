/* The `remount` mount option: changes a mount that is there already. */
#include <string.h>

#include "init.h"
#include "sys.h"

/* The kernel takes both for the root of a mount only, so an ordinary directory is refused (EINVAL). */
static int change_attributes(struct init *c, int target, unsigned flags, uint64_t set,
                             uint64_t clear) {
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear};
    return sys_mount_setattr(target, flags, &attr) == 0 ? 0 : failed(c, "mount_setattr");
}

static int change_options(struct init *c, int target, const struct tsr_args_remount *a) {
    int context = (int)syscall(SYS_fspick, target, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
    if (context < 0)
        return failed(c, "fspick");
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < a->options.count; i++)
        result = set_option(c, context, plan_string(&c->plan, a->options, i));
    if (result == 0)
        result = configure(c, context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL);
    close(context);
    return result;
}

int op_remount(struct init *c, const struct tsr_args_remount *a) {
    int target = open_in_root(c, a->target, O_PATH, false);
    if (target < 0)
        return target;
    int result = a->options.count == 0 ? 0 : change_options(c, target, a);
    if (result == 0)
        result = change_attributes(c, target, 0, a->set, a->clear);
    if (result == 0 && (a->recursive_set | a->recursive_clear) != 0)
        result = change_attributes(c, target, AT_RECURSIVE, a->recursive_set, a->recursive_clear);
    close(target);
    return result;
}
