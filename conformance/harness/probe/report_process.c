// Reports what the process itself is: identity, credentials, capabilities, limits, signals,
// scheduling.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

extern char **environ;

static int saved_argc;
static char **saved_argv;

void remember_args(int argc, char **argv)
{
    saved_argc = argc;
    saved_argv = argv;
}

static void read_small_file(const char *path, char *out, size_t size)
{
    out[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    size_t n = fread(out, 1, size - 1, file);
    out[n] = '\0';
    if (n > 0 && out[n - 1] == '\n')
        out[n - 1] = '\0';
    fclose(file);
}

static void report_groups(void)
{
    gid_t groups[256];
    int count = getgroups(256, groups);
    json_array("groups");
    for (int i = 0; i < count; i++)
        json_number(NULL, groups[i]);
    json_end();
}

void report_identity(void)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;
    char text[4096];
    struct utsname uts;

    json_array("args");
    for (int i = 0; i < saved_argc; i++)
        json_string(NULL, saved_argv[i]);
    json_end();
    json_array("env");
    for (char **e = environ; *e; e++)
        json_string(NULL, *e);
    json_end();
    // The raw system call: the kernel marks a directory outside the root as "(unreachable)", libc
    // hides that.
    json_string("cwd", syscall(SYS_getcwd, text, sizeof(text)) > 0 ? text : NULL);
    getresuid(&ruid, &euid, &suid);
    getresgid(&rgid, &egid, &sgid);
    json_number("uid", ruid);
    json_number("euid", euid);
    json_number("suid", suid);
    json_number("gid", rgid);
    json_number("egid", egid);
    json_number("sgid", sgid);
    report_groups();
    mode_t mask = umask(0);
    umask(mask);
    json_number("umask", mask);
    json_number("pid", getpid());
    json_number("ppid", getppid());
    json_number("sid", getsid(0));
    json_number("pgid", getpgid(0));
    json_number("noNewPrivs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    read_small_file("/proc/self/status", text, sizeof(text));
    const char *seccomp = strstr(text, "\nSeccomp:");
    json_number("seccomp", seccomp ? atoi(seccomp + 9) : -1);
    json_number("securebits", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    json_number("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    read_small_file("/proc/self/oom_score_adj", text, sizeof(text));
    json_string("oomScoreAdj", text);
    read_small_file("/proc/self/attr/current", text, sizeof(text));
    json_string("label", text);
    uname(&uts);
    json_string("hostname", uts.nodename);
    json_string("domainname", uts.domainname);
    json_string("machine", uts.machine);
}

static const char *const cap_names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

static void put_caps(const char *key, uint64_t set)
{
    json_array(key);
    for (unsigned cap = 0; cap < sizeof(cap_names) / sizeof(cap_names[0]); cap++)
        if (set >> cap & 1)
            json_string(NULL, cap_names[cap]);
    json_end();
}

void report_caps(void)
{
    // Spelled out: musl-gcc sees no kernel headers.
    struct {
        uint32_t version;
        int pid;
    } header = {.version = 0x20080522};
    struct {
        uint32_t effective, permitted, inheritable;
    } data[2] = {{0}};
    uint64_t bounding = 0, ambient = 0;

    syscall(SYS_capget, &header, data);
    for (unsigned long cap = 0; cap < 64; cap++) {
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            bounding |= UINT64_C(1) << cap;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
            ambient |= UINT64_C(1) << cap;
    }
    json_object("caps");
    put_caps("effective", data[0].effective | (uint64_t)data[1].effective << 32);
    put_caps("permitted", data[0].permitted | (uint64_t)data[1].permitted << 32);
    put_caps("inheritable", data[0].inheritable | (uint64_t)data[1].inheritable << 32);
    put_caps("bounding", bounding);
    put_caps("ambient", ambient);
    json_end();
}

void report_rlimits(void)
{
    static const char *const names[] = {
        "RLIMIT_CPU",      "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
        "RLIMIT_CORE",     "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
        "RLIMIT_MEMLOCK",  "RLIMIT_AS",    "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
        "RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
    };
    json_object("rlimits");
    for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++) {
        struct {
            uint64_t soft, hard;
        } limit = {0, 0};
        syscall(SYS_prlimit64, 0, i, NULL, &limit);
        json_object(names[i]);
        json_u64("soft", limit.soft);
        json_u64("hard", limit.hard);
        json_end();
    }
    json_end();
}

void report_signals(void)
{
    // The kernel's own structure and call: libc refuses to show its private real-time signals.
    struct {
        uintptr_t handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } action;
    uint64_t blocked = 0;

    json_object("signals");
    json_array("ignored");
    for (int sig = 1; sig <= 64; sig++) {
        memset(&action, 0, sizeof(action));
        if (syscall(SYS_rt_sigaction, sig, NULL, &action, sizeof(uint64_t)) == 0 &&
            action.handler == (uintptr_t)SIG_IGN)
            json_number(NULL, sig);
    }
    json_end();
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
    json_array("blocked");
    for (int sig = 1; sig <= 64; sig++)
        if (blocked >> (sig - 1) & 1)
            json_number(NULL, sig);
    json_end();
    json_end();
}

void report_sched(void)
{
    cpu_set_t set;
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr;

    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof(set), &set);
    json_array("affinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            json_number(NULL, cpu);
    json_end();
    memset(&attr, 0, sizeof(attr));
    syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0);
    json_object("scheduler");
    json_number("policy", attr.policy);
    json_number("flags", (long long)attr.flags);
    json_number("nice", attr.nice);
    json_number("priority", attr.priority);
    json_u64("runtime", attr.runtime);
    json_u64("deadline", attr.deadline);
    json_u64("period", attr.period);
    json_end();
    errno = 0;
    json_number("nice", getpriority(PRIO_PROCESS, 0));
    long ioprio = syscall(SYS_ioprio_get, 1, 0);
    json_object("ioPriority");
    json_number("class", ioprio >> 13);
    json_number("priority", ioprio & 0x1fff);
    json_end();
    json_number("personality", personality(0xffffffff));
    json_number("timerSlackNs", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}
