/* The decoder: a plan with every operation, and every way in which one can be damaged. */
#include "../init/plan.h"

#include "check.h"
#include "plan_sample.h"

static uint8_t sample[SAMPLE_CAPACITY];
static size_t sample_size;

/* Opens a copy that ends where the allocation ends, so that a read behind it is seen. */
static bool opens(const uint8_t *data, size_t size) {
    struct plan plan;
    const char *reason = NULL;
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    CHECK(copy != NULL);
    memcpy(copy, data, size);
    bool ok = plan_open(&plan, size == 0 ? copy + 1 : copy, size, &reason);
    if (ok)
        CHECK(touch_plan(&plan) == plan.count);
    else
        CHECK(reason != NULL && reason[0] != 0);
    free(copy);
    return ok;
}

/* The sample with one word replaced. */
static bool opens_with_u32(size_t at, uint32_t value) {
    uint8_t kept[4];
    memcpy(kept, sample + at, 4);
    put_u32(sample + at, value);
    bool ok = opens(sample, sample_size);
    memcpy(sample + at, kept, 4);
    return ok;
}

static void test_every_operation(void) {
    struct plan plan;
    struct plan_cursor cursor = {0};
    struct plan_op op;
    const char *reason;
    CHECK(plan_open(&plan, sample, sample_size, &reason));
    uint32_t number = 0;
    for (uint32_t i = 0; i < TSR_OP_COUNT; i++) {
        CHECK(plan_next(&plan, &cursor, &op));
        CHECK(op.desc->code == i + 1);
        if (op.desc->code == TSR_OP_SET_RLIMIT) {
            CHECK(op.args.set_rlimit.resource == number);
            CHECK(op.args.set_rlimit.soft == UINT64_MAX - (number + 1));
        } else if (op.desc->code == TSR_OP_JOIN_CGROUP) {
            CHECK(op.args.join_cgroup.fd == -(int)number);
            CHECK(strncmp(op.args.join_cgroup.path, "text-", 5) == 0);
        } else if (op.desc->code == TSR_OP_SECCOMP) {
            CHECK(op.args.seccomp.filter.len == 6);
            CHECK(memcmp(op.args.seccomp.filter.data, "text-", 5) == 0);
        } else if (op.desc->code == TSR_OP_EXECUTE) {
            CHECK(op.args.execute.args.count == 2);
            CHECK(strcmp(plan_string(&plan, op.args.execute.args, 0), "first") == 0);
            CHECK(strcmp(plan_string(&plan, op.args.execute.args, 1), "") == 0);
        }
        number += op.desc->nfields;
    }
    CHECK(!plan_next(&plan, &cursor, &op));
}

static void test_sizes(void) {
    for (size_t size = 0; size < sample_size; size++)
        CHECK(!opens(sample, size));
    CHECK(opens(sample, sample_size));
    CHECK(!opens(sample, sample_size + 1));
    CHECK(!opens(sample, sample_size + 8));
}

static void test_header(void) {
    for (size_t at = 0; at < SAMPLE_HEADER; at++) {
        for (int bit = 0; bit < 8; bit++) {
            sample[at] ^= (uint8_t)(1 << bit);
            CHECK(!opens(sample, sample_size));
            sample[at] ^= (uint8_t)(1 << bit);
        }
    }
    /* lengths whose sum wraps around 32 bits to the right one */
    CHECK(!opens_with_u32(12, UINT32_MAX - 7));
    CHECK(!opens_with_u32(16, UINT32_MAX - 7));
    for (uint32_t count = 0; count < TSR_OP_COUNT; count++)
        CHECK(!opens_with_u32(8, count));
    CHECK(!opens_with_u32(8, UINT32_MAX));
    CHECK(opens_with_u32(4, TSR_PLAN_ABI));
}

static void test_strings(size_t at, uint32_t blob_size) {
    uint32_t offset, length;
    memcpy(&offset, sample + at, 4);
    memcpy(&length, sample + at + 4, 4);
    const uint32_t offsets[] = {blob_size, blob_size + 1, blob_size - length, UINT32_MAX,
                                UINT32_MAX - length, INT32_MAX};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        CHECK(!opens_with_u32(at, offsets[i]));
    const uint32_t lengths[] = {length - 1, length + 1, blob_size, UINT32_MAX, INT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        CHECK(!opens_with_u32(at + 4, lengths[i]));
    CHECK(opens_with_u32(at, offset));
}

static void test_bytes(size_t at, uint32_t blob_size) {
    const uint32_t offsets[] = {blob_size, blob_size - 5, UINT32_MAX, UINT32_MAX - 5};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        CHECK(!opens_with_u32(at, offsets[i]));
    CHECK(!opens_with_u32(at + 4, blob_size + 1));
    CHECK(!opens_with_u32(at + 4, UINT32_MAX));
    CHECK(opens_with_u32(at + 4, 0));
}

static void test_string_list(size_t at, size_t blob, uint32_t blob_size) {
    uint32_t offset;
    memcpy(&offset, sample + at, 4);
    CHECK(!opens_with_u32(at, offset + 1));
    CHECK(!opens_with_u32(at, offset + 4)); /* an entry across two would be read */
    CHECK(!opens_with_u32(at, blob_size));
    CHECK(!opens_with_u32(at, UINT32_MAX & ~7U));
    CHECK(!opens_with_u32(at + 4, UINT32_MAX));
    CHECK(!opens_with_u32(at + 4, 0x20000001)); /* times eight is eight in 32 bits */
    CHECK(!opens_with_u32(at + 4, blob_size));
    CHECK(opens_with_u32(at + 4, 0));
    test_strings(blob + offset, blob_size);
}

/* Every operation's code, number of fields, and each field's own limits. */
static void test_operations(void) {
    uint32_t ops_size, blob_size;
    memcpy(&ops_size, sample + 12, 4);
    memcpy(&blob_size, sample + 16, 4);
    size_t blob = SAMPLE_HEADER + ops_size, at = SAMPLE_HEADER;
    for (uint32_t i = 0; i < TSR_OP_COUNT; i++) {
        const struct tsr_op_desc *desc = &tsr_op_table[i];
        CHECK(!opens_with_u32(at, 0));
        CHECK(!opens_with_u32(at, TSR_OP_COUNT + 1));
        CHECK(!opens_with_u32(at, UINT32_MAX));
        CHECK(!opens_with_u32(at + 4, desc->nfields + 1));
        CHECK(!opens_with_u32(at + 4, desc->nfields - 1));
        at += 8;
        for (uint32_t f = 0; f < desc->nfields; f++, at += 8) {
            uint8_t type = desc->fields[f].type;
            if (type == TSR_U32)
                CHECK(!opens_with_u32(at + 4, 1));
            else if (type == TSR_I32)
                CHECK(!opens_with_u32(at + 4, 1) && !opens_with_u32(at + 4, INT32_MAX) &&
                      !opens_with_u32(at + 4, 1U << 31) && !opens_with_u32(at + 4, UINT32_MAX - 1));
            else if (type == TSR_STR)
                test_strings(at, blob_size);
            else if (type == TSR_BYTES)
                test_bytes(at, blob_size);
            else if (type == TSR_STRS)
                test_string_list(at, blob, blob_size);
        }
    }
}

/* A plan of one operation and a blob of zeros: every string in it is empty and in order, wherever it starts. */
static size_t single(uint8_t *out, uint32_t code, uint32_t blob_size) {
    const struct tsr_op_desc *desc = &tsr_op_table[code - 1];
    uint32_t ops_size = 8 + desc->nfields * 8;
    memset(out, 0, SAMPLE_HEADER + ops_size + blob_size);
    put_u32(out, TSR_PLAN_MAGIC);
    put_u32(out + 4, TSR_PLAN_ABI);
    put_u32(out + 8, 1);
    put_u32(out + 12, ops_size);
    put_u32(out + 16, blob_size);
    put_u32(out + SAMPLE_HEADER, code);
    put_u32(out + SAMPLE_HEADER + 4, desc->nfields);
    return SAMPLE_HEADER + ops_size + blob_size;
}

/* What can only be seen where nothing else is wrong: the very ends of both areas. */
static void test_ends(void) {
    uint8_t plan[256];
    size_t size = single(plan, TSR_OP_HOSTNAME, 8), field = SAMPLE_HEADER + 8;
    CHECK(opens(plan, size));
    put_u32(plan + field, 7);
    CHECK(opens(plan, size));
    put_u32(plan + field, 8); /* behind the last byte */
    CHECK(!opens(plan, size));
    memset(plan + size - 8, 'x', 8); /* a string that fills the blob, and has no room for a NUL */
    put_u32(plan + field, 0);
    put_u32(plan + field + 4, 8);
    CHECK(!opens(plan, size));
    size = single(plan, TSR_OP_HOOK, 64);
    field = SAMPLE_HEADER + 16; /* its args */
    put_u32(plan + field + 4, 8);
    CHECK(opens(plan, size));
    put_u32(plan + field + 4, 9);
    CHECK(!opens(plan, size));
    put_u32(plan + field + 4, 0x20000001); /* times eight is eight in 32 bits */
    CHECK(!opens(plan, size));
    put_u32(plan + field + 4, 1);
    for (uint32_t at = 0; at < 64; at++) {
        put_u32(plan + field, at);
        CHECK(opens(plan, size) == (at % 8 == 0));
    }
    /* an operation that the plan ends in, with no blob behind it */
    size = single(plan, TSR_OP_SET_RLIMIT, 0);
    CHECK(opens(plan, size));
    for (uint32_t less = 1; less < size - SAMPLE_HEADER; less++) {
        put_u32(plan + 12, (uint32_t)size - SAMPLE_HEADER - less);
        CHECK(!opens(plan, size - less));
    }
}

/* Overlapping strings and lists are odd but harmless; whatever is accepted has to be readable. */
static void test_every_byte(void) {
    static const uint8_t values[] = {0, 1, 7, 8, 0x7f, 0x80, 0xff};
    for (size_t at = SAMPLE_HEADER; at < sample_size; at++) {
        uint8_t kept = sample[at];
        for (size_t i = 0; i < sizeof values; i++) {
            sample[at] = values[i];
            opens(sample, sample_size);
        }
        sample[at] = kept;
    }
    CHECK(opens(sample, sample_size));
}

int main(void) {
    sample_size = sample_plan(sample, 0, TSR_OP_COUNT);
    test_every_operation();
    test_sizes();
    test_header();
    test_operations();
    test_ends();
    test_every_byte();
    puts("plan_test: ok");
    return 0;
}
