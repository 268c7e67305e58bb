/* Operations that take privileges away. */
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#include "init.h"
#include "sys.h"

void hide(void) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int op_set_ids(struct init *c, const struct tsr_args_set_ids *a) {
    if (a->groups.len % 4 != 0)
        return refused(c, "setgroups", EINVAL);
    /* raw calls: libc's would signal threads that we do not have */
    if (a->set_groups &&
        syscall(SYS_setgroups, (size_t)(a->groups.len / 4), a->groups.data) != 0)
        return failed(c, "setgroups");
    if (syscall(SYS_setresgid, a->gid, a->gid, a->gid) != 0)
        return failed(c, "setresgid");
    if (syscall(SYS_setresuid, a->uid, a->uid, a->uid) != 0)
        return failed(c, "setresuid");
    hide(); /* a change of ids makes us what fs.suid_dumpable says */
    return 0;
}

int op_keep_capabilities(struct init *c, const struct tsr_args_keep_capabilities *a) {
    (void)a;
    return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 ? 0 : failed(c, "prctl PR_SET_KEEPCAPS");
}

int op_drop_bounding(struct init *c, const struct tsr_args_drop_bounding *a) {
    for (unsigned long cap = 0; cap < 64; cap++) {
        if (a->keep >> cap & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        /* EINVAL: the kernel knows no further capabilities */
        return errno == EINVAL ? 0 : failed(c, "prctl PR_CAPBSET_DROP");
    }
    return 0;
}

/* What the parent puts the capability's name before: what cannot be granted is a warning, never an error
 * (runtime-spec, config.md, process.capabilities). */
static void warn_of_capability(struct init *c, unsigned long cap, const char *text) {
    send_message(c, MESSAGE_CAPABILITY, EPERM, (uint32_t)cap, text, strlen(text), -1);
}

/* Cuts the sets to what we have ourselves: the runtime may run with less than the host's root has. */
static int cut_capabilities(struct init *c, struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[2];
    if (syscall(SYS_capget, &header, own) != 0)
        return failed(c, "capget");
    for (int i = 0; i < 2; i++) {
        uint32_t missing = (data[i].permitted | data[i].inheritable) & ~own[i].permitted;
        for (unsigned long bit = 0; bit < 32; bit++) {
            if (missing >> bit & 1)
                warn_of_capability(c, bit + 32 * (unsigned long)i,
                                   "cannot be granted: the runtime does not have it");
        }
        data[i].effective &= own[i].permitted;
        data[i].permitted &= own[i].permitted;
        data[i].inheritable &= own[i].permitted;
    }
    return 0;
}

int op_set_capabilities(struct init *c, const struct tsr_args_set_capabilities *a) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(a->effective >> (32 * i));
        data[i].permitted = (uint32_t)(a->permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(a->inheritable >> (32 * i));
    }
    int result = syscall(SYS_capset, &header, data) == 0 ? 0 : failed(c, "capset");
    if (result == -EPERM && (result = cut_capabilities(c, data)) == 0 &&
        syscall(SYS_capset, &header, data) != 0)
        result = failed(c, "capset");
    if (result != 0)
        return result;
    hide();
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    uint64_t granted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
    uint64_t ambient = a->ambient & ~(a->permitted & ~granted); /* what was cut has been warned of */
    for (unsigned long cap = 0; cap < 64; cap++) {
        if ((ambient >> cap & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0)
            warn_of_capability(c, cap,
                               "cannot be ambient: it is not both permitted and inheritable");
    }
    return 0;
}

int op_no_new_privileges(struct init *c, const struct tsr_args_no_new_privileges *a) {
    (void)a;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : failed(c, "prctl PR_SET_NO_NEW_PRIVS");
}

int op_seccomp(struct init *c, const struct tsr_args_seccomp *a) {
    struct sock_fprog program = {
        .len = (unsigned short)(a->filter.len / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)a->filter.data,
    };
    if (a->filter.len % sizeof(struct sock_filter) != 0 ||
        a->filter.len / sizeof(struct sock_filter) > 0xffff)
        return refused(c, "seccomp", EINVAL);
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned long)a->flags, &program);
    if (fd < 0)
        return failed(c, "seccomp");
    if (a->notify) {
        /*
         * The parent takes the listener out of our table: sendmsg may be among the calls that wait for whoever
         * holds it. write is not, profiles that notify it are refused.
         */
        bool taken = send_message(c, MESSAGE_NOTIFY, 0, (uint32_t)fd, NULL, 0, -1) &&
                     receive_answer(c);
        close((int)fd);
        if (!taken)
            return refused(c, "hand over seccomp listener", EPIPE);
    }
    return 0;
}
