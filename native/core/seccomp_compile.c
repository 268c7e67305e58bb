/* Decodes a rule list with bounds checks and has libseccomp turn it into classic BPF. */
#define _GNU_SOURCE
#include "seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CONDITIONS 6

/** Reads forward through the request; `bad` sticks, so that a run of reads needs one check. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct names {
    const char **text;
    /** Number in the native table, negative for "elsewhere only", __NR_SCMP_ERROR for unknown. */
    int *number;
    uint32_t count;
};

struct request {
    uint32_t default_action;
    uint32_t archs[TSR_SECCOMP_MAX_ARCHS];
    uint32_t arch_count;
    uint32_t rule_count;
    uint32_t threshold;
    struct names names;
    /** At the first rule; every architecture reads a copy of it. */
    struct cursor rules;
};

static uint32_t read_u32(struct cursor *c)
{
    if (c->bad || (size_t)(c->end - c->at) < 4) {
        c->bad = true;
        return 0;
    }
    const uint8_t *p = c->at;
    c->at += 4;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t read_u64(struct cursor *c)
{
    uint64_t low = read_u32(c);
    return low | (uint64_t)read_u32(c) << 32;
}

static const char *read_name(struct cursor *c)
{
    if (c->bad || c->at == c->end) {
        c->bad = true;
        return NULL;
    }
    size_t length = *c->at;
    const char *text = (const char *)c->at + 1;
    if ((size_t)(c->end - c->at) < length + 2 || memchr(text, 0, length + 1) != text + length) {
        c->bad = true;
        return NULL;
    }
    c->at += length + 2;
    return text;
}

static int refuse(struct tsr_seccomp_error *error, const char *call, int64_t index, int rc)
{
    error->call = call;
    error->index = index;
    return rc;
}

static int read_names(struct cursor *c, uint32_t count, struct names *names)
{
    /* Every name takes at least two bytes: bounds the allocation by the size of the request. */
    if (count > (size_t)(c->end - c->at) / 2) {
        return -EBADMSG;
    }
    names->text = calloc(count + 1, sizeof(*names->text));
    names->number = calloc(count + 1, sizeof(*names->number));
    if (names->text == NULL || names->number == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        names->text[i] = read_name(c);
        if (c->bad) {
            return -EBADMSG;
        }
    }
    names->count = count;
    return 0;
}

/** Fills the numbers, the list of unknown names and the newest number per architecture. */
static int resolve(struct request *request, struct tsr_seccomp_result *result)
{
    struct names *names = &request->names;
    result->unknown = calloc(names->count + 1, sizeof(*result->unknown));
    if (result->unknown == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < names->count; i++) {
        names->number[i] = seccomp_syscall_resolve_name(names->text[i]);
        if (names->number[i] == __NR_SCMP_ERROR) {
            result->unknown[result->unknown_count++] = i;
            continue;
        }
        for (uint32_t a = 0; a < request->arch_count; a++) {
            int number = seccomp_syscall_resolve_name_arch(request->archs[a], names->text[i]);
            /* Negative: the name exists on other architectures only. */
            if (number > 0 && (uint32_t)number > result->parts[a].newest) {
                result->parts[a].newest = (uint32_t)number;
            }
        }
    }
    return 0;
}

/** Reads one rule and adds it; returns the number of rules added (0 for an unknown name). */
static int add_rule(scmp_filter_ctx ctx, struct cursor *c, const struct names *names,
                    struct tsr_seccomp_error *error, uint32_t rule)
{
    uint32_t name = read_u32(c);
    uint32_t action = read_u32(c);
    uint32_t count = read_u32(c);
    struct scmp_arg_cmp conditions[MAX_CONDITIONS];
    if (c->bad || name >= names->count || count > MAX_CONDITIONS) {
        return refuse(error, "decode", rule, -EBADMSG);
    }
    for (uint32_t i = 0; i < count; i++) {
        conditions[i].arg = read_u32(c);
        conditions[i].op = (enum scmp_compare)read_u32(c);
        conditions[i].datum_a = read_u64(c);
        conditions[i].datum_b = read_u64(c);
    }
    if (c->bad) {
        return refuse(error, "decode", rule, -EBADMSG);
    }
    if (names->number[name] == __NR_SCMP_ERROR) {
        return 0;
    }
    int rc = seccomp_rule_add_array(ctx, action, names->number[name], count, conditions);
    return rc == 0 ? 1 : refuse(error, "seccomp_rule_add", rule, rc);
}

/** libseccomp before 2.6 exports to an fd only; a memfd never blocks, unlike a pipe. */
static int export_filter(scmp_filter_ctx ctx, struct tsr_seccomp_part *part)
{
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int rc = seccomp_export_bpf(ctx, fd);
    struct stat st;
    if (rc == 0 && fstat(fd, &st) != 0) {
        rc = -errno;
    }
    if (rc == 0) {
        part->filter_size = (size_t)st.st_size;
        part->filter = malloc(part->filter_size + 1);
        if (part->filter == NULL) {
            rc = -ENOMEM;
        } else if (pread(fd, part->filter, part->filter_size, 0) != (ssize_t)st.st_size) {
            rc = -EIO;
        }
    }
    close(fd);
    return rc;
}

/** Leaves `token` as the only architecture of a fresh context, which starts with the native one. */
static int choose_arch(scmp_filter_ctx ctx, uint32_t token)
{
    if (token == SCMP_ARCH_NATIVE) {
        return 0;
    }
    int rc = seccomp_arch_add(ctx, token);
    return rc == 0 ? seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE) : rc;
}

/** The program of one architecture; `ctx` is fresh and released by the caller. */
static int build(scmp_filter_ctx ctx, const struct request *request, uint32_t arch,
                 struct tsr_seccomp_part *part, struct tsr_seccomp_error *error)
{
    int rc = choose_arch(ctx, request->archs[arch]);
    if (rc != 0) {
        return refuse(error, "seccomp_arch_add", arch, rc);
    }
    struct cursor c = request->rules;
    uint32_t added = 0;
    for (uint32_t i = 0; i < request->rule_count; i++) {
        rc = add_rule(ctx, &c, &request->names, error, i);
        if (rc < 0) {
            return rc;
        }
        added += (uint32_t)rc;
    }
    if (c.at != c.end) {
        return refuse(error, "decode", -1, -EBADMSG);
    }
    if (added > request->threshold) {
        /* Older libraries lack it and work all the same; 2.5.4 breaks when there is no rule. */
        (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    }
    rc = export_filter(ctx, part);
    return rc == 0 ? 0 : refuse(error, "seccomp_export_bpf", -1, rc);
}

static int read_request(struct cursor *c, struct request *request)
{
    uint32_t version = read_u32(c);
    request->default_action = read_u32(c);
    request->arch_count = read_u32(c);
    uint32_t names = read_u32(c);
    request->rule_count = read_u32(c);
    request->threshold = read_u32(c);
    if (c->bad || version != TSR_SECCOMP_REQUEST_VERSION ||
        request->arch_count > TSR_SECCOMP_MAX_ARCHS) {
        return -EBADMSG;
    }
    for (uint32_t a = 0; a < request->arch_count; a++) {
        request->archs[a] = read_u32(c);
    }
    int rc = read_names(c, names, &request->names);
    request->rules = *c;
    return rc;
}

static int compile(struct request *request, struct tsr_seccomp_result *result,
                   struct tsr_seccomp_error *error)
{
    result->part_count = request->arch_count;
    int rc = resolve(request, result);
    if (rc != 0) {
        return refuse(error, "decode", -1, rc);
    }
    for (uint32_t a = 0; a < request->arch_count; a++) {
        if (request->archs[a] == seccomp_arch_native()) {
            continue; /* SCMP_ARCH_NATIVE stands for it */
        }
        scmp_filter_ctx ctx = seccomp_init(request->default_action);
        if (ctx == NULL) {
            return refuse(error, "seccomp_init", -1, -EINVAL);
        }
        rc = build(ctx, request, a, &result->parts[a], error);
        seccomp_release(ctx);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int tsr_seccomp_compile(const uint8_t *data, size_t size, struct tsr_seccomp_result *result,
                        struct tsr_seccomp_error *error)
{
    memset(result, 0, sizeof(*result));
    struct request request = {0};
    struct cursor c = {.at = data, .end = data + size};
    int rc = read_request(&c, &request);
    if (rc != 0) {
        rc = refuse(error, "decode", -1, rc);
    } else {
        rc = compile(&request, result, error);
    }
    free(request.names.text);
    free(request.names.number);
    if (rc != 0) {
        tsr_seccomp_result_free(result);
    }
    return rc;
}

void tsr_seccomp_result_free(struct tsr_seccomp_result *result)
{
    for (uint32_t a = 0; a < result->part_count; a++) {
        free(result->parts[a].filter);
    }
    free(result->unknown);
    memset(result, 0, sizeof(*result));
}

bool tsr_seccomp_has_arch(uint32_t token)
{
    return seccomp_syscall_resolve_name_arch(token, "read") != __NR_SCMP_ERROR;
}
