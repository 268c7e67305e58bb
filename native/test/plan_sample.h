/* A plan with every operation in it, as the encoder lays it out, and a reader that touches all of a plan. */
#ifndef TSR_TEST_PLAN_SAMPLE_H
#define TSR_TEST_PLAN_SAMPLE_H

#include <string.h>

#include "../init/plan.h"

#define SAMPLE_CAPACITY 65536
#define SAMPLE_HEADER 32

static inline void put_u32(uint8_t *at, uint32_t value) {
    memcpy(at, &value, sizeof value);
}

static inline void put_u64(uint8_t *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}

struct sample {
    uint8_t ops[SAMPLE_CAPACITY / 2], blob[SAMPLE_CAPACITY / 2];
    uint32_t ops_size, blob_size;
};

static inline uint32_t put_blob(struct sample *s, const void *data, uint32_t size) {
    uint32_t at = s->blob_size;
    memcpy(s->blob + at, data, size);
    s->blob_size += (size + 8) & ~7U; /* at least one zero behind it */
    return at;
}

static inline void put_field(struct sample *s, uint8_t type, uint32_t number) {
    uint8_t *wire = s->ops + s->ops_size;
    s->ops_size += 8;
    char text[16] = "text-";
    text[5] = (char)('a' + number % 26);
    switch (type) {
    case TSR_U32:
        put_u64(wire, number);
        break;
    case TSR_I32:
        put_u64(wire, (uint64_t) - (int64_t)number);
        break;
    case TSR_U64:
        put_u64(wire, UINT64_MAX - number);
        break;
    case TSR_STR:
    case TSR_BYTES:
        put_u32(wire, put_blob(s, text, 6));
        put_u32(wire + 4, 6);
        break;
    case TSR_STRS: {
        uint32_t table[4] = {put_blob(s, "first", 5), 5, put_blob(s, "", 0), 0};
        put_u32(wire, put_blob(s, table, sizeof table));
        put_u32(wire + 4, 2);
        break;
    }
    }
}

/*
 * A plan of `count` operations from entry `first` of the table on. In: room for SAMPLE_CAPACITY bytes. Out: the
 * plan's size. Field n of the plan is made of the number n.
 */
static inline size_t sample_plan(uint8_t *out, uint32_t first, uint32_t count) {
    static struct sample s;
    uint32_t number = 0;
    memset(&s, 0, sizeof s);
    for (uint32_t i = first; i < first + count; i++) {
        const struct tsr_op_desc *desc = &tsr_op_table[i];
        put_u32(s.ops + s.ops_size, desc->code);
        put_u32(s.ops + s.ops_size + 4, desc->nfields);
        s.ops_size += 8;
        for (uint32_t field = 0; field < desc->nfields; field++)
            put_field(&s, desc->fields[field].type, number++);
    }
    memset(out, 0, SAMPLE_HEADER);
    put_u32(out, TSR_PLAN_MAGIC);
    put_u32(out + 4, TSR_PLAN_ABI);
    put_u32(out + 8, count);
    put_u32(out + 12, s.ops_size);
    put_u32(out + 16, s.blob_size);
    memcpy(out + SAMPLE_HEADER, s.ops, s.ops_size);
    memcpy(out + SAMPLE_HEADER + s.ops_size, s.blob, s.blob_size);
    return SAMPLE_HEADER + s.ops_size + s.blob_size;
}

static inline uint64_t touch_field(const struct plan *plan, uint8_t type, const void *value) {
    uint64_t sum = 0;
    if (type == TSR_STR) {
        const char *text;
        memcpy(&text, value, sizeof text);
        sum += strlen(text);
    } else if (type == TSR_BYTES) {
        struct tsr_bytes bytes;
        memcpy(&bytes, value, sizeof bytes);
        for (uint32_t i = 0; i < bytes.len; i++)
            sum += bytes.data[i];
    } else if (type == TSR_STRS) {
        struct tsr_strs list;
        memcpy(&list, value, sizeof list);
        for (uint32_t i = 0; i < list.count; i++)
            sum += strlen(plan_string(plan, list, i));
    }
    return sum;
}

/* Reads all that an accepted plan offers; a sanitizer speaks up where that is not its memory. Out: operations. */
static inline uint32_t touch_plan(const struct plan *plan) {
    struct plan_cursor cursor = {0};
    struct plan_op op;
    uint32_t count = 0;
    volatile uint64_t sum = 0;
    for (; plan_next(plan, &cursor, &op); count++) {
        for (uint32_t i = 0; i < op.desc->nfields; i++) {
            const struct tsr_field *field = &op.desc->fields[i];
            sum += touch_field(plan, field->type, (const uint8_t *)&op.args + field->offset);
        }
    }
    return count;
}

#endif
