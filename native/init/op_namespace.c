/* Operations that place the process: namespaces, cgroups, forks, sync points. */
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "init.h"
#include "sys.h"

int op_set_dumpable(struct init *c, const struct tsr_args_set_dumpable *a) {
    return prctl(PR_SET_DUMPABLE, (unsigned long)a->value, 0, 0, 0) == 0 ? 0 : failed(c, "prctl");
}

int op_join_cgroup(struct init *c, const struct tsr_args_join_cgroup *a) {
    /* `0` and not our pid: for a thread that moves itself the kernel skips the thread-group lock */
    if (write(a->fd, "0", 1) != 1)
        return failed(c, "write");
    close(a->fd);
    return 0;
}

int op_write_proc(struct init *c, const struct tsr_args_write_proc *a) {
    int result = write_proc(c, a->path, a->value);
    return a->optional && (result == -ENOENT || result == -ENOTDIR) ? 0 : result;
}

int op_raise_rlimit(struct init *c, const struct tsr_args_raise_rlimit *a) {
    struct rlimit limit;
    if (getrlimit((int)a->resource, &limit) != 0)
        return failed(c, "getrlimit");
    if (limit.rlim_max >= a->hard)
        return 0;
    limit.rlim_max = a->hard;
    return setrlimit((int)a->resource, &limit) == 0 ? 0 : failed(c, "setrlimit");
}

int op_set_rlimit(struct init *c, const struct tsr_args_set_rlimit *a) {
    struct rlimit limit = {.rlim_cur = a->soft, .rlim_max = a->hard};
    return setrlimit((int)a->resource, &limit) == 0 ? 0 : failed(c, "setrlimit");
}

int op_join_namespace(struct init *c, const struct tsr_args_join_namespace *a) {
    if (setns(a->fd, (int)a->type) != 0)
        return failed(c, "setns");
    close(a->fd);
    return 0;
}

int op_join_process(struct init *c, const struct tsr_args_join_process *a) {
    return setns(a->fd, (int)a->flags) == 0 ? 0 : failed(c, "setns");
}

int op_unshare(struct init *c, const struct tsr_args_unshare *a) {
    return unshare((int)a->flags) == 0 ? 0 : failed(c, "unshare");
}

int op_fork(struct init *c, const struct tsr_args_fork *a) {
    /* CLONE_PARENT: the new process is a child of whoever started us, so nothing of us has to stay */
    long pid = syscall(SYS_clone, (unsigned long)a->flags | CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid < 0)
        return failed(c, "clone");
    if (pid > 0) {
        send_message(c, MESSAGE_FORKED, 0, (uint32_t)pid, NULL, 0, -1);
        _exit(0);
    }
    hide(); /* as private as its parent was */
    return 0;
}

int op_sync(struct init *c, const struct tsr_args_sync *a) {
    send_trace(c);
    if (!send_message(c, MESSAGE_SYNC, 0, a->point, NULL, 0, -1) || !receive_answer(c))
        _exit(1); /* the parent is gone: nobody owns this container */
    return 0;
}

int op_time_offset(struct init *c, const struct tsr_args_time_offset *a) {
    if (unshare(CLONE_NEWTIME) != 0)
        return failed(c, "unshare");
    if (a->text[0] != 0) {
        int result = write_proc(c, "self/timens_offsets", a->text);
        if (result < 0)
            return result;
    }
    /* unshare only arranges it for children; joining it is allowed while single-threaded */
    int fd = openat(c->proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return failed(c, "open time_for_children");
    int result = setns(fd, CLONE_NEWTIME) == 0 ? 0 : failed(c, "setns");
    close(fd);
    return result;
}

int op_new_session(struct init *c, const struct tsr_args_new_session *a) {
    (void)a;
    /* EPERM: already a group leader, which in a fresh pid namespace process 1 can be */
    return setsid() >= 0 || errno == EPERM ? 0 : failed(c, "setsid");
}

int op_hostname(struct init *c, const struct tsr_args_hostname *a) {
    return sethostname(a->name, strlen(a->name)) == 0 ? 0 : failed(c, "sethostname");
}

int op_domainname(struct init *c, const struct tsr_args_domainname *a) {
    return syscall(SYS_setdomainname, a->name, strlen(a->name)) == 0 ? 0
                                                                     : failed(c, "setdomainname");
}

int op_loopback_up(struct init *c, const struct tsr_args_loopback_up *a) {
    (void)a;
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(c, "socket");
    int result = ioctl(fd, SIOCGIFFLAGS, &request) == 0 ? 0 : failed(c, "ioctl SIOCGIFFLAGS");
    if (result == 0) {
        request.ifr_flags |= IFF_UP;
        result = ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? 0 : failed(c, "ioctl SIOCSIFFLAGS");
    }
    close(fd);
    return result;
}
