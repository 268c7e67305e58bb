/* The bounds-checked decoder of plans. Input is untrusted here: every length is checked before use. */
#include "plan.h"

#include <string.h>

#define HEADER_SIZE 32
#define OP_HEADER_SIZE 8
#define FIELD_SIZE 8

static uint32_t read_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t read_u64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static bool in_blob(const struct plan *plan, uint32_t offset, uint64_t size) {
    return offset <= plan->blob_size && size <= plan->blob_size - offset;
}

/* A string: inside the blob, NUL behind it, none in it. */
static const char *string_at(const struct plan *plan, uint32_t offset, uint32_t length) {
    if (!in_blob(plan, offset, (uint64_t)length + 1))
        return NULL;
    const uint8_t *text = plan->blob + offset;
    if (memchr(text, 0, (size_t)length + 1) != text + length)
        return NULL;
    return (const char *)text;
}

static bool strings_at(const struct plan *plan, uint32_t offset, uint32_t count,
                       struct tsr_strs *out) {
    if (offset % 8 != 0 || !in_blob(plan, offset, (uint64_t)count * 8))
        return false;
    out->table = plan->blob + offset;
    out->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = out->table + (size_t)i * 8;
        if (string_at(plan, read_u32(entry), read_u32(entry + 4)) == NULL)
            return false;
    }
    return true;
}

static bool decode_field(const struct plan *plan, uint8_t type, const uint8_t *wire, void *out) {
    uint64_t raw = read_u64(wire);
    uint32_t low = read_u32(wire), high = read_u32(wire + 4);
    switch (type) {
    case TSR_U32:
        if (high != 0)
            return false;
        memcpy(out, &low, sizeof low);
        return true;
    case TSR_I32: {
        int64_t wide = (int64_t)raw;
        if (wide < INT32_MIN || wide > INT32_MAX)
            return false;
        int32_t narrow = (int32_t)wide;
        memcpy(out, &narrow, sizeof narrow);
        return true;
    }
    case TSR_U64:
        memcpy(out, &raw, sizeof raw);
        return true;
    case TSR_STR: {
        const char *text = string_at(plan, low, high);
        memcpy(out, &text, sizeof text);
        return text != NULL;
    }
    case TSR_BYTES: {
        if (!in_blob(plan, low, high))
            return false;
        struct tsr_bytes bytes = {.data = plan->blob + low, .len = high};
        memcpy(out, &bytes, sizeof bytes);
        return true;
    }
    case TSR_STRS: {
        struct tsr_strs list;
        if (!strings_at(plan, low, high, &list))
            return false;
        memcpy(out, &list, sizeof list);
        return true;
    }
    default:
        return false;
    }
}

/* Decodes one op at `offset`; returns its size on the wire, 0 when it is damaged. */
static size_t decode_op(const struct plan *plan, size_t offset, struct plan_op *op) {
    size_t left = plan->ops_size - offset;
    if (left < OP_HEADER_SIZE)
        return 0;
    const uint8_t *wire = plan->ops + offset;
    uint32_t code = read_u32(wire), nfields = read_u32(wire + 4);
    if (code == 0 || code > TSR_OP_COUNT)
        return 0;
    const struct tsr_op_desc *desc = &tsr_op_table[code - 1];
    size_t size = OP_HEADER_SIZE + (size_t)desc->nfields * FIELD_SIZE;
    if (nfields != desc->nfields || left < size)
        return 0;
    op->desc = desc;
    for (uint32_t i = 0; i < nfields; i++) {
        const struct tsr_field *field = &desc->fields[i];
        void *out = (uint8_t *)&op->args + field->offset;
        if (!decode_field(plan, field->type, wire + OP_HEADER_SIZE + (size_t)i * FIELD_SIZE, out))
            return 0;
    }
    return size;
}

bool plan_open(struct plan *plan, const uint8_t *data, size_t size, const char **reason) {
    *reason = "plan is too short";
    if (size < HEADER_SIZE)
        return false;
    *reason = "plan has no magic number";
    if (read_u32(data) != TSR_PLAN_MAGIC)
        return false;
    *reason = "plan speaks another abi: executable and libexec come from different builds";
    if (read_u32(data + 4) != TSR_PLAN_ABI)
        return false;
    *reason = "plan's header has bits that this build does not know";
    if (read_u32(data + 20) != 0 || read_u64(data + 24) != 0)
        return false;
    *reason = "plan's lengths do not fit its size";
    uint64_t ops_size = read_u32(data + 12), blob_size = read_u32(data + 16);
    if (ops_size + blob_size + HEADER_SIZE != size)
        return false;
    *plan = (struct plan){.ops = data + HEADER_SIZE,
                          .ops_size = (size_t)ops_size,
                          .blob = data + HEADER_SIZE + ops_size,
                          .blob_size = (size_t)blob_size,
                          .count = read_u32(data + 8)};
    *reason = "plan holds a damaged operation";
    size_t offset = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct plan_op op;
        size_t used = decode_op(plan, offset, &op);
        if (used == 0)
            return false;
        offset += used;
    }
    return offset == plan->ops_size;
}

bool plan_next(const struct plan *plan, struct plan_cursor *cursor, struct plan_op *op) {
    if (cursor->index >= plan->count)
        return false;
    cursor->offset += decode_op(plan, cursor->offset, op);
    cursor->index++;
    return true;
}

const char *plan_string(const struct plan *plan, struct tsr_strs list, uint32_t i) {
    return (const char *)plan->blob + read_u32(list.table + (size_t)i * 8);
}
