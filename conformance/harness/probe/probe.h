// Declares what the probe's files share: the entry points that main.c dispatches to.
#ifndef CONFORMANCE_PROBE_H
#define CONFORMANCE_PROBE_H

// An action gets its own words (argv[0] is its name) and returns the exit status of the probe so
// far.
typedef int (*probe_action)(int argc, char **argv);

struct probe_command {
    const char *name;
    probe_action run;
    const char *usage;
};

// Section printers write one member each into the report's open object.
typedef void (*report_section)(void);

int action_report(int argc, char **argv);

void report_identity(void);
void report_caps(void);
void report_rlimits(void);
void report_signals(void);
void report_sched(void);

void report_fds(void);
void report_mounts(void);
void report_namespaces(void);
void report_cgroup(void);
void report_dev(void);
void report_tty(void);

// Remembers the program's full argument vector for the report's "args".
void remember_args(int argc, char **argv);

extern const struct probe_command file_actions[];
extern const struct probe_command process_actions[];
extern const struct probe_command host_actions[];

// Prints {"action":NAME,"target":TARGET,"errno":"ENOENT"|null,"result":N} and returns 0.
int print_outcome(const char *action, const char *target, int err, long long result);
const char *errno_name(int err);
// Signal by number or by name with or without SIG; -1 when unknown.
int parse_signal(const char *text);

#endif
