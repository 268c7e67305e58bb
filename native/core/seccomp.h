/* Turns a flat rule list into classic BPF with libseccomp, and asks the kernel what it can do. */
#ifndef TSR_SECCOMP_H
#define TSR_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TSR_SECCOMP_REQUEST_VERSION 1
/** More than the spec's list of architectures; bounds the request. */
#define TSR_SECCOMP_MAX_ARCHS 32

/** One architecture's part of a compiled rule list. */
struct tsr_seccomp_part {
    /** struct sock_filter[], in host byte order; NULL for a second mention of the native one. */
    uint8_t *filter;
    size_t filter_size;
    /** The highest number of any listed name in its table, 0 for none. */
    uint32_t newest;
};

/** What a rule list amounts to; release with tsr_seccomp_result_free. */
struct tsr_seccomp_result {
    /** In the order of the request. */
    struct tsr_seccomp_part parts[TSR_SECCOMP_MAX_ARCHS];
    uint32_t part_count;
    /** Indices of the names which libseccomp has never heard of. */
    uint32_t *unknown;
    uint32_t unknown_count;
};

/** Which call refused and at which element of the request, so that the caller can name it. */
struct tsr_seccomp_error {
    const char *call;
    int64_t index;
};

/**
 * Compiles a request to one program per architecture (libseccomp's time grows with the square of
 * a program: three apart take a third of three in one). Little-endian u32 unless said otherwise:
 *   version, default action, archs, names, rules, threshold, then
 *   archs x token, names x (u8 length, bytes, NUL),
 *   rules x (name index, action, conditions, conditions x (arg, op, u64 a, u64 b)).
 * Action, op and token values are those of <seccomp.h> (token 0: the native architecture). More
 * rules than the threshold are laid out as a binary tree. Returns 0 or a negative errno with
 * `error` filled; -EBADMSG (call "decode") means that the request itself is malformed.
 */
int tsr_seccomp_compile(const uint8_t *data, size_t size, struct tsr_seccomp_result *result,
                        struct tsr_seccomp_error *error);

void tsr_seccomp_result_free(struct tsr_seccomp_result *result);

/** Does libseccomp have a system call table for this SCMP_ARCH_* token? */
bool tsr_seccomp_has_arch(uint32_t token);

/** Does the kernel know this SECCOMP_RET_* action? SECCOMP_GET_ACTION_AVAIL, Linux 4.14. */
bool tsr_seccomp_has_action(uint32_t action);

/** Does the kernel know these SECCOMP_FILTER_FLAG_* bits? Loads nothing. */
bool tsr_seccomp_has_flags(uint32_t flags);

#ifdef __cplusplus
}
#endif

#endif
