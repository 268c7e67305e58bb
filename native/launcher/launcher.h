/*
 * The first process of containerd-shim-tsrunc-v2: does `start` and `delete` by itself where nothing is out of the
 * ordinary, because an engine alone takes 4.2 ms to start, longer than all that containerd waits for here. Everything
 * else, errors included, is left to the engine, which is executed in our place with the same arguments and input: each
 * function that gives up has changed nothing.
 */
#ifndef TSR_LAUNCHER_H
#define TSR_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of a larger buffer; data is NULL for what is absent. */
struct slice {
    const char *data;
    size_t size;
};

static inline struct slice slice_of(const char *data, size_t size)
{
    return (struct slice){data, size};
}

bool slice_equals(struct slice slice, const char *text);

/* What containerd says; texts are empty when they are not given. */
struct flags {
    const char *namespace;
    const char *id;
    const char *address;
    const char *bundle;
    const char *action;
    bool debug;
};

/* False for a command line that is left to the engine. */
bool flags_parse(char *const argv[], struct flags *flags);

/* Standard input of `start`, read to its end. */
struct input {
    char data[64 * 1024];
    size_t size;
};

/* shim/bootstrap/request.ts */
struct request {
    bool bootstrap; /* from containerd 2.3 on, which wants a BootstrapResult */
    bool debug;
    struct slice socket_dir;
    struct slice ttrpc_address;
    struct slice grpc_address;
};

/* False for what is malformed, or has options that change what `start` does. */
bool request_parse(const struct input *input, const struct flags *flags, struct request *request);

/*
 * The group that the annotations of ./config.json name, else the id. False for a config that is not understood; the
 * slice lies in `buffer`.
 */
bool group_of(const char *id, char *buffer, size_t size, struct slice *group);

/* 64 lower-case hex digits and a NUL. */
#define SHA256_HEX 65
void sha256_hex(const char *data, size_t size, char hex[SHA256_HEX]);

/* The path of tsrunc: from libexec/tsrunc, where this executable lies, ../../bin. */
bool engine_path(char *path, size_t size);
extern const char shim_name[];

/* True when it is done: the answer is printed, and the exit status 0. */
bool fast_start(const struct flags *flags, const struct input *input);
bool fast_delete(const struct flags *flags);

/* Reads a file of the working directory or an absolute path; -1 when it cannot be, or has more than `size` bytes. */
long read_file(const char *path, char *data, size_t size);
bool write_all(int fd, const void *data, size_t size);

#endif
